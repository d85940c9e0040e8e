"""How a command takes its source."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from clips import ramp, write_clip

import hebbstream as hs


@pytest.fixture
def learn(run):
    return lambda *arguments: run("learn", *arguments, "--width", 4, "--size", 32, "--quiet")


@pytest.mark.parametrize("name", ["12:30:00.mp4", "pipe:0", "C:\\a.mp4", "f%03d.mp4"])
def test_a_file_of_any_name(learn, clips, name):
    assert learn(name)[::2] == (1, f"hebbstream: no file at {name}\n")
    Path(name).write_bytes(Path(clips[0]).read_bytes())
    code, out, _ = learn(name)
    assert code == 0
    assert "learned 12 samples" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stream", "1"], "stream=1: expected one of those in "),
        (["--format", "nosuch"], "format='nosuch': expected an input format of FFmpeg"),
        (["--format", "h264"], "no frame of it can be decoded"),
    ],
)
def test_what_does_not_fit_the_source_is_one_line(learn, clips, arguments, message):
    code, _, err = learn(clips[0], *arguments)
    assert (code, err.count("\n")) == (1, 1)
    assert message in err


def test_the_format_and_the_video_in_it_can_be_said(learn, clips):
    Path("bare").write_bytes(np.zeros((9, 32, 32, 3), np.uint8).tobytes())
    options = ("--format", "rawvideo", "--option", "video_size=32x32", "--option", "pixel_format=rgb24")
    assert "learned 9 samples" in learn("bare", *options)[1]
    assert "learned 12 samples" in learn(clips[0], "--stream", "0")[1]
    assert learn(clips[0], "--stream", "-1")[0] == 2


def test_the_standard_input(tmp_path):
    clip = write_clip(tmp_path / "a.mp4", ramp(5))
    command = [sys.executable, "-m", "hebbstream.cli", "learn", "-", "--width", "4", "--size", "32", "--quiet"]
    ended = subprocess.run(
        command, input=clip.read_bytes(), cwd=tmp_path, capture_output=True, timeout=100, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert hs.load(tmp_path / "run.safetensors").samples_seen == 5


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_comes_through_a_pipe_is_learned_by_a_run_that_goes_on(learn, tmp_path):
    assert learn(write_clip(tmp_path / "a.mp4", ramp(12)))[0] == 0
    sent = write_clip(tmp_path / "b.ts", ramp(7), codec="mpeg2video").read_bytes()
    os.mkfifo(tmp_path / "pipe.ts")
    sending = threading.Thread(target=(tmp_path / "pipe.ts").write_bytes, args=(sent,))
    sending.start()
    code, out, err = learn("pipe.ts", "--resume")
    sending.join()
    assert code == 0
    assert "learned 7 samples" in out
    assert "can be read only once: what was learned is kept, and all that comes now is learned" in err
