"""`Gate`: whether a frame shows anything new, as `hebbstream.streams.novel` tells it."""

from torch import Tensor

from hebbstream.streams._novelty import brightness
from hebbstream.studio._picture import Pixels

_THRESHOLD = 0.02
_GRID = 8
_HEARTBEAT = 250  # of as many frames, one passes whatever it shows


class Gate:
    """Compares each frame with the last of the same source that passed.

    Examples
    --------
    >>> import numpy as np
    >>> gate, frame = Gate(), np.zeros((16, 16, 3), np.uint8)
    >>> gate.passes(0, frame), gate.passes(0, frame), gate.passes(0, frame + 50)
    (True, False, True)
    """

    def __init__(self) -> None:
        self._last: dict[int, tuple[Tensor, int]] = {}

    def passes(self, source: int, frame: Pixels) -> bool:
        """Whether a frame of a source is to be learned."""
        cells = brightness(frame, _GRID)
        last, silence = self._last.get(source, (None, 0))
        if last is None or silence + 1 >= _HEARTBEAT or float((cells - last).abs().mean()) >= _THRESHOLD:
            self._last[source] = cells, 0
            return True
        self._last[source] = last, silence + 1
        return False
