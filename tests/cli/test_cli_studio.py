import re
import signal
import subprocess
import sys
import urllib.request

import pytest

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
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, out, err) == (0, "run here\n", "")
    assert (tmp_path / "here" / "run.safetensors").is_file()


def test_what_cannot_work_is_said_in_one_line(run, tmp_path):
    for arguments, complaint in (
        (["none.mp4"], "none.mp4"),
        (["--host", "203.0.113.1", "--port", 0], "cannot listen on 203.0.113.1:0"),
        (["--run", "/dev/null/x"], "cannot write"),
        (["--device", "nowhere"], "device 'nowhere'"),
    ):
        code, out, err = run("studio", *arguments)
        assert (code, out) == (1, "")
        assert complaint in err
        assert err.count("\n") == 1


def test_missing_packages_are_named_with_their_extra(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    for name in [name for name in sys.modules if name.startswith("hebbstream.studio")]:
        monkeypatch.delitem(sys.modules, name)
    code, _, err = run("studio")
    assert code == 1
    assert "pip install 'hebbstream[studio]'" in err
