import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import ramp, write_clip

import hebbstream as hs
from hebbstream import cli, errors
from hebbstream.adapters.video import open_video
from hebbstream.cli import main
from hebbstream.clip import CLIP
from hebbstream.learning import _learner as learner
from hebbstream.streams import interleave

LABELS = str(CLIP.with_suffix(".json"))


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the command in an empty folder; give its exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse
            code = stop.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def learn(run, *more):
    return run("learn", CLIP, "--width", 4, "--size", 32, "--checkpoint", "run.safetensors", "--quiet", *more)


def test_learn_evaluate_inspect_export(run):
    code, out, _ = learn(run, "--labels", LABELS, "--limit", 60)
    assert code == 0
    assert "learned 60 samples" in out
    assert "checkpoint run.safetensors" in out

    code, out, _ = run("evaluate", "run.safetensors", CLIP, "--labels", LABELS, "--limit", 30, "--quiet")
    assert code == 0
    assert "prequential accuracy" in out
    assert "over 30 frames" in out

    code, out, _ = run("inspect", "run.safetensors", "--picture", "fields.png")
    assert code == 0
    assert "60 samples learned" in out
    assert Path("fields.png").read_bytes().startswith(b"\x89PNG")

    code, out, _ = run("export", "run.safetensors", "net.onnx", "--verify", "--source", CLIP, "--seconds", "0.01")
    assert code == 0
    assert "with torch on 200 frames" in out
    assert Path("net.onnx").stat().st_size > 1000


def test_learn_with_replay_and_go_on(run):
    assert learn(run, "--labels", LABELS, "--replay", 20, "--limit", 60)[0] == 0
    saved = hs.load_checkpoint("run.safetensors")
    assert (len(saved.replay), saved.probe.steps) == (20, 60 + 3 * 32)
    assert learn(run, "--labels", LABELS, "--replay", 20, "--resume", "--limit", 10)[0] == 0
    saved = hs.load_checkpoint("run.safetensors")
    assert (sum(saved.replay.state()["came"]), saved.probe.steps) == (70, 70 + 6 * 32)

    code, _, err = learn(run, "--replay", 20)
    assert code == 1
    assert "--replay 20: expected --labels" in err


def test_learn_with_more_frames_seen_again(run):
    assert learn(run, "--labels", LABELS, "--replay", 20, "--replay-per-sample", 5, "--limit", 40)[0] == 0
    assert hs.load_checkpoint("run.safetensors").probe.steps == 40 + 5 * 32


@pytest.fixture
def checkpoint(run):
    assert learn(run, "--labels", LABELS, "--limit", 60)[0] == 0
    return "run.safetensors"


def evaluate(run, *more, labels=LABELS):
    return run("evaluate", "run.safetensors", CLIP, "--labels", labels, "--limit", 30, *more)


def test_evaluate_prints_a_table_and_draws_it(run, checkpoint):
    before = Path(checkpoint).read_bytes()
    code, out, err = evaluate(run, "--metrics", "CohenKappa", "CrossEntropy", "--window", 10, "--plot", "curve.png")
    assert code == 0
    header, *rows, summary, written = out.splitlines()
    columns = "samples labelled scored Accuracy last 10 CohenKappa last 10 CrossEntropy last 10"
    assert " ".join(header.split()) == columns
    assert [row.split()[:3] for row in rows] == [["10"] * 3, ["20"] * 3, ["30"] * 3]
    assert summary == f"prequential accuracy {float(rows[-1].split()[3]):.1%} over 30 frames, 6 classes"
    assert written == "picture curve.png; the checkpoint is as it was"
    assert Path("curve.png").read_bytes().startswith(b"\x89PNG")
    assert "30/30" in err  # the progress bar
    assert Path(checkpoint).read_bytes() == before


def test_evaluate_with_learning_features_writes_nothing_either(run, checkpoint):
    before = Path(checkpoint).read_bytes()
    frozen = evaluate(run, "--metrics", "CrossEntropy", "--quiet")
    learning = evaluate(run, "--metrics", "CrossEntropy", "--quiet", "--learn-features")
    assert "nothing was written: the checkpoint is as it was" in learning[1]
    assert learning[2] == ""
    assert frozen[1] != learning[1]
    assert Path(checkpoint).read_bytes() == before


@pytest.mark.parametrize("solver", ["gradient", "ridge", "slda"])
def test_evaluate_with_a_probe_of_another_kind(run, checkpoint, solver):
    code, out, _ = evaluate(run, "--fresh-probe", "--solver", solver, "--delay", 5, "--quiet")
    assert code == 0
    assert "over 24 frames" in out  # before the sixth label had come there was nothing to predict
    learn(run, "--limit", 5)  # without labels, so that the checkpoint has no probe
    assert "over 29 frames" in evaluate(run, "--solver", solver, "--quiet")[1]


