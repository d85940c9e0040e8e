"""`Viewer`: one page that looks on, and what it has been sent."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

from starlette.websockets import WebSocket

from hebbstream.studio._board import Board
from hebbstream.studio._picture import jpeg
from hebbstream.studio._source import Source

MOST_IN_FLIGHT = 2
_SLOW_SECONDS, _QUICK_SECONDS = 0.5, 0.2  # from sending until it is shown
_SIZES = ((480, 75), (256, 65), (160, 50))  # width and quality, for quick viewers and for slower ones
_ASIDE = 160  # width of the pictures of sources that are not looked at
_REST_SECONDS = (0.0, 2.0, 4.0)  # least time between two pictures of filters and patches, for each size

Part = tuple[dict[str, Any], bytes]


@dataclass(eq=False)
class Viewer:
    """A page, and what it has of what is on the board.

    Parameters
    ----------
    name
        Chosen by the page; it is the same when that comes back.
    socket
        Its connection.
    """

    name: str
    socket: WebSocket
    focus: int = 0
    level: int = 0
    room: asyncio.Event = field(default_factory=asyncio.Event)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    sent: int = 0
    _flying: dict[int, float] = field(default_factory=dict)
    _has: dict[str, Any] = field(default_factory=dict)
    _numbers: dict[tuple[str, int], int] = field(default_factory=dict)
    _rested: float = 0.0

    async def send_json(self, message: dict[str, Any]) -> None:
        """Send a small message, which needs no acknowledgement."""
        async with self.lock:
            await self.socket.send_text(json.dumps(message))

    async def send_parts(self, header: dict[str, Any], parts: list[Part]) -> None:
        """Send a numbered message: the header's length in four bytes, the header as JSON, and the parts."""
        self.sent += 1
        header |= {"n": self.sent, "parts": [{**about, "length": len(data)} for about, data in parts]}
        head = json.dumps(header).encode()
        self._flying[self.sent] = time.monotonic()
        if len(self._flying) >= MOST_IN_FLIGHT:
            self.room.clear()
        async with self.lock:
            await self.socket.send_bytes(b"".join([len(head).to_bytes(4, "big"), head, *(data for _, data in parts)]))

    def acknowledged(self, number: int) -> None:
        """Note that a message, and all before it, was shown; send smaller pictures to where that takes long."""
        took = time.monotonic() - self._flying.get(number, time.monotonic())
        for shown in [flying for flying in self._flying if flying <= number]:
            del self._flying[shown]
        if took > _SLOW_SECONDS:
            self.level = min(self.level + 1, len(_SIZES) - 1)
        elif took < _QUICK_SECONDS and self.sent % 50 == 0:
            self.level = max(self.level - 1, 0)
        if len(self._flying) < MOST_IN_FLIGHT:
            self.room.set()

    def news(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return those of some JSON values that this viewer has not been sent as they are now."""
        changed = {name: value for name, value in values.items() if self._has.get(name, _NOTHING) != value}
        self._has |= changed
        return changed

    def parts(self, board: Board, sources: list[Source]) -> list[Part]:
        """Return the pictures that are newer than what was sent; this compresses them."""
        width, quality = _SIZES[self.level]
        parts: list[Part] = []
        for source in sources:
            picture, seen = source.latest, board.seen.get(source.number)
            large = source.number == self.focus
            if picture is not None and self._is_new("picture", source.number, picture.number):
                data = _cached(picture, picture.pixels, width if large else _ASIDE, quality)
                parts.append(({"kind": "picture", "source": source.number}, data))
            if large and seen is not None and self._is_new("seen", source.number, seen.picture.number):
                data = _cached(seen, seen.frame, 192, 92)
                parts.append(({"kind": "seen", "source": source.number}, data))
        if time.monotonic() - self._rested >= _REST_SECONDS[self.level]:
            parts += self._inner(board)
        return parts

    def _inner(self, board: Board) -> list[Part]:
        parts: list[Part] = []
        filters, likes = board.filters, board.likes
        if filters is not None and self._is_new("filters", 0, board.version["filters"]):
            about = {name: filters[name] for name in ("shape", "moving", "moving_count", "layers")}
            parts.append(({"kind": "filters", **about}, filters["pixels"]))
        if likes is not None and self._is_new("likes", 0, board.version["likes"]):
            about = {name: likes[name] for name in ("layer", "neurons", "answers")}
            parts.append(({"kind": "likes", **about}, _cached(likes["pixels"], likes["pixels"], 640, 80)))
        if parts:
            self._rested = time.monotonic()
        return parts

    def _is_new(self, kind: str, of: int, number: int) -> bool:
        new = self._numbers.get((kind, of)) != number
        self._numbers[kind, of] = number
        return new


_NOTHING = object()
_CACHE: dict[tuple[int, int, int], tuple[Any, bytes]] = {}
_MOST_CACHED = 32


def _cached(owner: Any, pixels: Any, width: int, quality: int) -> bytes:
    """Compress a picture once for all viewers; the owner is held, so that no other takes its identity."""
    key = id(owner), width, quality
    found = _CACHE.get(key)
    if found is not None:
        return found[1]
    data = jpeg(pixels, width, quality)
    while len(_CACHE) >= _MOST_CACHED:
        _CACHE.pop(next(iter(_CACHE)), None)
    _CACHE[key] = owner, data
    return data
