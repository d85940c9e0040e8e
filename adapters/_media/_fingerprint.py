"""By what a video is known again, wherever it lies by then."""

from collections.abc import Sequence
from pathlib import Path

from hebbstream.adapters._known import content, digest
from hebbstream.adapters._media._options import Cut, Thinning
from hebbstream.adapters._media._source import MediaSource


def fingerprint(
    sources: Sequence[MediaSource],
    cut: Cut,
    thinning: Thinning,
    whole: bool = False,
    extent: str = "",
    *,
    other: str = "",
) -> str | None:
    """Return a text that is the same for the same videos read in the same way, and holds no path and no password.

    A file is known by its size, its beginning and its end; anything else by its address, and one that is opened by its
    `extent`, too. ``None`` if one of them can be read only once. With `whole`, how long the first is read counts, too.
    """
    # To what size it is brought changes nothing about which frames come first; how long it is read, about what follows it.
    manner = f"{extent}{cut.start:g} {thinning.stride} {thinning.rate}{other}"
    until = "" if cut.end is None else f" to {cut.end!r}"
    parts: list[str] = []
    for source in sources:
        known_by = _known_by(source)
        if known_by is None:
            return None
        follows = whole or cut.loop or parts
        parts.append(digest(known_by + (manner + until if follows else manner).encode()))
    return "+".join([*parts, "loop"] if cut.loop else parts)


def _known_by(source: MediaSource) -> bytes | None:
    if source.once or source.content is not None:
        return None  # what is read of it is gone, or it is the caller's own
    if source.kind != "file":
        return source.shown.encode()
    try:
        return content(Path(source.url))
    except OSError:
        return source.name.encode(errors="surrogateescape")  # of several, one that cannot be read is passed over
