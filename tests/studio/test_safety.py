"""Who is refused, and that learning goes on whatever is tried."""

import io
import json
import mimetypes
import runpy
import signal
import socket
import sys
import time
from contextlib import suppress

import httpx2 as httpx
import numpy as np
import pytest
import websockets.sync.client as ws
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from studio_bench import SMALL, serving
from websockets.exceptions import ConnectionClosed, InvalidStatus

from hebbstream.errors import ConfigurationError, InputError
from hebbstream.studio import _app, _server
from hebbstream.studio._actions import act
from hebbstream.studio._guard import Door
from hebbstream.studio._picture import MOST_BYTES, read_jpeg
from hebbstream.studio._server import Studio

ORIGIN = "http://127.0.0.1:8008"


def test_the_page_comes_with_the_token_and_leaves_a_cookie(client, door):
    client.headers.pop("authorization")
    assert client.get("/").status_code == 403
    assert client.get("/?token=wrong").status_code == 403
    page = client.get(f"/?token={door.token}")
    assert page.status_code == 200
    (cookie,) = page.headers.get_list("set-cookie")
    assert door.token not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert client.get("/").status_code == 200  # by the cookie
    assert client.get("/?token=wrong").status_code == 403


def test_the_types_of_the_page_are_no_matter_of_the_system(visitor, monkeypatch):
    monkeypatch.setattr(mimetypes, "guess_type", lambda name: ("text/plain", None))  # as some Windows has it
    assert visitor.get("/page/app.js").headers["content-type"].startswith("text/javascript")
    assert all(visitor.get(f"/page/{file.name}").headers["content-type"] for file in _app._PAGE.iterdir())


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example:8008"},
        {"host": "evil.example"},
        {"host": "127.0.0.1:9999"},
        {"host": "127.0.0.1.evil.example:8008"},
        {"host": ""},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "https://127.0.0.1:8008"},
        {"origin": "http://localhost:9999"},
        {"sec-fetch-site": "cross-site"},
        {"authorization": "Bearer wrong"},
        {"authorization": "Basic a-secret"},
        {"authorization": ""},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/api/state", "/metrics", "/download/run.safetensors", "/page/app.js"])
def test_forged_requests_are_refused(visitor, headers, path):
    assert visitor.get(path).status_code == 200
    assert visitor.get(path, headers=headers).status_code == 403
    assert visitor.post("/api/pause", json={"paused": True}, headers=headers).status_code == 403


def test_posts_need_json_and_the_token_itself_not_a_cookie_alone(client, bench, door):
    paused = {"paused": True}
    assert client.post("/api/pause", data={"paused": "true"}).status_code == 400
    assert client.post("/api/pause", content=b"{}", headers={"content-type": "text/plain"}).status_code == 400
    assert client.post("/api/pause", content=b"[1]", headers={"content-type": "application/json"}).status_code == 400
    assert client.post("/api/pause", content=b"{" * 99, headers={"content-type": "application/json"}).status_code == 400
    large = json.dumps({"label": "x" * 70_000})
    assert client.post("/api/label", content=large, headers={"content-type": "application/json"}).status_code == 400
    by_cookie = {"cookie": f"{door.cookie}={door.cookie_value}", "authorization": ""}
    assert client.get("/api/state", headers=by_cookie).status_code == 200
    beside = {"cookie": f'prefs={{"theme":"dark"}}; {by_cookie["cookie"]}', "authorization": ""}
    assert client.get("/api/state", headers=beside).status_code == 200  # of another server on this host
    assert client.post("/api/pause", json=paused, headers=by_cookie).status_code == 403
    for wrong in (
        {"cookie": f"{door.cookie}={door.token}", "authorization": ""},
        {"authorization": f"Bearer {door.cookie_value}"},
    ):
        assert client.get("/api/state", headers=wrong).status_code == 403
    assert client.get(f"/?token={door.cookie_value}", headers={"authorization": ""}).status_code == 403
    assert bench.session.learning
    assert client.post("/api/pause", json=paused, headers={"origin": ORIGIN}).status_code == 200
    assert not bench.session.learning