def test_evaluate_where_only_some_frames_have_labels(run, checkpoint):
    labels = '{"segments": [{"start": 0, "label": "dog"}, {"start": 0.5, "label": null}]}'
    Path("some.json").write_text(labels)
    code, out, _ = evaluate(run, labels="some.json")
    assert code == 0
    samples, labelled, scored, *_ = out.splitlines()[1].split()
    assert (samples, labelled) == ("30", scored)
    assert 0 < int(labelled) < 30


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--metrics", "Acuracy"], 2, "argument --metrics: 'Acuracy': expected one of Accuracy, AdjustedMutualInfo"),
        (["--metrics", "ConfusionMatrix"], 2, "'ConfusionMatrix': expected one of"),
        (["--metrics", "ROCAUC"], 2, "'ROCAUC': expected one of"),
        (["--metrics", "MAE"], 2, "'MAE': expected one of"),
        (["--metrics", "base"], 2, "'base': expected one of"),
        (["--window", "0"], 2, "'0': expected a positive integer"),
        (["--delay", "-1"], 2, "argument --delay"),
        (["--solver", "x"], 2, "invalid choice: 'x'"),
        (["--solver", "ridge"], 1, "--solver ridge: run.safetensors holds a probe (gradient); expected --fresh-probe"),
        (["--plot", "curve.doc"], 1, "picture curve.doc: expected a name that ends in .png,"),
        (["--plot", "/dev/null/curve.png"], 1, "cannot write /dev/null/curve.png"),
    ],
)
def test_evaluate_refuses_before_it_begins(run, checkpoint, monkeypatch, arguments, code, message):
    monkeypatch.setattr("hebbstream.cli._evaluation.open_source", lambda *_: pytest.fail("it began"))
    found, _, err = evaluate(run, *arguments)
    assert found == code
    assert message in err.splitlines()[-1]
    assert code == 2 or err.count("\n") == 1


def test_bench_prints_a_line_for_each_batch_size(run):
    code, out, _ = run("bench", "--width", 4, "--batches", 1, 3, "--seconds", 0.1, "--engine", "pipelined")
    assert code == 0
    assert out.splitlines()[0].startswith("cifar10, pipelined engine, float32, cpu")
    assert [line.split(":")[0] for line in out.splitlines()[1:]] == ["batch    1", "batch    3"]
    assert "learning over inference" in out


def test_engine_precision_and_threshold_reach_the_network(run):
    options = ("--limit", 8, "--event-threshold", 0, "--engine", "pipelined", "--precision", "bfloat16")
    assert learn(run, *options)[0] == 0
    dense = hs.load("run.safetensors")
    assert {layer.spec.event_threshold for layer in dense.layers} == {0.0}
    code, out, _ = learn(run, "--limit", 8, "--resume", "--engine", "pipelined")
    assert code == 0
    assert "after 8 frames" in out


def test_resume_goes_on_where_the_last_run_stopped(run):
    assert learn(run, "--limit", 20)[0] == 0
    code, out, _ = learn(run, "--limit", 15, "--resume")
    assert code == 0
    assert "going on from run.safetensors, after 20 frames" in out
    parts = hs.load("run.safetensors")
    assert parts.samples_seen == 35
    code, out, _ = learn(run, "--limit", 35)  # without --resume it starts anew, and loses nothing
    assert code == 0
    assert "the earlier checkpoint is now run.1.safetensors" in out
    assert hs.load("run.1.safetensors").samples_seen == 35
    assert (hs.load("run.safetensors").layers[2].weight == parts.layers[2].weight).all()


def test_resume_without_a_checkpoint_simply_starts(run):
    assert learn(run, "--limit", 3, "--resume")[0] == 0
    assert hs.load("run.safetensors").samples_seen == 3


def test_the_demo_writes_everything_it_names(run):
    code, out, _ = run("demo", "--limit", 120, "--quiet", "--output", "out")
    assert code == 0
    for name in ("receptive-fields.png", "accuracy.png", "demo.safetensors", "demo.onnx"):
        assert f"out/{name}" in out
        assert (Path("out") / name).stat().st_size > 1000
    for words in (
        "learned by hebbstream",
        "untrained weights",
        "chance",
        "R1",
        "frames a second",
        "ONNX Runtime against torch",
    ):
        assert words in out
    assert hs.load_checkpoint("out/demo.safetensors").probe.steps == 120


