"""`Studio`: sources, session and server together."""

import asyncio
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from hebbstream.errors import ConfigurationError
from hebbstream.studio._app import App
from hebbstream.studio._clip import ClipSource
from hebbstream.studio._guard import Door
from hebbstream.studio._keeper import Keeper
from hebbstream.studio._session import Session
from hebbstream.studio._settings import Settings
from hebbstream.studio._source import Source, VideoSource
from hebbstream.studio._state import state_of

Signals = Callable[[int, str, Session], Source]

# Windows lacks the last.
_STOP = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_REQUEST_SECONDS = 10.0
_MOST_SILENT = 256  # connections that have asked for nothing yet
_MOST_FILES = 4096
_MOST_MESSAGE = 1 << 20


class Studio:
    """A run of the studio: a context manager that opens the sources and binds the address, and ends all of it.

    Parameters
    ----------
    addresses
        Of the sources; none takes the bundled clip.
    folder
        Of the run.
    settings
        Of a new run.
    host, port
        To bind; port 0 takes one that is free.
    signals
        Opens the sources where they are sound or sensors; ``None`` for pictures.
    options
        For sources of pictures, of `open_video`.

    Raises
    ------
    HebbstreamError
        If something of it cannot be had; the message says what.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        folder: Path,
        settings: Settings,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        signals: Signals | None = None,
        **options: Any,
    ) -> None:
        self._keeper: Keeper | None = None
        self._socket = _bound(host, port)
        try:
            self._keeper = Keeper(folder)
            self.session = Session(self._keeper, settings, state_of)
            camera = self._open(addresses, signals, options)
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        self.door = Door(host, self._socket.getsockname()[1])
        self.app = App(self.session, camera, self.door)
        self.server = _Server(_config(self.app))
        self.session.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session = getattr(self, "session", None)
        if session is not None:
            session.close()
            for source in session.sources:
                source.close()
        if self._keeper is not None:
            self._keeper.__exit__(kind, error, trace)
        self._socket.close()

    def serve(self) -> None:
        """Serve until Ctrl-C or SIGTERM."""
        asyncio.run(self.server.serve(sockets=[self._socket]))

    def _open(self, addresses: Sequence[str], signals: Signals | None, options: dict[str, Any]) -> Source | None:
        """Open the sources; return that of the browser's own camera, which only networks for pictures have."""
        session = self.session
        for number, address in enumerate(addresses):
            if signals is None:
                session.sources.append(VideoSource(number, address, session.arrived, **options))
            else:
                session.sources.append(signals(number, address, session))
        if signals is not None:
            return None
        if not addresses:
            session.sources.append(ClipSource(0, session.arrived))
        camera = Source(len(session.sources), "this browser's camera", session.arrived)
        camera.switch(wanted=False)
        session.sources.append(camera)
        return camera


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let a signal end the serving, and no more: what was learned is still to be saved."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in _STOP}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Impatient(H11Protocol):
    """Closes connections that ask for nothing: those open too long, and the oldest where there are too many."""

    _silent: "dict[_Impatient, None]" = {}  # noqa: RUF012  # of the whole process, in order of age

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request, but not for ever."""
        super().connection_made(transport)
        self._silent[self] = None
        self._hurry = self.loop.call_later(_REQUEST_SECONDS, self._give_up)
        if len(self._silent) > _MOST_SILENT:
            next(iter(self._silent))._give_up()

    def handle_events(self) -> None:
        """Note that there is a request."""
        super().handle_events()
        if self.cycle is not None:
            self._spoken()

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Hand the connection over to the WebSocket's own protocol."""
        self._spoken()
        super().handle_websocket_upgrade(event)

    def shutdown(self) -> None:
        """Break off an upload, too, which would be waited for."""
        super().shutdown()
        if self.cycle is not None and self.cycle.more_body:
            self.transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """Forget it."""
        self._spoken()
        super().connection_lost(error)

    def _spoken(self) -> None:
        self._silent.pop(self, None)
        self._hurry.cancel()

    def _give_up(self) -> None:
        if self in self._silent:
            self._spoken()
            self.transport.abort()


def _config(app: App) -> uvicorn.Config:
    return uvicorn.Config(
        app.asgi,
        http=_Impatient,
        ws="websockets-sansio",
        ws_max_size=_MOST_MESSAGE,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        ws_per_message_deflate=False,
        log_level="error",
        access_log=False,
        server_header=False,
        date_header=False,
        lifespan="off",
        timeout_graceful_shutdown=2,
        loop="asyncio",
    )


def _bound(host: str, port: int) -> socket.socket:
    _allow_files()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # where it lets two servers share a port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen()  # whoever opens the address as soon as it is printed waits, and is not refused
    except (OSError, OverflowError) as error:
        bound.close()
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"cannot listen on {host}:{port}: {reason}") from error
    return bound


def _allow_files() -> None:
    """Let the process have as many connections open as the system allows it: silent ones must not keep others out."""
    if sys.platform == "win32":  # which has no such limit
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
