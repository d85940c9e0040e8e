import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

from hebbstream.cli._studio import _opened

pytest.importorskip("starlette", reason="the studio's packages are not installed: pip install 'hebbstream[studio]'")


def test_it_serves_until_it_is_told_to_stop_and_says_where_the_run_is(tmp_path):
    command = [
        sys.executable,
        "-m",
        "hebbstream.cli",
        "studio",
        "--run",
        "here",
        "--port",
        "0",
        "--width",
        "4",
        "--start",
    ]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            address = process.stdout.readline().removeprefix("open ").strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{32}", address)
            with urllib.request.urlopen(address, timeout=60) as page:  # noqa: S310  # as it was printed
                assert b"hebbstream" in page.read()
            upload = socket.create_connection(("127.0.0.1", urlsplit(address).port))
            token = address.partition("token=")[2]
            head = f"POST /open HTTP/1.1\r\nHost: {urlsplit(address).netloc}\r\nAuthorization: Bearer {token}\r\n"
            upload.sendall(f"{head}Content-Type: application/octet-stream\r\nContent-Length: 99\r\n\r\nx".encode())
            until = time.monotonic() + 30
            while not list((tmp_path / "here").glob(".opened-*")):
                assert time.monotonic() < until
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    upload.close()
    assert (process.returncode, out, err) == (0, "run here\n", "")
    assert (tmp_path / "here" / "run.safetensors").is_file()


def test_no_other_user_sees_the_token_that_a_browser_is_given(tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr("webbrowser.open", given.append)
    with _opened("http://127.0.0.1:8008/?token=s3cret", tmp_path):
        (address,) = given
        page = Path(url2pathname(urlsplit(address).path))
        assert urlsplit(address).scheme == "file"
        assert "s3cret" not in address
        assert "url=http://127.0.0.1:8008/?token=s3cret" in page.read_text()
        assert [oct(path.stat().st_mode & 0o777) for path in (page, page.parent)] == ["0o600", "0o700"]
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_work_is_said_in_one_line(run):
    for arguments, complaint in (
        (["none.mp4"], "none.mp4"),
        (["--host", "203.0.113.1", "--port", 0], "cannot listen on 203.0.113.1:0"),
        (["--run", "/dev/null/x"], "cannot write"),
        (["--device", "nowhere"], "device='nowhere'"),
    ):
        code, out, err = run("studio", *arguments)
        assert (code, out) == (1, "")
        assert complaint in err
        assert err.count("\n") == 1


@pytest.mark.parametrize("package", ["uvicorn", "websockets"])
def test_missing_packages_are_named_with_their_extra(package, run, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    for name in [name for name in sys.modules if name.startswith("hebbstream.studio")]:
        monkeypatch.delitem(sys.modules, name)
    code, _, err = run("studio")
    assert code == 1
    assert f"{package} is not installed: pip install 'hebbstream[studio]'" in err
