import subprocess
import sys
import time
from pathlib import Path

import pytest

import hebbstream as hs
from hebbstream.clip import CLIP


def test_resume_goes_on_where_the_last_run_stopped(learn):
    assert learn("--limit", 20)[0] == 0
    code, out, _ = learn("--limit", 15, "--resume")
    assert code == 0
    assert "going on from run.safetensors, after 20 frames" in out
    parts = hs.load("run.safetensors")
    assert parts.samples_seen == 35
    code, out, _ = learn("--limit", 35)  # without --resume it starts anew, and loses nothing
    assert code == 0
    assert "the earlier checkpoint is now run-1.safetensors" in out
    assert hs.load("run-1.safetensors").samples_seen == 35
    assert (hs.load("run.safetensors").layers[2].weight == parts.layers[2].weight).all()


def test_resume_without_a_checkpoint_says_so_and_starts(learn):
    code, out, _ = learn("--limit", 3, "--resume")
    assert code == 0
    assert out.startswith("no checkpoint at run.safetensors: starting anew\n")
    assert hs.load("run.safetensors").samples_seen == 3


def test_a_run_that_goes_on_with_labels_gets_a_probe(learn, labels):
    assert learn("--limit", 5)[0] == 0
    assert learn("--limit", 40, "--resume", "--labels", labels, "--replay", 20)[0] == 0
    saved = hs.Learner.load("run.safetensors")
    assert (saved.counters.position, saved.counters.scored) == (45, 40)
    assert (len(saved.replay), saved.probe.steps) == (20, 40 + 3 * 32)


def test_resume_takes_the_newest_good_checkpoint(learn):
    assert learn("--limit", 20, "--checkpoint-every", 15)[0] == 0
    content = Path("run.safetensors").read_bytes()
    Path("run.safetensors").write_bytes(content[:-100])
    code, out, err = learn("--limit", 5, "--resume", "--checkpoint-every", 15)
    assert code == 0
    assert "going on from run.safetensors, after 15 frames" in out
    assert "trying an earlier one" in err
    assert hs.load("run.safetensors").samples_seen == 20


@pytest.mark.parametrize(
    ("name", "aside"), [("run.safetensors", "run-1.safetensors"), ("run", "run-1"), ("1", "1-1"), ("a.1", "a-1.1")]
)
def test_starting_anew_moves_every_generation_aside(learn, name, aside):
    learn("--limit", 20, "--checkpoint-every", 10, "--checkpoint", name)
    learn("--limit", 3, "--checkpoint", name)
    assert [hs.Learner.load(path).counters.position for path in (aside, f"{aside}.1", name)] == [20, 10, 3]
    assert not Path(f"{name}.1").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.mp4"], "no file at missing.mp4"),
        ([CLIP, CLIP, "--labels", CLIP.with_suffix(".json")], "expected a single source"),
        ([CLIP, "--replay", 20], "--replay 20: expected --labels"),
        ([CLIP, "--device", "meta"], "device 'meta' cannot be used"),
        ([CLIP, "--export", "net.onnx"], "expected a name that ends in .json"),
        ([CLIP, "--metrics", "/dev/null/m.jsonl"], "cannot write /dev/null/m.jsonl"),
        ([CLIP, "--metrics", "m.jsonl", "--metrics-seconds", -1], "seconds=-1.0: expected 0 or a positive number"),
    ],
)
def test_a_run_that_cannot_begin_leaves_the_earlier_checkpoint_where_it_is(run, learn, arguments, message):
    assert learn("--limit", 3)[0] == 0
    before = Path("run.safetensors").read_bytes()
    code, out, err = run("learn", *arguments, "--quiet")
    assert (code, out) == (1, "")
    assert message in err
    assert Path("run.safetensors").read_bytes() == before
    assert not Path("run-1.safetensors").exists()


def test_sigterm_saves_and_exits_0(tmp_path):
    checkpoint = tmp_path / "run.safetensors"
    arguments = [str(CLIP), "--loop", "--width", "4", "--size", "32", "--checkpoint", str(checkpoint), "--quiet"]
    process = subprocess.Popen(
        [sys.executable, "-m", "hebbstream.cli", "learn", *arguments, "--checkpoint-every", "10"],
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.terminate()
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "until interrupted" in out
    saved = hs.Learner.load(checkpoint)
    assert f"learned {saved.counters.position} samples" in out
