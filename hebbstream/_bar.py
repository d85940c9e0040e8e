"""`progress_bar`: how far long work has come, on a terminal and in a log."""

import errno
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from operator import length_hint
from typing import Any, TextIO

from tqdm.auto import tqdm

_LOG_SECONDS = 10.0  # between lines where stderr is a file: there nothing overwrites the one before


def drawn_over() -> bool:
    """Whether what shows progress is drawn over what it showed before: on a terminal, or in a notebook."""
    return (sys.stderr is not None and sys.stderr.isatty()) or "ipykernel" in sys.modules


def expected(stream: object, limit: int | None = None, passed: int = 0) -> int | None:
    """Return how many samples of a stream will come, after those passed over and up to a limit; ``None`` if unknown."""
    known = length_hint(stream)
    left = max(0, known - passed) if known else None
    return min((count for count in (left, limit) if count is not None), default=None)


def progress_bar(
    items: Iterable[Any] | None = None, *, unit: str, shown: bool, total: int | None = None, desc: str | None = None
) -> "tqdm[Any]":
    """Return a bar over items, or one to `update` where there are none.

    A terminal is updated all the time, a log gets a line every ten seconds.

    Parameters
    ----------
    items
        What to pass on, one by one.
    unit
        What is counted: "frames".
    shown
        Whether to show anything.
    total
        How many there will be, where `items` cannot tell.
    desc
        What is done.

    Examples
    --------
    >>> sum(progress_bar([1, 2, 3], unit="frames", shown=False))
    6
    """
    return _Bar(
        items,
        desc=desc,
        total=total,
        file=None if sys.stderr is None else _Forgiving(sys.stderr),
        unit=f" {unit}",
        disable=not shown or sys.stderr is None,  # as of a daemon
        dynamic_ncols=True,
        mininterval=0.1 if drawn_over() else _LOG_SECONDS,
        maxinterval=_LOG_SECONDS,
    )


class _Bar(tqdm):  # type: ignore[misc]  # it has no types
    def refresh(self, nolock: bool = False, lock_args: tuple[Any, ...] | None = None) -> bool | None:
        """Let the lock go where nobody reads the bar, too: tqdm keeps it, and every other bar would wait for good."""
        if nolock or lock_args:
            try:
                shown: bool | None = super().refresh(nolock, lock_args)
            except OSError:
                self.disable = True  # or it would say, as it is thrown away, that it could not be closed
                raise
            return shown
        with self.get_lock():
            return self.refresh(nolock=True)


class _Forgiving:
    """A stream whose full disk costs lines of a bar, and not the work that it shows."""

    def __init__(self, stream: TextIO) -> None:
        self._wrapped = stream  # tqdm's name: by it, bars and logs know that they are on one terminal

    def write(self, text: str) -> None:
        with _full_disk_forgiven():
            self._wrapped.write(text)

    def flush(self) -> None:
        with _full_disk_forgiven():
            self._wrapped.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)

    def __eq__(self, other: object) -> bool:
        return bool(self._wrapped == getattr(other, "_wrapped", other))

    def __hash__(self) -> int:
        return hash(self._wrapped)


@contextmanager
def _full_disk_forgiven() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):  # that nobody reads on ends a command
            raise
