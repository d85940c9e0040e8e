"""What scripts ask for over HTTP, and what becomes of what they get wrong."""

import asyncio
import io
import shutil

import pytest
from PIL import Image
from studio_bench import pictures

from hebbstream.studio._app import App
from hebbstream.studio._guard import Door
from hebbstream.studio._source import Source


def test_a_script_teaches_predicts_and_exports(client, bench):
    assert client.get("/api/predict").status_code == 404
    for kind in ("across", "down"):
        assert client.post("/api/label", json={"label": kind, "seconds": 60}).status_code == 200
        bench.show(*pictures(kind, 10))
    assert client.post("/api/label", json={"label": None}).json()["ok"]
    assert client.get("/api/predict").json()["label"] == "down"
    assert set(client.get("/api/predict?source=0").json()["probabilities"]) == {"across", "down"}
    path = client.post("/api/export", json={"what": "examples.tar"}).json()["result"]
    assert path == str(bench.keeper.folder / "exports" / "examples.tar")
    assert client.post("/api/export", json={"what": "../../x"}).status_code == 400
    assert client.post("/api/label", json={"label": "x", "source": 7}).status_code == 400
    assert client.post("/api/format-disk", json={}).status_code == 404
    number = next(iter(bench.session.examples)).number
    assert Image.open(io.BytesIO(client.get(f"/example/{number}").content)).size == (32, 32)
    metrics = client.get("/metrics").text
    assert "hebbstream_learned_total 20.0" in metrics
    assert "hebbstream_examples 20.0" in metrics


@pytest.mark.parametrize(
    "body",
    [
        {"label": "cup", "source": 99},
        {"label": "cup", "seconds": -1},
        {"label": "cup", "source": None},
        {"label": ["cup"]},
        {"labels": "cup"},
    ],
    ids=str,
)
def test_a_label_that_is_refused_changes_nothing(client, bench, body):
    bench.do("add-class", name="book")
    bench.do("hold", label="book", source=0, seconds=60)
    assert client.post("/api/label", json=body).status_code == 400
    assert bench.session.examples.classes == ["book"]
    assert bench.session.held.label == "book"


def test_a_label_is_taught_whatever_spaces_are_around_it_and_whatever_else_is_asked(client, bench):
    for _ in range(2):
        body = {"label": " cup ", "seconds": 60, "do": "forget", "name": "cup"}
        assert client.post("/api/label", json=body).status_code == 200
        assert bench.session.examples.classes == ["cup"]
        assert bench.session.held.label == "cup"


@pytest.mark.parametrize("body", [{}, {"pause": False}, {"paused": 0}, {"paused": None}, {"paused": "false"}], ids=str)
def test_only_true_and_false_pause_and_go_on(client, bench, body):
    for learning in (True, False):
        bench.do("learn", on=learning)
        assert client.post("/api/pause", json=body).status_code == 400
        assert bench.session.learning is learning


@pytest.mark.parametrize("what", [["x"], {}, None, 1], ids=str)
def test_only_known_files_are_exported(visitor, what):
    answer = visitor.post("/api/export", json={"what": what})
    assert answer.status_code == 400
    assert "expected one of run.safetensors" in answer.json()["error"]


def test_a_folder_that_cannot_be_written_is_said(client, bench, monkeypatch):
    octets, model = {"content-type": "application/octet-stream"}, {"what": "run.safetensors"}
    exports = bench.keeper.folder / "exports"
    (exports / "run.safetensors").mkdir(parents=True)
    assert "it is a folder" in client.post("/api/export", json=model).json()["error"]
    shutil.rmtree(exports)
    exports.touch()
    assert "cannot write" in client.post("/api/export", json=model).json()["error"]
    monkeypatch.setattr(bench.keeper, "folder", bench.keeper.folder / "gone")
    assert client.get("/download/run.safetensors").status_code == 200
    assert client.post("/open", content=b"x", headers=octets).json()["error"].startswith("cannot write the file")


def test_names_that_are_no_text_are_told(client, bench):
    bench.session.sources.append(Source(1, "v\udcff.mp4", bench.session.arrived))
    bench.session.sources[1].fail("cannot open v\udcff.mp4")
    told = client.get("/api/state").json()["sources"][1]
    assert (told["name"], told["problem"]) == ("v?.mp4", "cannot open v?.mp4")
    assert 'source="1 v?.mp4"' in client.get("/metrics").text


def test_a_script_that_goes_before_it_has_said_all_is_no_error_of_the_server(bench):
    answers = []

    async def go_away():
        return {"type": "http.disconnect"}

    async def note(message):
        answers.append(message)

    headers = {"host": "127.0.0.1:8008", "authorization": "Bearer a-secret", "content-type": "application/json"}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/pause",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    app = App(bench.session, bench.source, Door("127.0.0.1", 8008, "a-secret"))
    asyncio.run(app.asgi(scope, go_away, note))
    assert answers[0]["status"] == 400
    assert b"did not arrive whole" in answers[1]["body"]
