"""`Pipe`: what can be read only once, in order."""

import io
import os
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from hebbstream.errors import StreamError

_HEAD = 256
_BLOCK = 1 << 20
_BEFORE_THE_INDEX = (b"ftyp", b"styp", b"free", b"skip", b"wide", b"uuid")


class Pipe:
    """A file object that cannot go back, for FFmpeg.

    Parameters
    ----------
    content
        What is read: anything with ``read``.
    """

    def __init__(self, content: Any) -> None:
        self._content = content
        self._head = b""
        self.size = 0
        """Bytes that have been read."""

    def read(self, count: int) -> bytes:
        """Return so many bytes at most, or none at the end."""
        if self._head:
            taken, self._head = self._head[:count], self._head[count:]
        else:
            taken = self._content.read(count)
        self.size += len(taken)
        return taken

    def opened(self) -> "Pipe | BinaryIO":
        """Return itself, or, of an MP4 or QuickTime file whose index comes last, a copy that can go back."""
        while len(self._head) < _HEAD and (more := self._content.read(_HEAD - len(self._head))):
            self._head += more
        return _copied(self) if _has_index_last(self._head) else self


def _has_index_last(head: bytes) -> bool:
    start = 0
    while (kind := head[start + 4 : start + 8]) in _BEFORE_THE_INDEX:
        start += max(8, int.from_bytes(head[start : start + 4]))
    return kind == b"mdat"


def _copied(pipe: Pipe) -> BinaryIO:
    with _named_as_copy():
        temporary = tempfile.TemporaryFile()  # noqa: SIM115  # closed below
    with temporary:
        while block := pipe.read(_BLOCK):
            with _named_as_copy():
                temporary.write(block)
        with _named_as_copy():
            temporary.flush()
            number = os.dup(temporary.fileno())  # whoever holds the copy closes it by letting go
    file = io.FileIO(number, closefd=False)
    weakref.finalize(file, os.close, number)
    file.seek(0)
    return file


@contextmanager
def _named_as_copy() -> Iterator[None]:
    """Let no trouble with the copy pass for trouble with the video."""
    try:
        yield
    except OSError as error:
        raise StreamError(
            f"a video whose index comes last cannot be read from a pipe without a temporary copy ({error.strerror})"
        ) from None
