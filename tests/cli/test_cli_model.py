"""The commands that read a checkpoint or a preset, and what they show of it."""

import re
import shutil
from pathlib import Path

import pytest

from hebbstream.clip import CLIP


def test_inspect_draws_what_it_names(run, checkpoint):
    code, out, _ = run("inspect", checkpoint, "--picture", "fields.png")
    assert code == 0
    assert "60 samples learned" in out
    assert "probe: 92 labels, frames seen again included, classes " in out
    assert out.endswith("picture fields.png\n")
    assert Path("fields.png").read_bytes().startswith(b"\x89PNG")


def test_inspect_shows_no_token_of_its_source(run, checkpoint):
    shutil.copy(CLIP, "a&token=hunter2")
    out = run("inspect", checkpoint, "--source", "a&token=hunter2", "--limit", 2, "--quiet")[1]
    assert "on 2 frames of a&token=***\n" in out


def test_inspect_shows_what_came_before_a_recording_broke_off(run, checkpoint, clips):
    code, out, err = run("inspect", checkpoint, "--source", clips[2], "--picture", "fields.png", "--quiet")
    assert code == 1
    assert re.search(r"on [1-9]\d* frames of .*cut.mp4\nlayer    dead .*\n +1 .*%\n", out)
    assert out.endswith("picture fields.png\n")
    assert "cut.mp4: truncated or damaged after " in err


@pytest.mark.parametrize(
    ("option", "needed"),
    [
        (("--limit", 3), "--limit: expected --source"),
        (("--labels", "labels.json"), "--labels: expected --source"),
        (("--window", 9, "--report", "out"), "--window: expected --source"),
        (("--neurons", 3), "--neurons: expected --report"),
        (("--seed", 1, "--picture", "fields.png"), "--seed: expected --report"),
    ],
)
def test_inspect_refuses_options_that_say_nothing(run, checkpoint, option, needed):
    code, out, err = run("inspect", checkpoint, *option)
    assert (code, out) == (1, "")
    assert f"{needed}, with which it goes" in err


def test_export_and_verify_compare_with_torch(run, checkpoint):
    code, out, _ = run("export", checkpoint, "net.onnx", "--verify", "--source", CLIP, "--seconds", "0.01")
    assert code == 0
    assert "with torch on 200 frames" in out
    assert "model net.onnx (" in out.splitlines()[-1]
    assert Path("net.onnx").stat().st_size > 1000
    code, out, _ = run("verify", "net.onnx", CLIP, "--checkpoint", checkpoint, "--stride", 40, "--seconds", "0.01")
    assert code == 0
    assert "with torch on 150 frames" in out
    assert out.endswith("nothing was written\n")


def test_export_names_the_model_as_the_checkpoint(run, checkpoint):
    beside = Path(checkpoint).with_suffix(".onnx")
    code, out, _ = run("export", checkpoint)
    assert code == 0
    assert out.startswith(f"model {beside} (")
    assert beside.exists()
    beside.unlink()  # the checkpoint is others' too


@pytest.mark.parametrize("options", [["--verify"], ["--precision", "int8"]])
def test_export_asks_for_the_frames_that_it_needs(run, checkpoint, options):
    code, _, err = run("export", checkpoint, "net.onnx", *options)
    assert code == 1
    assert f"{' '.join(options)} without --source: expected the video to take frames from" in err
    assert not Path("net.onnx").exists()


def test_export_needs_no_frames_where_any_error_is_allowed(run, checkpoint):
    options = ["--precision", "float16", "--error-limit", "inf"]
    code, out, _ = run("export", checkpoint, "net.onnx", *options)
    assert code == 0
    assert out.startswith("model net.onnx (")
    for wrong in ([*options, "--verify"], options[:2], ["--precision", "int8", *options[2:]]):
        code, _, err = run("export", checkpoint, "other.onnx", *wrong)
        assert code == 1
        assert "without --source: expected the video to take frames from" in err


def test_bench_prints_a_line_for_each_batch_size(run):
    code, out, _ = run("bench", "--width", 4, "--batches", 1, 3, "--seconds", 0.1, "--engine", "pipelined")
    assert code == 0
    assert out.splitlines()[0].startswith("cifar10, pipelined engine, float32, cpu")
    assert [line.split(":")[0] for line in out.splitlines()[1:]] == ["batch    1", "batch    3"]
    assert "learning over inference" in out


@pytest.mark.parametrize("command", ["predict", "export", "verify"])
def test_no_bar_is_shown_on_a_terminal_that_is_to_be_quiet(run, checkpoint, monkeypatch, command):
    assert run("export", checkpoint, "net.onnx")[0] == 0
    monkeypatch.setattr("hebbstream.learning._refit.drawn_over", lambda: True)
    given = {
        "predict": [checkpoint, CLIP, "--limit", 1],
        "export": [checkpoint, "net.onnx"],
        "verify": ["net.onnx", CLIP, "--checkpoint", checkpoint, "--seconds", 0.01],
    }[command]
    assert "what was taught" in run(command, *given)[2]
    assert run(command, *given, "--quiet")[::2] == (0, "")
