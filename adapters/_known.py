"""By what a file is known again, wherever it lies by then."""

import hashlib
import stat
from collections.abc import Sequence
from pathlib import Path

_END = 1 << 16  # bytes at either end
_DIGITS = 16


def content(path: Path, *, grows: bool = False) -> bytes | None:
    """Return a file's beginning, its end and its size; ``None`` of a pipe, of which what was read is gone.

    Of one that grows, the beginning alone, if there is more of it: it is the same when it has grown.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        return None
    with path.open("rb") as file:
        beginning = file.read(_END)
        if grows and len(beginning) == _END:
            return beginning
        file.seek(max(0, found.st_size - _END))
        return beginning + file.read(_END) + str(found.st_size).encode()


def digest(known_by: bytes) -> str:
    """Return a short text for it, the same for the same.

    Examples
    --------
    >>> digest(b"clip")
    '67905ad3cc2dd52b'
    """
    return hashlib.sha256(known_by).hexdigest()[:_DIGITS]


def files_fingerprint(paths: Sequence[Path], manner: str, *, grows: bool = False) -> str | None:
    """Return the `Stream.fingerprint` of files read one after another in some manner; ``None`` if one is a pipe.

    With `grows`, more may be added at the end of a file of 64 KB: it is known by how it begins. Of several files, each is known by
    all of it as well: `hebbstream.learning` lets the last one alone grow, as rows in the midst would shift what is passed over.
    """
    parts = []
    ways = (False, True) if grows and len(paths) > 1 else (grows,)
    for path in paths:
        try:
            known_by = [content(path, grows=way) for way in ways]
        except OSError:  # it is gone by now
            known_by = [path.name.encode(errors="surrogateescape")]
        found = [digest(each + manner.encode()) for each in known_by if each is not None]
        if not found:
            return None
        parts.append("~".join(found))
    return "+".join(parts)
