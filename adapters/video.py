"""Frames from video files, by PyAV."""

import math
from collections.abc import Callable, Generator, Hashable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
from av.video.reformatter import VideoReformatter

from hebbstream.errors import (
    ConfigurationError,
    NotAVideoError,
    SourceNotFoundError,
    StreamError,
    TruncatedVideoError,
)
from hebbstream.prefetch import Prefetch
from hebbstream.sample import Sample

_SLACK_SECONDS = 0.5
_SLACK_FRAMES = 2


def open_video(
    source: str | Path,
    *,
    size: int | tuple[int, int] | None = None,
    stride: int = 1,
    rate: float | None = None,
    gray: bool = False,
    label: Callable[[float], Hashable] | None = None,
    prefetch: int = 4,
) -> "VideoStream":
    """Open a video file as a stream of samples.

    Parameters
    ----------
    source
        Path of a file in any format that FFmpeg reads.
    size
        (height, width) to scale to, or one number for both; ``None`` keeps the video's. The picture is stretched.
    stride
        Keep every `stride`-th frame.
    rate
        Frames to keep for each second of video; frames are left out, never repeated. Not together with `stride`.
    gray
        One channel of brightness instead of red, green and blue.
    label
        Gives a frame's label for its time in seconds; ``None`` for no labels.
    prefetch
        Frames to decode ahead, in a thread of its own, so that decoding overlaps learning; 0 decodes each when it is
        asked for.

    Returns
    -------
    VideoStream
        An iterator of `Sample` with ``x`` of shape (H, W, 3), or (H, W) if `gray`, uint8, and ``t`` in seconds from
        the start. A context manager: leaving it closes the file.

    Raises
    ------
    SourceNotFoundError
        If there is no such file.
    NotAVideoError
        If the file holds no video that can be decoded.
    TruncatedVideoError
        If the file is cut before the index it needs. While iterating, after the last good frame, if the file ends
        before the length that its header declares.
    ConfigurationError
        If an option cannot work.

    Examples
    --------
    >>> from hebbstream.demo import CLIP
    >>> with open_video(CLIP, size=32, label=lambda t: "early" if t < 1 else "late") as frames:
    ...     print(next(frames))
    Sample(x=uint8 (32, 32, 3), y='early', t=0.0, source='demo.mp4')
    """
    if stride < 1:
        raise ConfigurationError(f"stride={stride}: expected a positive integer")
    if rate is not None and (stride != 1 or not rate > 0):
        raise ConfigurationError(f"rate={rate}, stride={stride}: expected a rate above 0, or a stride, not both")
    shape = (size, size) if isinstance(size, int) else size
    if shape is not None and min(shape) < 1:
        raise ConfigurationError(f"size={size}: expected positive numbers of pixels")
    if prefetch < 0:
        raise ConfigurationError(f"prefetch={prefetch}: expected 0 or a positive number of frames")
    return VideoStream(Path(source), size=shape, stride=stride, rate=rate, gray=gray, label=label, prefetch=prefetch)


class VideoStream(Iterator[Sample]):
    """An open video; made by `open_video`."""

    def __init__(
        self,
        path: Path,
        *,
        size: tuple[int, int] | None,
        stride: int,
        rate: float | None,
        gray: bool,
        label: Callable[[float], Hashable] | None,
        prefetch: int,
    ) -> None:
        self.path = path
        self._container = _open(path)
        self._video = self._container.streams.video[0]
        self._video.thread_type = "AUTO"
        self._size, self._stride, self._rate, self._label = size, stride, rate, label
        self._format = "gray" if gray else "rgb24"
        self._reformatter = VideoReformatter()  # one for all frames keeps FFmpeg's scaling context
        self._samples = Prefetch(self._read(), prefetch) if prefetch else self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; iterating afterwards ends at once."""
        self._samples.close()
        self._container.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Sample:
        return next(self._samples)

    def __length_hint__(self) -> int:
        """Return the number of samples that the file's header announces; 0 where it announces nothing."""
        frames, duration = self._video.frames, self._declared_seconds()
        if self._rate is None:
            return math.ceil(int(frames) / self._stride)
        return min(int(frames) or 2**31, math.ceil(duration * self._rate)) if duration else 0

    def _read(self) -> Generator[Sample, None, None]:
        due = 0.0
        for index, time, frame in self._frames():
            if self._rate is not None:
                if time < due - 1e-6:
                    continue
                due = max(due + 1.0 / self._rate, time)
            elif index % self._stride:
                continue
            height, width = self._size or (frame.height, frame.width)
            picture = self._reformatter.reformat(
                frame, width=width, height=height, format=self._format, interpolation="AREA"
            )
            label = None if self._label is None else self._label(time)
            yield Sample(picture.to_ndarray(), label, time, self.path.name)

    def _frames(self) -> Iterator[tuple[int, float, av.VideoFrame]]:
        """Yield every frame with its index and time, then complain if the header promised more."""
        index, packets, time, first = 0, 0, 0.0, None
        step = 1.0 / float(self._video.average_rate or 25)
        damage = None
        try:
            for packet in self._container.demux(self._video):
                packets += packet.size > 0
                for frame in packet.decode():
                    stamp = frame.time
                    if first is None:
                        first = stamp or 0.0
                    time = index * step if stamp is None else stamp - first
                    yield index, time, frame
                    index += 1
        except (av.error.FFmpegError, EOFError) as error:
            damage = error
        if not index:
            raise NotAVideoError(f"{self.path}: no frame of it can be decoded")
        declared = self._video.frames
        missing_frames = declared > 0 and packets < declared - _SLACK_FRAMES
        missing_time = time + step < self._declared_seconds() - _SLACK_SECONDS
        if damage is not None or missing_frames or missing_time:
            expected = f"{declared} frames" if declared else f"{self._declared_seconds():.1f} s"
            raise TruncatedVideoError(
                f"{self.path}: truncated or damaged after {index} frames ({time + step:.1f} s); its header declares {expected}"
            )

    def _declared_seconds(self) -> float:
        if self._video.duration and self._video.time_base:
            return float(self._video.duration * self._video.time_base)
        alone = len(self._container.streams) == 1  # otherwise the longest may be the sound
        return float(Fraction(self._container.duration, av.time_base)) if self._container.duration and alone else 0.0


def _open(path: Path) -> Any:
    try:
        container = av.open(str(path))
    except FileNotFoundError:
        raise SourceNotFoundError(f"no file at {path}") from None
    except IsADirectoryError:
        raise NotAVideoError(f"{path} is a folder: expected a video file") from None
    except PermissionError:
        raise StreamError(f"{path}: no permission to read it") from None
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if _begins_as_video(path):
            raise TruncatedVideoError(f"{path}: begins as a video, but is cut before its index ({reason})") from error
        raise NotAVideoError(f"{path}: not a video ({reason})") from error
    # FFmpeg "plays" text files as a terminal recording.
    if container.format.name == "tty" or not container.streams.video:
        nothing = not container.streams.audio  # a sound file is whole, and no video
        container.close()
        if nothing and _begins_as_video(path):
            raise TruncatedVideoError(f"{path}: begins as a video, but is cut before its index")
        raise NotAVideoError(f"{path}: it holds no video")
    return container


def _begins_as_video(path: Path) -> bool:
    """Tell an MP4 or QuickTime, Matroska or AVI file by its first bytes."""
    with path.open("rb") as file:
        head = file.read(12)
    return head[4:8] == b"ftyp" or head[:4] == b"\x1a\x45\xdf\xa3" or (head[:4], head[8:]) == (b"RIFF", b"AVI ")
