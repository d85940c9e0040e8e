"""Viewers of a studio, in a process of their own: they read what comes, note how old its pictures are, and say so."""

import json
import multiprocessing
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any, TypedDict

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

_SMALL_BUFFER = 8192  # bytes that the system takes in before the slow viewer reads them


class Door(TypedDict):
    """Where a studio is, and what opens it."""

    port: int
    cookie: str


class Watched(TypedDict):
    """What a viewer has seen: pictures, bytes, and the seconds from taking a picture until the next one is shown."""

    pictures: int
    bytes: int
    ages: list[float]


class _Slow(socket.socket):
    """Reads as many bytes a second as it is told to."""

    rate = 50_000

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Read a little, and take as long for it as the line would."""
        data = super().recv(min(size, 2048), flags)
        time.sleep(len(data) / self.rate)
        return data


def watch(door: Door, rate: int | None, end: threading.Event, seen: Watched) -> None:
    """Look on until the end, as fast as a line of `rate` bytes a second gives it."""
    raw = socket.socket() if rate is None else _Slow()
    if isinstance(raw, _Slow):
        raw.rate = rate or raw.rate
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
    raw.connect(("127.0.0.1", door["port"]))
    address = f"127.0.0.1:{door['port']}"
    before: float | None = None
    with connect(
        f"ws://{address}/ws",
        sock=raw,
        origin=f"http://{address}",  # type: ignore[arg-type]  # websockets' own kind of text
        additional_headers={"Cookie": door["cookie"]},
        compression=None,
        max_size=None,
    ) as connection:
        while not end.is_set():
            with suppress(TimeoutError):
                message = connection.recv(timeout=0.5)
                if isinstance(message, str):
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
                connection.send(json.dumps({"ack": header["n"]}))


def _serve(door: Door, rates: list[int | None], orders: Connection) -> None:
    """Look on between two orders, and tell what was seen."""
    while orders.recv() == "look":
        end = threading.Event()
        seen: list[Watched] = [{"pictures": 0, "bytes": 0, "ages": []} for _ in rates]
        threads = [
            threading.Thread(target=_watch, args=(door, rate, end, one)) for rate, one in zip(rates, seen, strict=True)
        ]
        for thread in threads:
            thread.start()
        orders.recv()
        end.set()
        for thread in threads:
            thread.join()
        orders.send(seen)


def _watch(*arguments: Any) -> None:
    with suppress(ConnectionClosed):
        watch(*arguments)


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