def test_info(run):
    code, out, _ = run("info")
    assert code == 0
    assert f"hebbstream {hs.__version__}" in out
    assert "cifar10" in out
    assert "96/384/1536" in out


@pytest.mark.parametrize("command", ["demo", "learn", "evaluate", "export", "verify", "inspect", "info"])
def test_every_command_explains_itself(run, command):
    assert command in run("--help")[1]
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"usage: hebbstream {command}" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["learn", "missing.mp4"], "no file at missing.mp4"),
        (["learn", "."], "is a folder"),
        (["learn", CLIP, "--device", "nonsense"], "device 'nonsense'"),
        (["learn", CLIP, "--rate", "-3"], "rate=-3.0"),
        (["learn", CLIP, "--size", "4", "--quiet"], "4×4 pixels: too small"),
        (["learn", CLIP, "--labels", "missing.json"], "labels missing.json"),
        (["inspect", "missing.safetensors"], "no checkpoint at missing.safetensors"),
        (["inspect", CLIP], "not a checkpoint"),
        (["export", "missing.safetensors", "net.onnx"], "no checkpoint at"),
    ],
)
def test_an_error_is_one_line_and_exit_code_1(run, arguments, message):
    code, _, err = run(*arguments)
    assert code == 1
    assert err.startswith("hebbstream: ")
    assert message in err
    assert err.count("\n") == 1
    with pytest.raises(hs.HebbstreamError):
        main([*map(str, arguments), "--debug"])


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["learn"], ["learn", CLIP, "--limit", "0"], ["learn", CLIP, "--preset", "x"]]
)
def test_wrong_usage_is_exit_code_2(run, arguments):
    code, _, err = run(*arguments)
    assert code == 2
    assert "usage: hebbstream" in err


def test_the_installed_command_runs():
    command = Path(sys.executable).parent / "hebbstream"
    printed = subprocess.run([command, "--version"], check=True, capture_output=True, text=True).stdout
    assert printed == f"hebbstream {hs.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "stderr_too", "unbuffered"),
    [
        (["--help"], False, ""),
        (["learn", CLIP, "--width", "4", "--limit", "3", "--quiet"], False, ""),
        (["learn", CLIP, "--width", "4", "--limit", "3", "--quiet"], False, "1"),
        (["learn", "missing.mp4"], True, ""),
    ],
    ids=["help", "learn", "learn unbuffered", "error"],
)
def test_when_nobody_reads_it_ends_quietly(tmp_path, arguments, stderr_too, unbuffered):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "hebbstream.cli", *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        stdout=writer,
        stderr=writer if stderr_too else subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    assert not done.stderr
    assert done.returncode in (0, 1)  # argparse passes over what it cannot print
    if "--limit" in arguments:
        assert hs.load(tmp_path / "run.safetensors").samples_seen == 3


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
    saved = hs.load_checkpoint(checkpoint)
    assert f"learned {saved.counters.position} samples" in out


def test_resume_takes_the_newest_good_checkpoint(run):
    assert learn(run, "--limit", 20, "--checkpoint-every", 15)[0] == 0
    content = Path("run.safetensors").read_bytes()
    Path("run.safetensors").write_bytes(content[:-100])
    code, out, err = learn(run, "--limit", 5, "--resume", "--checkpoint-every", 15)
    assert code == 0
    assert "going on from run.safetensors, after 15 frames" in out
    assert "trying an earlier one" in err
    assert hs.load("run.safetensors").samples_seen == 20


def test_starting_anew_moves_every_generation_aside(run):
    learn(run, "--limit", 20, "--checkpoint-every", 10)
    learn(run, "--limit", 3)
    assert [hs.load_checkpoint(f"run{n}").counters.position for n in (".1.safetensors", ".1.safetensors.1")] == [20, 10]
    assert not Path("run.safetensors.1").exists()


@pytest.fixture
def clips(tmp_path):
    """Three short clips of different lengths; the last is cut off."""
    folder = tmp_path / "clips"
    folder.mkdir()
    paths = [write_clip(folder / f"{name}.mp4", ramp(n), movflags="+faststart") for name, n in (("a", 12), ("b", 7))]
    whole = write_clip(
        folder / "cut.mp4", np.random.default_rng(0).integers(0, 256, (20, 48, 64, 3), np.uint8), movflags="+faststart"
    )
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    return [*paths, whole]


SEVERAL = ("--width", 4, "--size", 32, "--quiet", "--checkpoint-every", 5)


