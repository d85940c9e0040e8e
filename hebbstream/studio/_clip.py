"""`ClipSource`: the bundled clip, calm enough to teach from: some seconds of each photograph in turn."""

import threading
import time
from itertools import cycle, islice

from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP, clip_label
from hebbstream.studio._picture import Pixels
from hebbstream.studio._source import PlayedSource

_FRAMES = 1000  # of the clip, whose scenes last a third of a second: 12 MB
_FRAMES_A_SECOND = 25
_SCENE = 125


class ClipSource(PlayedSource):
    """Plays the bundled clip over and over, its frames put together by what they show.

    Parameters
    ----------
    number, arrived
        See `Source`.
    """

    def __init__(self, number: int, arrived: threading.Condition) -> None:
        super().__init__(number, "bundled clip", arrived)
        self.begin()

    def _play(self) -> None:
        photographs = self._photographs()
        due, played, longest = time.monotonic(), 0, max(map(len, photographs.values()))
        for start in cycle(range(0, longest, _SCENE)):
            for frames in photographs.values():
                for frame in frames[start : start + _SCENE]:
                    due = max(due + 1 / _FRAMES_A_SECOND, time.monotonic() - 1)
                    if self._closing.wait(max(0.0, due - time.monotonic())):
                        return
                    self.put(frame, played / _FRAMES_A_SECOND)
                    played += 1

    def _photographs(self) -> dict[str | None, list[Pixels]]:
        found: dict[str | None, list[Pixels]] = {}
        with open_video(CLIP, label=clip_label()) as stream:
            for number, sample in enumerate(islice(stream, _FRAMES)):
                if number % _FRAMES_A_SECOND == 0:
                    self.put(sample.x, 0.0)  # there is something to see while the rest is read
                found.setdefault(sample.y, []).append(sample.x)  # type: ignore[arg-type]  # its labels are text
                if self._closing.is_set():
                    break
        return found
