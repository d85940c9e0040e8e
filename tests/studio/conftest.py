import pytest

pytest.importorskip("starlette", reason="the studio's packages are not installed: pip install 'hebbstream[studio]'")

from studio_bench import Bench

from hebbstream.studio._app import App
from hebbstream.studio._guard import Door


def client_of(bench, door):
    from starlette.testclient import TestClient

    app = App(bench.session, bench.source, door)
    headers = {"host": "127.0.0.1:8008", "authorization": "Bearer a-secret"}
    return TestClient(app.asgi, base_url="http://127.0.0.1:8008", headers=headers)


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path / "run")
    yield bench
    bench.close()


@pytest.fixture(scope="session")
def door():
    return Door("127.0.0.1", 8008, "a-secret")


@pytest.fixture
def client(bench, door):
    """Requests with the token, from the right address."""
    return client_of(bench, door)


@pytest.fixture(scope="module")
def visitor(tmp_path_factory, door):
    """The same, to a session that all tests of a module share: they change nothing of it."""
    bench = Bench(tmp_path_factory.mktemp("visited") / "run")
    yield client_of(bench, door)
    bench.close()
