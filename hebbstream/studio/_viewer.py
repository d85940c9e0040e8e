"""`Viewer`: one page that looks on, and what it has been sent."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

from starlette.websockets import WebSocket

from hebbstream.studio._shots import SIZES, Shot, Shots

MOST_IN_FLIGHT = 2
_ACK_SECONDS = 30.0
_SLOW_SECONDS, _QUICK_SECONDS = 0.5, 0.2  # from sending until it is shown
_QUIET_SECONDS = 5.0  # a page takes a connection that says nothing for several times as long to be lost
_FIRST_LEVEL = 1  # how quick a line is, its first pictures tell
_PATIENCE, _MOST_PATIENCE = 5, 320  # quick messages before larger pictures are tried
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
    holds: bool = False
    level: int = _FIRST_LEVEL
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    sent: int = 0
    _offered: bytes | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _flying: dict[int, float] = field(default_factory=dict)
    _has: dict[str, Any] = field(default_factory=dict)
    _numbers: dict[tuple[str, int], int] = field(default_factory=dict)
    _rested: float = 0.0
    _told: float = field(default_factory=time.monotonic)
    _quick: int = 0
    _patience: int = _PATIENCE

    async def send_json(self, message: dict[str, Any]) -> None:
        """Send a small message, which needs no acknowledgement."""
        async with self.lock:
            await self.socket.send_text(json.dumps(message))

    def has_room(self) -> bool:
        """Whether another message may go on its way: none waits to be sent, and few have not been shown yet."""
        return self._offered is None and len(self._flying) < MOST_IN_FLIGHT

    def is_quiet(self) -> bool:
        """Whether this page has been told nothing for so long that it is to be told that there is nothing to tell."""
        return time.monotonic() - self._told >= _QUIET_SECONDS

    def offer(self, header: dict[str, Any], parts: list[Part]) -> None:
        """Have a numbered message sent: the header's length in four bytes, the header as JSON, and the parts."""
        self.sent += 1
        header |= {"n": self.sent, "parts": [{**about, "length": len(data)} for about, data in parts]}
        head = json.dumps(header).encode()
        self._flying[self.sent] = self._told = time.monotonic()
        self._offered = b"".join([len(head).to_bytes(4, "big"), head, *(data for _, data in parts)])
        self._news.set()

    async def send_offered(self) -> None:
        """Send what is offered, one message after another, until nothing is shown for too long."""
        while True:
            try:
                await asyncio.wait_for(self._news.wait(), _ACK_SECONDS)
            except TimeoutError:
                if self.has_room():  # there was nothing to show
                    continue
                await self.socket.close(1008, "nothing was shown for too long")
                return
            self._news.clear()
            if self._offered is not None:
                async with self.lock:
                    await self.socket.send_bytes(self._offered)
                self._offered = None

    def acknowledged(self, number: int) -> None:
        """Note that a message, and all before it, was shown; send smaller pictures to where that takes long."""
        took = time.monotonic() - self._flying.get(number, time.monotonic())
        for shown in [flying for flying in self._flying if flying <= number]:
            del self._flying[shown]
        self._quick = self._quick + 1 if took < _QUICK_SECONDS else 0
        if took > _SLOW_SECONDS:
            self.level = min(self.level + 1, len(SIZES) - 1)
            self._patience = min(2 * self._patience, _MOST_PATIENCE)
        elif self._quick >= self._patience:
            self.level, self._quick = max(self.level - 1, 0), 0

    def news(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return those of some JSON values that this viewer has not been sent as they are now."""
        changed = {name: value for name, value in values.items() if self._has.get(name, _NOTHING) != value}
        self._has |= changed
        return changed

    def parts(self, shots: Shots) -> list[Part]:
        """Return the pictures that are newer than what was sent; this compresses those that nobody was sent yet."""
        parts: list[Part] = []
        for source in shots.sources:
            large = source.number == self.focus
            picture = shots.picture(source, self.level, aside=not large)
            parts += self._new("picture", source.number, picture)
            parts += self._new("seen", source.number, shots.seen(source) if large else None)
        if time.monotonic() - self._rested >= _REST_SECONDS[self.level]:
            parts += self._inner(shots)
        return parts

    def _inner(self, shots: Shots) -> list[Part]:
        filters, likes = shots.board.filters, shots.board.likes
        parts: list[Part] = []
        if filters is not None and self._is_new("filters", 0, filters["number"]):
            about = {name: filters[name] for name in ("curves", "shape", "moving", "moving_count", "layers")}
            parts.append(({"kind": "filters", **about}, filters["pixels"]))
        if likes is not None:
            about = {name: likes[name] for name in ("layer", "neurons", "answers")}
            parts += [({**what, **about}, data) for what, data in self._new("likes", 0, shots.likes(likes))]
        if parts:
            self._rested = time.monotonic()
        return parts

    def _new(self, kind: str, of: int, shot: Shot | None) -> list[Part]:
        if shot is None or not self._is_new(kind, of, shot.number):
            return []
        return [({"kind": kind, "source": of, "captured": round(shot.captured, 3)}, shot.data)]

    def _is_new(self, kind: str, of: int, number: int) -> bool:
        new = self._numbers.get((kind, of)) != number
        self._numbers[kind, of] = number
        return new


_NOTHING = object()
