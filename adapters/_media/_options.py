"""The options of `open_video`, in groups that check themselves."""

import math
from dataclasses import dataclass

from hebbstream._numbers import as_index, check_number, quantity
from hebbstream._quote import quote
from hebbstream.errors import ConfigurationError

_FASTEST = 1e6  # frames a second


@dataclass(frozen=True, slots=True)
class Cut:
    """Which part of each file is read.

    Parameters
    ----------
    start, duration
        Seconds to leave out at the start, and to read; ``None`` reads to the end.
    loop
        Whether to begin again at the end, for ever.

    Raises
    ------
    ConfigurationError
        If they cannot work.
    """

    start: float = 0.0
    duration: float | None = None
    loop: bool = False

    def __post_init__(self) -> None:
        _check_positive(duration=self.duration)
        _check_not_negative(start=self.start)
        if math.isinf(self.start):
            raise ConfigurationError(f"start={self.start}: expected 0 or a positive number of seconds")

    @property
    def end(self) -> float | None:
        """Seconds at which to stop reading."""
        return None if self.duration in (None, math.inf) else self.start + self.duration


@dataclass(frozen=True, slots=True)
class Thinning:
    """Which frames are kept: every `stride`-th, or the first of each 1/`rate` seconds.

    Raises
    ------
    ConfigurationError
        If they cannot work, or both are given.
    """

    stride: int = 1
    rate: float | None = None

    def __post_init__(self) -> None:
        check_number("stride", self.stride)
        if self.rate is not None and (self.stride != 1 or not 0 < quantity(self.rate) <= _FASTEST):
            raise ConfigurationError(
                f"rate={quote(self.rate)}, stride={self.stride}: expected a rate up to a million, or a stride, not both"
            )


@dataclass(frozen=True, slots=True)
class Connection:
    """How a source is opened, and how long one that is live is waited for.

    Parameters
    ----------
    hardware
        Kind of device that decodes: ``"auto"``, or one of FFmpeg's (``"cuda"``, ``"vaapi"``, …). Where it cannot, the
        CPU does, and a warning says so. ``None`` is the CPU.
    open_timeout, read_timeout
        Seconds to wait for a camera or network stream to open, and for its next frame.
    retry_for
        Seconds without a frame for which a live source is tried again.
    stream
        Which of several videos in it, from 0; ``None`` chooses.

    Raises
    ------
    ConfigurationError
        If they cannot work.
    """

    hardware: str | None = None
    open_timeout: float = 10.0
    read_timeout: float = 10.0
    retry_for: float = 300.0
    stream: int | None = None

    def __post_init__(self) -> None:
        if self.stream is not None and as_index(self.stream) < 0:
            raise ConfigurationError(f"stream={quote(self.stream)}: expected 0 or a positive number")
        _check_positive(open_timeout=self.open_timeout, read_timeout=self.read_timeout)
        _check_not_negative(retry_for=self.retry_for)


def check_label(label: object) -> None:
    """Refuse a `label` that cannot be asked, such as the name of a file of labels."""
    if label is not None and not callable(label):
        raise ConfigurationError(
            f"label={quote(label)}: expected a function of the time in seconds, such as read_labels({quote(label)}) gives"
        )


def _check_positive(**seconds: float | None) -> None:
    for name, value in seconds.items():
        if value is not None and not quantity(value) > 0:
            raise ConfigurationError(f"{name}={quote(value)}: expected a positive number of seconds")


def _check_not_negative(**seconds: float) -> None:
    for name, value in seconds.items():
        if not quantity(value) >= 0:
            raise ConfigurationError(f"{name}={quote(value)}: expected 0 or a positive number of seconds")