def test_health_needs_no_token_but_the_right_host(client):
    del client.headers["authorization"]
    assert client.get("/healthz").json() == {"ok": True}
    assert client.get("/healthz", headers={"host": "evil.example"}).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/page/../_guard.py",
        "/page/..%2f_guard.py",
        "/page/%2e%2e/_guard.py",
        "/page//etc/passwd",
        "/page/%00",
        "/download/../run.safetensors",
        "/download/examples.sqlite",
        "/download/..%2f..%2fetc%2fpasswd",
        "/example/../../etc/passwd",
        "/example/-1",
        "/peak/99999999999999999999999999",
        "/example/" + "1" * 5000,
        "/nothing",
    ],
)
def test_no_path_leads_out(visitor, path):
    assert visitor.get(path).status_code == 404


def test_only_checkpoints_are_opened(client, bench, monkeypatch):
    bench.teach(3)
    net, octets = bench.session.net, {"content-type": "application/octet-stream"}
    good = client.get("/download/run.safetensors").content
    for data, headers in (
        (b"junk", octets),
        (b"", octets),
        (good[:-50], octets),
        (good[: len(good) // 2] + b"\1" + good[len(good) // 2 + 1 :], octets),
        (client.get("/download/model.onnx").content, octets),
        (good, {"content-type": "text/plain"}),
        (good, octets | {"content-length": "99999999999"}),
    ):
        answer = client.post("/open", content=data, headers=headers)
        assert answer.status_code == 400, data[:20]
        assert str(bench.keeper.folder) not in answer.text
    monkeypatch.setattr(_app, "_MOST_CHECKPOINT", 1000)
    assert client.post("/open", content=(piece for piece in [good]), headers=octets).status_code == 400
    monkeypatch.undo()
    assert bench.session.net is net
    assert client.post("/open", content=good, headers=octets).json() == {"samples": 6}
    assert bench.session.net is not net
    assert [path for path in bench.keeper.folder.iterdir() if path.name.startswith(".opened")] == []


def test_pictures_that_lie_are_refused():
    def written(image, kind):
        file = io.BytesIO()
        image.save(file, kind)
        return file.getvalue()

    good = written(Image.new("RGB", (64, 48)), "JPEG")
    assert read_jpeg(good).shape == (48, 64, 3)
    huge = bytearray(good)
    place = huge.index(b"\xff\xc0") + 5
    huge[place : place + 4] = b"\xff\xff\xff\xff"  # 65,535 × 65,535
    for data in (
        b"",
        b"junk",
        good[:100],
        bytes(huge),
        written(Image.new("RGB", (64, 48)), "PNG"),
        written(Image.new("RGB", (2000, 20)), "JPEG"),
        written(Image.new("RGB", (2, 2)), "JPEG"),
        good + bytes(MOST_BYTES),
    ):
        with pytest.raises(InputError, match="picture"):
            read_jpeg(data)


def test_the_door_knows_the_bind_address_alone(monkeypatch):
    everywhere = Door("0.0.0.0", 8008)  # noqa: S104  # nothing is bound here
    assert everywhere.knows("192.168.1.7:8008")
    assert everywhere.knows("localhost:8008")
    assert not everywhere.knows("evil.example:8008")
    assert not everywhere.knows("192.168.1.7")
    monkeypatch.setattr(socket, "gethostname", lambda: "Anna-PC")
    assert everywhere.knows("anna-pc:8008")  # as browsers write it
    assert Door("Anna-PC", 8008).knows("anna-pc:8008")
    other = Door("192.168.1.7", 8008)
    assert other.knows("192.168.1.7:8008")
    assert not other.knows("localhost:8008")
    six = Door("::1", 8008)
    assert six.knows("[::1]:8008")
    assert "[::1]:8008" in six.address
    assert "token" not in repr(other)


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """A whole studio that learns from the bundled clip."""
    with Studio([], tmp_path_factory.mktemp("studio") / "run", SMALL) as studio, serving(studio):
        yield studio


def connect(studio, *, origin="own", token=True, host="127.0.0.1", **options):
    address = f"{host}:{studio.door.port}"
    query = f"?token={studio.door.token}" if token else ""
    headers = options.pop("headers", {})
    own = f"http://{address}" if origin == "own" else origin
    raw = socket.create_connection(("127.0.0.1", studio.door.port))
    return ws.connect(
        f"ws://{address}/ws{query}",
        sock=raw,
        origin=own,
        additional_headers=headers,
        compression=None,
        max_size=None,
        **options,
    )


def learned(studio, more=3):
    """Wait until more was learned: nothing has harmed it."""
    goal, until = studio.session.board.learned + more, time.monotonic() + 30
    while studio.session.board.learned < goal:
        assert time.monotonic() < until, studio.session.failure
        time.sleep(0.02)


def test_sockets_of_others_are_refused(studio):
    for options in (
        {"origin": "http://evil.example"},
        {"token": False},
        {"headers": {"Cookie": f"{studio.door.cookie}={studio.door.cookie_value}"}, "token": False},
        {"host": "evil.example"},
    ):
        with pytest.raises(InvalidStatus) as refused:
            connect(studio, **options)
        assert refused.value.response.status_code == 403
    with connect(studio, origin=None, token=False, headers={"Authorization": f"Bearer {studio.door.token}"}) as own:
        assert json.loads(own.recv())["hello"]
    learned(studio)


def answer(socket, message):
    """What the server says to a message, past the pictures that it sends meanwhile."""
    socket.send(message if isinstance(message, str | bytes) else json.dumps(message))
    while True:
        found = socket.recv(timeout=30)
        if isinstance(found, bytes):
            number = json.loads(found[4 : 4 + int.from_bytes(found[:4], "big")])["n"]
            socket.send(json.dumps({"ack": number}))
        elif "hello" not in found:
            return json.loads(found)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("label", "name", "to", "source", "seconds", "examples", "value", "layer", "preset", "width", "on")
messages = st.builds(
    lambda do, fields: {"do": do, **fields},
    st.sampled_from(
        ["hold", "rename", "forget", "remove", "add-class", "confidence", "switch", "likes", "configure", "x"]
    )
    | st.text(max_size=5),
    st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=4),
)


def test_malformed_messages_are_answered_and_harm_nothing(studio):
    with connect(studio) as socket:

        @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
        @given(
            messages.map(json.dumps) | json_values.filter(lambda v: not isinstance(v, dict)).map(json.dumps) | st.text()
        )
        def tried(text):
            assert "ok" in answer(socket, text)

        tried()
        assert not answer(socket, "[" * 60_000)["ok"]
        assert not answer(socket, json.dumps({"do": "x" * 70_000}))["ok"]
        assert answer(socket, b"junk")["error"].startswith("picture")
        for name in list(studio.session.examples.classes):
            assert answer(socket, {"do": "forget", "name": name, "ref": 1})["ok"]
    learned(studio)


def test_a_message_too_large_ends_the_connection_alone(studio):
    with connect(studio) as socket:
        with suppress(ConnectionClosed):  # which may come before all is sent
            socket.send(bytes(3 << 20))
        with pytest.raises(ConnectionClosed):
            all(socket.recv(timeout=30) for _ in range(100))
    learned(studio)


def test_one_viewer_holds_the_pen_and_any_may_take_it(studio):
    with connect(studio) as first:
        assert answer(first, {"do": "add-class", "name": "pen", "ref": 1})["ok"]
        assert answer(first, {"do": "hold", "label": "pen", "source": 0, "seconds": 60, "ref": 2})["ok"]
        with connect(studio) as second:
            refused = answer(second, {"do": "release", "ref": 1})
            assert "holds the pen" in refused["error"]
            assert studio.session.held is not None
            assert answer(second, {"do": "pen", "ref": 2})["ok"]
            assert studio.session.held is None  # what the other held has ended
            assert not answer(first, {"do": "release", "ref": 3})["ok"]
            assert answer(second, {"do": "hold", "label": "pen", "source": 0, "seconds": 60, "ref": 4})["ok"]
        until = time.monotonic() + 10
        while studio.session.held is not None:  # and so does what a viewer held that is gone
            assert time.monotonic() < until
            time.sleep(0.02)
        assert answer(first, {"do": "forget", "name": "pen", "ref": 4})["ok"]


def test_what_a_script_teaches_goes_on_when_the_page_is_closed(studio):
    with connect(studio) as page:
        assert answer(page, {"do": "add-class", "name": "script", "ref": 1})["ok"]
        studio.session.ask(
            lambda: act(studio.session, {"do": "hold", "label": "script", "source": 0, "seconds": 60})
        ).result(30)
    until = time.monotonic() + 10
    while len(studio.app.viewers):
        assert time.monotonic() < until
        time.sleep(0.02)
    assert studio.session.ask(lambda: studio.session.held).result(30).label == "script"
    studio.session.ask(lambda: act(studio.session, {"do": "forget", "name": "script"})).result(30)


def test_a_camera_is_off_once_its_page_is_gone(studio):
    learned(studio)
    clip, camera = studio.session.sources
    file = io.BytesIO()
    Image.new("RGB", (64, 48)).save(file, "JPEG")
    with connect(studio) as page:
        assert answer(page, {"do": "switch", "source": 1, "on": True, "ref": 1})["ok"]
        assert answer(page, {"do": "switch", "source": 0, "on": False, "ref": 2})["ok"]
        assert answer(page, file.getvalue()) == {"camera": True}
        assert camera.wanted
    until = time.monotonic() + 10
    while camera.wanted:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert not clip.wanted  # what was learned from the camera does not go on with the clip by itself
    clip.switch(wanted=True)


def test_a_viewer_that_shows_nothing_gets_two_messages_and_no_more(studio):
    with connect(studio) as lazy, connect(studio) as eager:
        numbers = []
        until = time.monotonic() + 0.6
        while time.monotonic() < until:
            answer(eager, {"do": "nothing"})
        with suppress(TimeoutError):
            while True:
                found = lazy.recv(timeout=0.2)
                if isinstance(found, bytes):
                    numbers.append(found)
        assert len(numbers) == 2


def test_silent_connections_keep_nobody_out(studio):
    silent = []
    try:
        for _ in range(1000):
            one = socket.create_connection(("127.0.0.1", studio.door.port), timeout=5)
            one.send(b"GET / HT")
            silent.append(one)
        address = f"http://127.0.0.1:{studio.door.port}/healthz"
        assert httpx.get(address, timeout=20, trust_env=False).json() == {"ok": True}
        assert len(_server._Impatient._silent) <= 257
        learned(studio)
    finally:
        for one in silent:
            one.close()


@pytest.mark.parametrize(
    "request_",
    [
        "GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\nG",
        "GET /x HTTP/1.1\r\nHost: {host}\r\n\r\nG",
        "POST /healthz HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9\r\n\r\nx",
        "POST /open HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9\r\n\r\nx",
    ],
)
def test_without_the_token_no_connection_outlives_its_answer(studio, request_):
    host = f"127.0.0.1:{studio.door.port}"
    with socket.create_connection(("127.0.0.1", studio.door.port), timeout=4) as one:  # less than any timer of ours
        one.sendall(request_.format(host=host).encode())
        answer = b""
        with suppress(ConnectionResetError):  # as it has sent what nobody reads
            while piece := one.recv(4096):
                answer += piece
    assert answer.startswith(b"HTTP/1.1 ")


def test_with_the_token_a_connection_serves_many_requests(studio):
    address = f"http://127.0.0.1:{studio.door.port}/api/state"
    with httpx.Client(trust_env=False, headers={"Authorization": f"Bearer {studio.door.token}"}) as client:
        assert [client.get(address).headers.get("connection") for _ in range(2)] == [None, None]


def test_windows_has_no_limit_of_files_no_sighup_and_no_shared_ports(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.delattr(signal, "SIGHUP")
    there = runpy.run_path(_server.__file__)
    with there["_bound"]("127.0.0.1", 0) as bound:
        assert not bound.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)


def test_an_address_that_is_taken_is_refused(studio, tmp_path):
    with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{studio.door.port}"):
        Studio([], tmp_path, SMALL, port=studio.door.port)


def test_addresses_are_shown_without_their_passwords(tmp_path):
    with Studio(["rtsp://admin:s3cret@127.0.0.1:1/live"], tmp_path, SMALL) as studio:
        until = time.monotonic() + 20
        while (told := studio.session.sources[0].told())["state"] != "lost":
            assert time.monotonic() < until
            time.sleep(0.05)
    assert told["name"] == "rtsp://***@127.0.0.1:1/live"
    assert "s3cret" not in json.dumps(told)
    assert np.isfinite(studio.session.board.latency())
