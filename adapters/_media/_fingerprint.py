"""By what a video is known again, wherever it lies by then."""

import hashlib
import stat
from collections.abc import Sequence
from pathlib import Path

from hebbstream.adapters._media._options import Cut, Thinning
from hebbstream.adapters._media._source import MediaSource

_END = 1 << 16  # bytes at either end of a file
_DIGITS = 16


def fingerprint(sources: Sequence[MediaSource], cut: Cut, thinning: Thinning, other: str = "") -> str | None:
    """Return a text that is the same for the same videos read in the same way, and holds no path and no password.

    A file is known by its size, its beginning and its end; anything else by its address. ``None`` if one of them can
    be read only once.
    """
    # How long it is read, and to what size it is brought, changes nothing about which frames come first.
    manner = f"{cut.start:g} {thinning.stride} {thinning.rate}{other}".encode()
    parts = []
    for source in sources:
        content = _content(source)
        if content is None:
            return None
        parts.append(hashlib.sha256(content + manner).hexdigest()[:_DIGITS])
    return "+".join([*parts, "loop"] if cut.loop else parts)


def _content(source: MediaSource) -> bytes | None:
    if source.once or source.content is not None:
        return None  # what is read of it is gone, or it is the caller's own
    if source.kind != "file":
        return source.shown.encode()
    path = Path(source.url)
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return None  # a pipe: what is read of it is gone
        with path.open("rb") as file:
            beginning = file.read(_END)
            file.seek(max(0, found.st_size - _END))
            return beginning + file.read(_END) + str(found.st_size).encode()
    except OSError:
        return source.name.encode()  # of several, one that cannot be read is passed over
