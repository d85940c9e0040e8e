"""However a command is asked to end, it ends in good order: in one line, or with all that it has learned."""

import os
import pty
import signal
import socket
import subprocess
import sys
import time

import pytest

import hebbstream as hs
from hebbstream import _starting
from hebbstream.clip import CLIP

COMMAND = [sys.executable, "-m", "hebbstream.cli"]
LEARN = [*COMMAND, "learn", str(CLIP), "--loop", "--width", "4", "--size", "32"]


STARTED = []


@pytest.fixture(autouse=True)
def _nothing_goes_on():
    yield
    while STARTED:
        STARTED.pop().kill()


def by_default():
    """What a terminal gives: a program that a shell starts in the background would ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(*arguments, **options):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    STARTED.append(subprocess.Popen(arguments, preexec_fn=by_default, **pipes, **options))
    return STARTED[-1]


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def position(path):
    return hs.Learner.load(path).counters.position if path.exists() else 0


@pytest.mark.parametrize("seconds", [0.2, 0.5, 0.8, 1.2, 2.0, 3.0])
def test_ctrl_c_at_any_time_after_the_start_is_no_traceback(tmp_path, seconds):
    process = start(*LEARN, "--quiet", cwd=tmp_path)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    if process.returncode == 0:  # it was learning already
        assert "until interrupted" in out
        assert not err
    else:
        assert (process.returncode, out, err) == (130, "", "hebbstream: interrupted\n")


@pytest.mark.parametrize(
    "command",
    [
        ["learn"],
        ["evaluate", "--labels", str(CLIP.with_suffix(".json")), "run.safetensors"],
        ["inspect", "run.safetensors", "--source"],
    ],
)
def test_ctrl_c_while_connecting_ends_at_once(tmp_path, command):
    hs.SoftHebbNet.from_preset("cifar10", width=4).save(tmp_path / "run.safetensors")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        process = start(*COMMAND, *command, f"tcp://127.0.0.1:{silent.getsockname()[1]}", cwd=tmp_path)
        connection, _ = silent.accept()
        time.sleep(0.5)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        connection.close()
    assert time.monotonic() - began < 4
    assert process.returncode == 130
    assert err == "hebbstream: interrupted\n"


def test_sighup_saves_as_sigterm_does_and_nohup_goes_on(tmp_path):
    checkpoint = tmp_path / "run.safetensors"
    process = start(*LEARN, "--quiet", "--checkpoint-every", "10", cwd=tmp_path)
    wait_for(checkpoint.exists)
    process.send_signal(signal.SIGHUP)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert f"learned {position(checkpoint):,} samples" in out
    ignored = start("nohup", *LEARN, "--quiet", "--limit", "200", "--checkpoint", "other", cwd=tmp_path)
    wait_for((tmp_path / ".other.lock").exists)
    ignored.send_signal(signal.SIGHUP)
    assert "learned 200 samples" in ignored.communicate(timeout=60)[0]


def test_sigusr1_saves_and_goes_on_also_before_the_first_frame(tmp_path):
    checkpoint = tmp_path / "run.safetensors"
    process = start(*LEARN, "--quiet", "--checkpoint-every", "1000000", cwd=tmp_path)
    time.sleep(0.5)
    process.send_signal(signal.SIGUSR1)  # while it is loading: there is nothing to save, and it does not end
    wait_for((tmp_path / ".run.safetensors.lock").exists)
    found = []
    for _ in range(3):
        time.sleep(0.3)
        before = position(checkpoint)
        process.send_signal(signal.SIGUSR1)
        wait_for(lambda before=before: position(checkpoint) > before, 30)
        found.append(position(checkpoint))
    process.terminate()
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert found == sorted(found)
    assert found[-1] < position(checkpoint)
    assert f"learned {position(checkpoint):,} samples" in out


def test_a_terminal_that_closes_loses_nothing(tmp_path):
    checkpoint = tmp_path / "run.safetensors"
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execv(LEARN[0], [*LEARN, "--checkpoint-every", "10"])  # noqa: S606
    wait_for(checkpoint.exists)
    before = position(checkpoint)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.WIFEXITED(status)
    assert position(checkpoint) > before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.safetensors", "run.safetensors.1"]


@pytest.mark.parametrize(
    ("arguments", "original", "is_command"),
    [
        (["/usr/bin/hebbstream", "learn"], ["python", "/usr/bin/hebbstream", "learn"], True),
        (["hebbstream.exe"], ["python", "hebbstream.exe"], True),
        (["-m", "learn"], ["python", "-m", "hebbstream.cli", "learn"], True),
        (["-m"], ["python", "-W", "error", "-mhebbstream.cli"], True),
        (["-m", "hebbstream.cli"], ["python", "-m", "pytest", "hebbstream.cli"], False),
        (["-c"], ["python", "-c", "import hebbstream"], False),
        (["train.py", "hebbstream"], ["python", "train.py", "hebbstream"], False),
        ([], ["python"], False),
    ],
)
def test_only_the_command_changes_what_ctrl_c_does(monkeypatch, arguments, original, is_command):
    monkeypatch.setattr(sys, "argv", arguments)
    monkeypatch.setattr(sys, "orig_argv", original)
    assert _starting._is_command() is is_command


def test_a_program_that_imports_the_library_keeps_its_signals():
    code = "import signal; before = [signal.getsignal(n) for n in (2, 1, 10)]; import hebbstream; from hebbstream.cli"
    code += "._main import main; main(['info']); print(before == [signal.getsignal(n) for n in (2, 1, 10)])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.endswith("True\n")
