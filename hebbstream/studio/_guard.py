"""`Guard`: who may talk to the server. The page is for people at this machine, not for other pages in their browser."""

import hmac
import ipaddress
import secrets
import socket
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOCAL = ("127.0.0.1", "localhost", "[::1]")
_EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104  # names of it; nothing is bound here
_OPEN = ("/healthz",)
_BY_QUERY = ("/", "/ws")  # a browser sends no headers of ours with these
_UNKNOWN = "Refused: open the address that `hebbstream studio` printed in its terminal; it has a token at its end."
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self';"
        " media-src 'self' blob:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Door:
    """Where the server listens, and the secret that opens it.

    Parameters
    ----------
    host, port
        Of the bind address.
    token
        The secret.

    Examples
    --------
    >>> door = Door("127.0.0.1", 8000, "s3cret")
    >>> door.knows("localhost:8000"), door.knows("evil.example:8000"), door.knows("127.0.0.1:9000")
    (True, False, False)
    """

    host: str
    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @property
    def address(self) -> str:
        """What to open in a browser."""
        host = socket.gethostname() if self.host in _EVERYWHERE else self.host
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self.port}/?token={self.token}"

    @property
    def cookie(self) -> str:
        """Name of the cookie: other servers on this host have others, as cookies do not know of ports."""
        return f"hebbstream-studio-{self.port}"

    @property
    def cookie_value(self) -> str:
        """What the cookie holds, and those servers are sent, too: so it is not the token, and only reads."""
        return hmac.digest(self.token.encode(), b"cookie", "sha256").hex()

    def knows(self, host: str) -> bool:
        """Whether a ``Host`` header names the bind address, whatever a name server may say."""
        host, here = host.lower(), self.host.lower()
        name, _, port = host.rpartition(":")
        if not name or port != str(self.port):
            name, port = host, "80"
        if port != str(self.port):
            return False
        if here in _EVERYWHERE:  # a name that is rebound is no number, nor this machine's own
            return name in _LOCAL or name == socket.gethostname().lower() or _is_number(name)
        own = f"[{here}]" if ":" in here else here
        return name == own or (own in _LOCAL and name in _LOCAL)

    def admits(self, token: str | None) -> bool:
        """Whether a token is the secret."""
        return _are_same(token, self.token)

    def lets_read(self, cookie: str | None) -> bool:
        """Whether a cookie is the one that the page was given."""
        return _are_same(cookie, self.cookie_value)


class Guard:
    """Checks host, origin and token of every request and WebSocket before anything else sees it.

    Parameters
    ----------
    app
        What is behind it.
    door
        The bind address and the secret.
    """

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app, self._door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        problem = self._problem(scope, Headers(scope=scope))
        if scope["type"] == "websocket":
            if problem:
                await send({"type": "websocket.close", "code": 1008, "reason": problem[:100]})
            else:
                await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                extra = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                if problem or scope["path"] in _OPEN:  # who has no token is not to hold a connection after the answer
                    extra.append((b"connection", b"close"))
                message["headers"] = [*message["headers"], *(pair for pair in extra if pair[0] not in present)]
            await send(message)

        if problem:
            await PlainTextResponse(f"{problem}\n", status_code=403)(scope, receive, send_safely)
        else:
            await self._app(scope, receive, send_safely)

    def _problem(self, scope: Scope, headers: Headers) -> str:
        """Return why a request is refused; empty if it is not."""
        if [len(headers.getlist(name)) for name in ("host", "origin")] not in ([1, 0], [1, 1]):
            return "Refused: expected one Host and at most one Origin."
        if not self._door.knows(headers["host"]):
            return "Refused: this server answers only to the address that it printed when it started."
        origin = headers.get("origin")
        if origin is not None and not (origin.startswith("http://") and self._door.knows(origin[len("http://") :])):
            return "Refused: the request comes from another page."
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and scope["path"] != "/":
            return "Refused: the request comes from another page."
        if scope["path"] in _OPEN or self._door.admits(_bearer(headers)):
            return ""
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if scope["path"] in _BY_QUERY and "token" in query:
            return "" if self._door.admits(query["token"][0]) else _UNKNOWN
        if scope["type"] == "http" and self._door.lets_read(_cookie(headers, self._door.cookie)):
            reads = scope["method"] in ("GET", "HEAD")
            return "" if reads else "Refused: expected the token in an Authorization header."
        return _UNKNOWN


def _are_same(found: str | None, secret: str) -> bool:
    return found is not None and hmac.compare_digest(found.encode(), secret.encode())


def _bearer(headers: Headers) -> str | None:
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token if kind.lower() == "bearer" else None


def _cookie(headers: Headers, name: str) -> str | None:
    # `SimpleCookie` drops all of them where it cannot read one, which may be another server's.
    pairs = (pair.strip().partition("=") for pair in headers.get("cookie", "").split(";"))
    return next((value for found, _, value in pairs if found == name), None)


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
