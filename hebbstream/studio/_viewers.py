"""`Viewers`: all pages that look on. One of them holds the pen, and may change things."""

import asyncio
import json
import logging
import time
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from hebbstream.errors import HebbstreamError, InputError
from hebbstream.studio._actions import act
from hebbstream.studio._clip import ClipSource
from hebbstream.studio._picture import read_jpeg
from hebbstream.studio._session import Session
from hebbstream.studio._shots import INTERVAL, Shots
from hebbstream.studio._source import Source
from hebbstream.studio._viewer import Viewer

log = logging.getLogger("hebbstream.studio")
_MOST = 32
_REPLACED, _TOO_MANY = 4001, 1013
_LONGEST_TEXT = 1 << 16


class Viewers:
    """Serves the WebSocket.

    Parameters
    ----------
    session
        What they look at.
    camera
        Takes the pictures that a browser's own camera gives; ``None`` where no pictures are learned.
    """

    def __init__(self, session: Session, camera: Source | None) -> None:
        self._session, self._camera = session, camera
        self._shots = Shots(session.board, session.sources)
        self._all: dict[str, Viewer] = {}
        self._pen: str | None = None
        self._filming: Viewer | None = None
        self._beating: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._all)

    async def serve(self, socket: WebSocket) -> None:
        """Serve a page until it goes."""
        name = socket.query_params.get("viewer", "")[:64] or f"{id(socket)}"
        await socket.accept()
        if len(self._all) >= _MOST and name not in self._all:
            await socket.close(_TOO_MANY, "too many viewers")
            return
        viewer = Viewer(name, socket)
        await self._enter(viewer)
        sending = asyncio.create_task(viewer.send_offered())
        try:
            await self._receive(viewer)
        except (WebSocketDisconnect, RuntimeError, OSError):  # starlette's, of a connection that is gone
            pass
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await sending
            self._leave(viewer)

    async def _enter(self, viewer: Viewer) -> None:
        before = self._all.get(viewer.name)
        self._all[viewer.name] = viewer
        if self._pen is None:
            self._pen = viewer.name
        if before is not None:
            with suppress(Exception):
                await before.socket.close(_REPLACED, "opened again elsewhere")
        if self._beating is None:
            self._beating = asyncio.create_task(self._beat())
        await viewer.send_json({"hello": True, "camera": self._camera and self._camera.number})

    def _leave(self, viewer: Viewer) -> None:
        if self._filming is viewer:
            self._filming = None
            self._session.ask(self._stop_filming)
        if self._all.get(viewer.name) is not viewer:
            return
        del self._all[viewer.name]
        if not self._all and self._beating is not None:
            self._beating.cancel()
            self._beating = None
        if self._pen == viewer.name:
            self._pen = None
            if viewer.holds:  # and not where a script teaches
                self._session.ask(lambda: act(self._session, {"do": "release"}))

    def _stop_filming(self) -> None:
        if self._camera is None or not self._camera.wanted:
            return
        self._camera.switch(wanted=False)
        if self._session.net.samples_seen:
            return  # what the camera has taught is not to be mixed with the clip
        for source in self._session.sources:
            if isinstance(source, ClipSource):  # it stands in for a camera
                source.switch(wanted=True)

    async def _beat(self) -> None:
        """Offer what is new to all who have room for it, at the same time, so that it is made once."""
        while True:
            started = time.monotonic()
            try:
                await self._offer([viewer for viewer in self._all.values() if viewer.has_room()])
            except Exception:  # a picture that cannot be drawn must not leave every page standing still
                log.exception("nothing could be shown")
            await asyncio.sleep(max(0.01, INTERVAL - (time.monotonic() - started)))

    async def _offer(self, ready: list[Viewer]) -> None:
        if not ready:
            return
        board = self._session.board
        board.watch()
        self._shots.begin()
        made = await asyncio.to_thread(lambda: [viewer.parts(self._shots) for viewer in ready])
        slow, live = board.slow, _live(self._session)
        for viewer, parts in zip(ready, made, strict=True):
            state, news = viewer.news(slow | {"pen": self._pen_for(viewer)}), viewer.news({"seen": live})
            if parts or state or news or viewer.is_quiet():
                viewer.offer(news | ({"state": state} if state else {}), parts)

    def _pen_for(self, viewer: Viewer) -> dict[str, Any]:
        return {"mine": self._pen == viewer.name, "taken": self._pen is not None, "viewers": len(self._all)}

    async def _receive(self, viewer: Viewer) -> None:
        while viewer.socket.application_state is WebSocketState.CONNECTED:
            message = await viewer.socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if message.get("bytes") is not None:
                await self._take_picture(viewer, message["bytes"])
            else:
                await self._take_text(viewer, message["text"])

    async def _take_picture(self, viewer: Viewer, data: bytes) -> None:
        try:
            self._check_pen(viewer)
            camera = self._camera
            if camera is None:
                raise InputError("picture: expected none, as no pictures are learned here")
            pixels = await asyncio.to_thread(read_jpeg, data)
        except HebbstreamError as error:
            await viewer.send_json({"camera": False, "error": str(error)})
            return
        self._filming = viewer
        camera.put(pixels, None)
        await viewer.send_json({"camera": True})

    async def _take_text(self, viewer: Viewer, text: str) -> None:
        message: Any = None
        try:
            if len(text) > _LONGEST_TEXT:
                raise InputError(f"message of {len(text):,} characters: expected at most {_LONGEST_TEXT:,}")
            message = json.loads(text)
            if not isinstance(message, dict):
                raise InputError(f"message {text[:40]!r}: expected an object")
            result = await self._answer(viewer, message)
        except (HebbstreamError, ValueError, RecursionError) as error:
            reason = str(error) if isinstance(error, HebbstreamError) else "message that is no JSON"
            await viewer.send_json({"ref": _ref(message), "ok": False, "error": reason})
            return
        if "do" in message:
            await viewer.send_json({"ref": _ref(message), "ok": True, "result": result})

    async def _answer(self, viewer: Viewer, message: dict[str, Any]) -> Any:
        if type(message.get("ack")) is int:
            viewer.acknowledged(message["ack"])
        elif type(message.get("focus")) is int:
            viewer.focus = message["focus"]
        elif message.get("do") == "pen":
            if self._pen != viewer.name:
                self._pen = viewer.name
                await asyncio.wrap_future(self._session.ask(lambda: act(self._session, {"do": "release"})))
        else:
            if self._pen is None:
                self._pen = viewer.name
            self._check_pen(viewer)
            if message.get("do") in ("hold", "release"):
                viewer.holds = message["do"] == "hold"
            return await asyncio.wrap_future(self._session.ask(lambda: act(self._session, message)))
        return None

    def _check_pen(self, viewer: Viewer) -> None:
        if self._pen != viewer.name:
            raise InputError("somebody else holds the pen: take it first")


def _live(session: Session) -> dict[int, dict[str, Any]]:
    """Return what was recognised in the latest picture of each source."""
    return {
        number: {
            "label": seen.label,
            "probabilities": {label: round(share, 3) for label, share in seen.probabilities.items()},
            "novelty": round(seen.novelty, 2),
        }
        for number, seen in session.board.seen.items()
    }


def _ref(message: Any) -> Any:
    ref = message.get("ref") if isinstance(message, dict) else None
    return ref if isinstance(ref, int | str) else None
