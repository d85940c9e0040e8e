"""Viewers of a studio, in a process of their own: they read what comes, note how old its pictures are, and say so."""

import base64
import json
import multiprocessing
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import TypedDict

_TEXT, _BINARY, _PING, _PONG = 1, 2, 9, 10
_SMALL_BUFFER = 8192  # bytes that the system takes in before the slow viewer reads them


class Door(TypedDict):
    """Where a studio is, and what opens it."""

    port: int
    token: str


class Watched(TypedDict):
    """What a viewer has seen: pictures, bytes, and the seconds from taking a picture until the next one is shown."""

    pictures: int
    bytes: int
    ages: list[float]


class _Line:
    """The least of a WebSocket that a viewer needs, so that what is measured is not the viewer's own work.

    Parameters
    ----------
    door
        Of the studio.
    rate
        Bytes that it reads a second; ``None`` for as many as come.
    """

    def __init__(self, door: Door, rate: int | None) -> None:
        self._rate, self._held = rate, bytearray()
        self._socket = socket.socket()
        if rate is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
        self._socket.settimeout(5.0)
        address = f"127.0.0.1:{door['port']}"
        self._socket.connect(("127.0.0.1", door["port"]))
        head = {
            "Host": address,
            "Origin": f"http://{address}",
            "Authorization": f"Bearer {door['token']}",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
        }
        lines = ["GET /ws HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
        self._socket.sendall("\r\n".join(lines).encode())
        while b"\r\n\r\n" not in self._held:
            self._read()
        del self._held[: self._held.index(b"\r\n\r\n") + 4]

    def receive(self) -> tuple[int, bytes]:
        """Return the kind of the next message, and what it says."""
        kind, length = self._take(2)
        size = length if length < 126 else int.from_bytes(self._take(2 if length == 126 else 8), "big")
        return kind & 15, self._take(size)

    def send(self, kind: int, data: bytes) -> None:
        """Send a short message; the mask of zeros leaves it as it is."""
        self._socket.sendall(bytes([0x80 | kind, 0x80 | len(data)]) + bytes(4) + data)

    def close(self) -> None:
        """End it."""
        self._socket.close()

    def _take(self, size: int) -> bytes:
        while len(self._held) < size:
            self._read()
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken

    def _read(self) -> None:
        data = self._socket.recv(1 << 16 if self._rate is None else 2048)
        if not data:
            raise ConnectionError("the studio has closed the connection")
        self._held += data
        if self._rate is not None:  # as long as the line would take
            time.sleep(len(data) / self._rate)


def watch(door: Door, rate: int | None, end: threading.Event, seen: Watched) -> None:
    """Look on until the end, as fast as a line of `rate` bytes a second gives it."""
    line = _Line(door, rate)
    before: float | None = None
    while not end.is_set():
        kind, message = line.receive()
        if kind == _PING:
            line.send(_PONG, message)
        if kind != _BINARY:
            continue
        header = json.loads(message[4 : 4 + int.from_bytes(message[:4], "big")])
        now = time.monotonic()
        seen["bytes"] += len(message)
        for part in header["parts"]:
            if part["kind"] == "picture" and part["source"] == 0:
                seen["pictures"] += 1
                if before is not None:
                    seen["ages"].append(now - before)
                before = part["captured"]
        line.send(_TEXT, json.dumps({"ack": header["n"]}).encode())
    line.close()


def _serve(door: Door, rates: list[int | None], orders: Connection) -> None:
    """Look on between two orders, and tell what was seen."""
    while orders.recv() == "look":
        end = threading.Event()
        seen: list[Watched] = [{"pictures": 0, "bytes": 0, "ages": []} for _ in rates]
        threads = [
            threading.Thread(target=watch, args=(door, rate, end, one)) for rate, one in zip(rates, seen, strict=True)
        ]
        for thread in threads:
            thread.start()
        orders.recv()
        end.set()
        for thread in threads:
            thread.join()
        orders.send(seen)


class Viewers:
    """Makes them look, and look away.

    Parameters
    ----------
    door
        Of the studio.
    rates
        Bytes a second of each one's line; ``None`` for as many as come.
    """

    def __init__(self, door: Door, rates: list[int | None]) -> None:
        context = multiprocessing.get_context("spawn")
        self._orders, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(door, rates, theirs), daemon=True)
        self._process.start()

    @contextmanager
    def looking(self) -> Iterator[list[Watched]]:
        """Let them look meanwhile; what they have seen is in the list afterwards."""
        seen: list[Watched] = []
        self._orders.send("look")
        try:
            yield seen
        finally:
            self._orders.send("away")
            seen += self._orders.recv()

    def close(self) -> None:
        """End their process."""
        self._orders.send("end")
        self._process.join()
