"""The routes: the page, its WebSocket, downloads, one upload, and what scripts use."""

import asyncio
import json
import secrets
from collections.abc import Callable
from concurrent.futures import Future
from importlib.resources import files
from pathlib import Path, PurePath
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

import hebbstream as hs
from hebbstream._files import atomic_write
from hebbstream.errors import HebbstreamError, InputError, OutputError
from hebbstream.studio._actions import act
from hebbstream.studio._export import KINDS
from hebbstream.studio._guard import Door, Guard
from hebbstream.studio._metrics import Metrics
from hebbstream.studio._picture import jpeg, png
from hebbstream.studio._session import Session
from hebbstream.studio._source import Source
from hebbstream.studio._state import state_of
from hebbstream.studio._viewers import Viewers

_PAGE = files("hebbstream.studio") / "page"
# Not by `mimetypes`: it asks Windows' registry, which any program may have changed.
_TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}
_MOST_CHECKPOINT = 1 << 29
_MOST_JSON = 1 << 16
_SCRIPT_ACTIONS = {"pause", "label", "export"}
_SHOWN = 640


class App:
    """The ASGI application of a studio.

    Parameters
    ----------
    session
        What it shows.
    camera
        Takes the pictures of a browser's own camera; ``None`` where no pictures are learned.
    door
        Who may come in.
    """

    def __init__(self, session: Session, camera: Source | None, door: Door) -> None:
        self._session, self._door = session, door
        self.viewers = Viewers(session, camera)
        self._metrics = Metrics(session, lambda: len(self.viewers))
        routes = [
            Route("/", self._page),
            Route("/page/{name}", self._asset),
            Route("/example/{number}", self._example),
            Route("/peak/{number}", self._peak),
            Route("/download/{name}", self._download),
            Route("/open", self._open, methods=["POST"]),
            Route("/api/state", self._state),
            Route("/api/predict", self._predict),
            Route("/api/{action}", self._api, methods=["POST"]),
            Route("/metrics", self._tell_metrics),
            Route("/healthz", self._health),
            WebSocketRoute("/ws", self.viewers.serve),
        ]
        handlers = {HebbstreamError: _refused}
        self.asgi = Guard(Starlette(routes=routes, exception_handlers=handlers), door)

    async def _do(self, action: Callable[[], Any]) -> Any:
        future: Future[Any] = self._session.ask(action)
        return await asyncio.wrap_future(future)

    async def _page(self, request: Request) -> Response:
        response = Response((_PAGE / "index.html").read_bytes(), media_type="text/html")
        if "token" in request.query_params:
            response.set_cookie(self._door.cookie, self._door.cookie_value, httponly=True, samesite="strict")
        return response

    async def _asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in {item.name for item in _PAGE.iterdir()}:  # so that no path leads anywhere else
            return _missing(f"no file {name[:40]!r}")
        return Response((_PAGE / name).read_bytes(), media_type=_TYPES.get(PurePath(name).suffix))

    async def _example(self, request: Request) -> Response:
        example = self._session.examples.get(_number(request.path_params["number"]))
        if example is None:
            return _missing("no such example")
        return Response(png(self._session.drawn(example)), media_type="image/png")

    async def _peak(self, request: Request) -> Response:
        peak = self._session.novelty.peak(_number(request.path_params["number"]))
        if peak is None:
            return _missing("no such peak")
        return Response(await asyncio.to_thread(jpeg, peak.picture.pixels, _SHOWN), media_type="image/jpeg")

    async def _download(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in KINDS:
            return _missing(f"no file {name[:40]!r}: expected one of {', '.join(KINDS)}")
        make, media_type = KINDS[name]
        data = await self._do(lambda: make(self._session))
        return Response(
            data, media_type=media_type, headers={"content-disposition": f'attachment; filename="hebbstream-{name}"'}
        )

    async def _open(self, request: Request) -> Response:
        _check_type(request, "application/octet-stream")
        path = self._session.keeper.folder / f".opened-{secrets.token_hex(4)}.safetensors"
        try:
            await _receive(request, path)
            learner = await asyncio.to_thread(hs.Learner.load, path, self._session.settings.device)
            await self._do(lambda: self._session.open(learner))
        except HebbstreamError as error:
            raise InputError(str(error).replace(str(path), "the file")) from error
        finally:
            path.unlink(missing_ok=True)
        return JSONResponse({"samples": learner.counters.position})

    async def _state(self, request: Request) -> Response:  # noqa: ARG002  # starlette hands it over
        return JSONResponse(await self._do(lambda: state_of(self._session)))

    async def _predict(self, request: Request) -> Response:
        number = request.query_params.get("source", "0")
        seen = self._session.board.seen.get(_number(number))
        if seen is None:
            return _missing(f"source {number[:20]!r} has shown nothing yet")
        answer = {"label": seen.label, "probabilities": seen.probabilities, "novelty": seen.novelty}
        return JSONResponse(answer | {"frame": seen.picture.number, "source": seen.picture.source})

    async def _api(self, request: Request) -> Response:
        name = request.path_params["action"]
        if name not in _SCRIPT_ACTIONS:
            return _missing(f"no action {name[:40]!r}: expected one of {', '.join(sorted(_SCRIPT_ACTIONS))}")
        _check_type(request, "application/json")
        body = await _json(request)
        return JSONResponse({"ok": True, "result": await self._do(lambda: _by_script(self._session, name, body))})

    async def _tell_metrics(self, request: Request) -> Response:  # noqa: ARG002
        return Response(generate_latest(self._metrics.registry), headers={"content-type": CONTENT_TYPE_LATEST})

    async def _health(self, request: Request) -> Response:  # noqa: ARG002
        alive = self._session.is_alive() and not self._session.failure
        return JSONResponse({"ok": alive}, status_code=200 if alive else 503)


def _by_script(session: Session, name: str, body: dict[str, Any]) -> Any:
    """Do what a script asks for, in the session's thread."""
    if name == "export":
        what = body.get("what", "model.onnx")
        if not isinstance(what, str) or what not in KINDS:
            raise InputError(f"what {str(what)[:40]!r}: expected one of {', '.join(KINDS)}")
        path = session.keeper.folder / "exports" / what
        data = KINDS[what][0](session)
        with atomic_write(path) as temporary:
            temporary.write_bytes(data)
        return str(path)
    return act(session, {**body, "do": name})


def _check_type(request: Request, expected: str) -> None:
    found = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if found != expected:
        raise InputError(f"content type {found[:40]!r}: expected {expected}")


async def _json(request: Request) -> dict[str, Any]:
    data = bytearray()
    try:
        async for piece in request.stream():
            data += piece
            if len(data) > _MOST_JSON:
                raise InputError(f"body of more than {_MOST_JSON:,} bytes: expected less")
    except ClientDisconnect:
        raise InputError("the body did not arrive whole") from None
    try:
        body = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        raise InputError("body that is no JSON: expected an object") from None
    if not isinstance(body, dict):
        raise InputError("body that is no object: expected one")
    return body


async def _receive(request: Request, path: Path) -> None:
    """Write the body to a file, and refuse it as soon as it is too large, or no checkpoint."""
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > _MOST_CHECKPOINT:
        raise InputError(f"file of {length[:20]} bytes: expected at most {_MOST_CHECKPOINT:,}")
    size = 0
    try:
        with path.open("wb") as file:
            async for piece in request.stream():
                size += len(piece)
                if size > _MOST_CHECKPOINT:
                    raise InputError(f"file of more than {_MOST_CHECKPOINT:,} bytes: expected less")
                file.write(piece)
    except ClientDisconnect:
        raise InputError("the file did not arrive whole") from None
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def _number(text: str) -> int:
    """Return a number in an address; −1, which nothing has, for what is none."""
    return int(text) if text.isdecimal() and len(text) < 16 else -1


def _missing(reason: str) -> Response:
    return JSONResponse({"ok": False, "error": reason}, status_code=404)


async def _refused(request: Request, error: Exception) -> Response:  # noqa: ARG001  # starlette hands it over
    return JSONResponse({"ok": False, "error": str(error)}, status_code=400)