def test_several_recordings_take_turns_and_resume_exactly(run, clips, monkeypatch):
    sources = []
    take = learner._Run._take

    def watched(self, features):
        sources.append(self.under_way[0].source)
        take(self, features)

    monkeypatch.setattr(learner._Run, "_take", watched)
    a, b, _ = map(str, clips)
    code, out, _ = run("learn", a, b, *SEVERAL, "--checkpoint", "whole", "--metrics", "m.jsonl")
    assert code == 0
    assert "learned 19 samples" in out
    assert sources == [a, b] * 7 + [a] * 5
    assert json.loads(Path("m.jsonl").read_text().splitlines()[-1])["stream"]["frames"] == 19
    for limit in (6, 9, 100):
        assert run("learn", a, b, *SEVERAL, "--checkpoint", "parts", "--resume", "--limit", limit)[0] == 0
    assert sources[19:] == sources[:19]
    whole, parts = hs.load_checkpoint("whole"), hs.load_checkpoint("parts")
    assert whole.counters == parts.counters
    assert all(torch.equal(one, other) for one, other in zip(whole.net.buffers(), parts.net.buffers(), strict=True))


def test_a_source_that_dies_is_reported_and_the_others_go_on(run, clips):
    a, b, cut = map(str, clips)
    code, out, err = run("learn", a, cut, b, *SEVERAL)
    assert code == 0
    assert f"source {cut!r} is dropped: TruncatedVideoError" in err
    assert f"dropped {cut}: {cut}: truncated" in out
    learned = hs.load("run.safetensors").samples_seen
    assert 19 < learned < 39
    assert run("learn", a, cut, b, *SEVERAL, "--limit", 15, "--checkpoint", "parts")[0] == 0
    assert run("learn", a, cut, b, *SEVERAL, "--resume", "--checkpoint", "parts")[0] == 0
    assert hs.load("parts").samples_seen == learned
    code, _, err = run("learn", cut, cut, *SEVERAL)
    assert code == 1
    assert f"source '{cut} (2)' is dropped" in err


def test_of_several_sources_cameras_are_read_as_they_come_and_one_out_of_reach_is_left_out(run, clips, monkeypatch):
    def opened(source, **options):
        if "away" in source:
            raise errors.ConnectionLostError("rtsp://***@away: cannot connect")
        return open_video(source, **options | {"live": "a.mp4" not in source, "retry_for": 0})

    orders = []

    def ordered(streams, by):
        orders.append(by)
        return interleave(streams, by)

    monkeypatch.setattr(cli._source, "open_video", opened)
    monkeypatch.setattr(cli._source, "interleave", ordered)
    away = "rtsp://operator-7:hunter2@away"
    a, b, _ = map(str, clips)
    code, out, err = run("learn", b, away, b, *SEVERAL, "--every-frame", "--resume")
    assert code == 0
    assert "stream: 14 frames" in out
    learned = hs.load("run.safetensors").samples_seen
    assert 2 <= learned <= 14  # what learning was too slow for is dropped
    assert "source 'rtsp://***@away' is left out" in err
    assert "hunter2" not in out + err
    code, out, _ = run("learn", b, away, b, *SEVERAL, "--every-frame", "--resume")
    assert f"after {learned} frames" in out
    assert "stream: 14 frames" in out  # cameras go on from now
    assert run("learn", a, b, *SEVERAL)[0] == 0
    assert orders == ["arrival"] * 3
    for arguments, message in (
        ([a, b, "--resume"], "--resume with recordings and live sources"),
        ([a, away], "cannot connect"),
        ([away, away], "cannot connect"),
        ([a, "missing.mp4"], "no file at missing.mp4"),
        ([a, b, "--labels", LABELS], "expected a single source"),
    ):
        code, _, err = run("learn", *arguments, *SEVERAL, "--log-level", "error")
        assert code == 1
        assert message in err


def test_metrics_are_written(run):
    code, _, _ = learn(run, "--limit", 5, "--metrics", "m.jsonl", "--metrics-every", 0, "--tensorboard", "board")
    assert code == 0
    assert len(Path("m.jsonl").read_text().splitlines()) == 5
    assert list(Path("board").iterdir())


def test_a_password_is_not_shown(run):
    code, out, err = run("learn", "rtsp://operator-7:hunter2@127.0.0.1:9/live", "--timeout", 1, "--log-level", "debug")
    assert code == 1
    assert "rtsp://***@127.0.0.1:9/live" in err
    assert "hunter2" not in out + err
    assert "operator-7" not in out + err


def test_options_for_ffmpeg(run):
    assert (
        learn(run, "--limit", 3, "--option", "probesize=50000", "--fit", "crop", "--start", 1, "--duration", 2)[0] == 0
    )
    code, _, err = learn(run, "--option", "probesize")
    assert code == 2
    assert "'probesize': expected KEY=VALUE" in err
