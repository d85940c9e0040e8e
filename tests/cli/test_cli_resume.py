import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

import hebbstream as hs
from hebbstream import errors
from hebbstream.clip import CLIP


def test_resume_goes_on_where_the_last_run_stopped(learn):
    assert learn("--limit", 20)[0] == 0
    code, out, _ = learn("--limit", 15, "--resume")
    assert code == 0
    assert "going on from run.safetensors, after 20 samples" in out
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
    assert (saved.counters.position, saved.counters.scored) == (45, 39)
    assert (len(saved.replay), saved.probe.steps) == (20, 40 + 32)


def test_resume_takes_the_newest_good_checkpoint(learn):
    assert learn("--limit", 20, "--checkpoint-every", 15)[0] == 0
    content = Path("run.safetensors").read_bytes()
    Path("run.safetensors").write_bytes(content[:-100])
    code, out, err = learn("--limit", 5, "--resume", "--checkpoint-every", 15)
    assert code == 0
    assert "going on from run.safetensors, after 15 samples" in out
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


@pytest.fixture
def odd(tmp_path, clips):
    """Sources that open, or nearly, and give no sample that can be learned."""
    folder = tmp_path / "clips"
    (folder / "notes.mp4").write_text("no video")
    (folder / "empty.mp4").touch()
    return folder


@pytest.mark.parametrize("resume", [[], ["--resume"]])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.mp4"], "no file at missing.mp4"),
        (["7"], "7"),
        (["clips/*.mov"], "no file matches"),
        (["clips/notes.mp4"], "clips/notes.mp4"),
        (["clips/empty.mp4"], "clips/empty.mp4"),
        (["rtsp://127.0.0.1:9/live", "--timeout", 1], "rtsp://127.0.0.1:9/live"),
        ([CLIP, "missing.mp4"], "no file at missing.mp4"),
        ([CLIP, CLIP, "--labels", CLIP.with_suffix(".json")], "expected a single source"),
        ([CLIP, "--labels", "missing.csv"], "labels missing.csv"),
        ([CLIP, "--replay", 20], "--replay 20: expected --labels"),
        ([CLIP, "--solver", "ridge"], "--solver ridge: expected --labels"),
        ([CLIP, "--device", "meta"], "device='meta': expected one that holds values"),
        ([CLIP, "--export", "net.onnx"], "expected a name that ends in .json"),
        ([CLIP, "--export", "/dev/null/net.json"], "cannot write /dev/null/net.json"),
        ([CLIP, "--metrics", "/dev/null/m.jsonl"], "cannot write /dev/null/m.jsonl"),
        ([CLIP, "--metrics", "m.jsonl", "--metrics-seconds", -1], "seconds=-1.0: expected 0 or a positive number"),
        ([CLIP, "--size", "2"], "too small"),
    ],
)
def test_a_run_that_cannot_begin_leaves_the_earlier_checkpoint_where_it_is(
    run, given, odd, tmp_path, arguments, message, resume
):
    given("learn", CLIP, "--width", 4, "--limit", 20, "--checkpoint-every", 10, "--quiet")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    code, out, err = run("learn", *arguments, "--quiet", *resume)
    assert code == 1
    assert "earlier checkpoint is now" not in out
    assert message in err.splitlines()[-1]
    after = {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file() and file.suffix != ".jsonl"}
    assert after == before
    checkpoint = hs.Checkpoint("run.safetensors")
    checkpoint.claim()  # as nobody holds it
    checkpoint.release()


def test_a_run_that_has_nothing_to_learn_leaves_it_too(learn):
    assert learn("--limit", 3)[0] == 0
    before = Path("run.safetensors").read_bytes()
    learn("--start", 1e6)
    assert Path("run.safetensors").read_bytes() == before
    assert [file.name for file in Path().iterdir() if file.is_file()] == ["run.safetensors"]


def test_the_earlier_checkpoint_has_its_name_until_the_new_one_takes_it(learn, monkeypatch):
    assert learn("--limit", 3)[0] == 0
    save, failures = hs.Learner.save, [errors.OutputError("cannot write: the disk is full")] * 2

    def on_a_full_disk(learner, path):
        assert hs.Learner.load("run.safetensors").counters.position == 3
        assert Path("run-1.safetensors").is_file()
        if failures:
            raise failures.pop()
        save(learner, path)

    monkeypatch.setattr(hs.Learner, "save", on_a_full_disk)
    code, out, _ = learn("--limit", 7, "--checkpoint-every", 3)
    assert code == 0
    assert "started anew (--resume goes on instead); the earlier checkpoint is now run-1.safetensors" in out
    found = {file.name: hs.Learner.load(file).counters.position for file in Path().glob("run*")}
    assert found == {"run.safetensors": 7, "run-1.safetensors": 3}


def test_who_interrupts_it_while_known_samples_are_passed_over_is_not_told_that_all_is_learned(learn, monkeypatch):
    assert learn("--limit", 3)[0] == 0

    def interrupted(stream, _):
        next(stream)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("hebbstream.learning._run._pass_over", interrupted)
    code, out, _ = learn("--resume")
    assert (code, "learned 0 samples" in out, "until interrupted" in out) == (0, True, True)
    assert "nothing was left to learn" not in out


def test_a_new_recording_goes_on_from_the_weights_and_says_so(run, clips):
    def learn(source, *more):
        return run("learn", source, "--width", 4, "--size", 32, "--fit", "stretch", "--quiet", "--resume", *more)

    a, b, _ = clips
    assert learn(a, "--limit", 8)[0] == 0
    code, out, err = learn(b)
    assert code == 0
    assert "going on from run.safetensors, after 8 samples" in out
    assert "learned 7 samples" in out
    assert "VideoStream('b.mp4', 32×32, recorded) is new, or has changed: what was learned is kept" in err
    for source, learned in ((a, 4), (b, 0), (a, 0)):
        code, out, err = learn(source)
        assert (code, err) == (0, "")
        assert f"learned {learned} samples" in out
        assert ("nothing was left to learn: all of it was learned before" in out) is (learned == 0)
    assert hs.load("run.safetensors").samples_seen == 19
    assert str(Path(a).parent).encode() not in Path("run.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--preset", "mnist"], "--preset mnist with --resume: run.safetensors has another network (4/16 neurons)"),
        (["--preset", "stl10"], "--preset stl10"),
        (["--preset", "mnist-dense"], "--preset mnist-dense"),
        (["--width", 8], "--width 8 with --resume: run.safetensors has 4;"),
        (["--seed", 0], "--seed 0 with --resume: run.safetensors has 1;"),
        (["--mirror"], "--mirror with --resume: run.safetensors has a network without it"),
        (["--event-threshold", 0], "--event-threshold 0.0 with --resume: run.safetensors has 0.003;"),
        (["--size", "32x48"], "--size 32x48 with --resume: run.safetensors has 32x32;"),
        (["--solver", "slda"], "--solver slda with --resume: run.safetensors has gradient;"),
        (["--replay", 30], "--replay 30 with --resume: run.safetensors has 20;"),
        (["--replay", 20, "--replay-per-sample", 5], "--replay-per-sample 5 with --resume: run.safetensors has 1;"),
    ],
)
def test_what_contradicts_the_checkpoint_is_refused(run, given, labels, options, message):
    begin = ["learn", CLIP, "--labels", labels, "--limit", 3, "--quiet"]
    given(*begin, "--width", 4, "--seed", 1, "--replay", 20)
    before = Path("run.safetensors").read_bytes()
    code, out, err = run(*begin, "--resume", *options)
    assert (code, out) == (1, "")
    assert err.startswith(f"hebbstream: {message}")
    assert err.count("\n") == 1
    assert Path("run.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--preset", "video", "--width", 4, "--seed", 1, "--event-threshold", 0.003, "--size", 32],
        ["--preset", "cifar100"],  # the same network under another name
        ["--size", 48],  # without a probe any size will do
        ["--replay", 20, "--replay-per-sample", 2, "--labels", CLIP.with_suffix(".json")],
        ["--solver", "ridge", "--labels", CLIP.with_suffix(".json")],
    ],
)
def test_what_says_the_same_or_something_new_goes_on(run, given, options):
    begin = ["learn", CLIP, "--limit", 3, "--quiet", "--resume"]
    preset = ["--preset", "cifar10"] if "cifar100" in options else []
    given(*begin, "--width", 4, "--seed", 1, *preset)
    assert run(*begin, *options)[0] == 0
    assert hs.load("run.safetensors").samples_seen == 6


def test_a_network_of_a_preset_that_has_changed_since_goes_on(run):
    earlier = [replace(spec, momentum=0.5) for spec in hs.PRESETS["video"].resolve(width=4)]
    net = hs.SoftHebbNet(earlier, 3)
    net.preset = "video"
    hs.Learner(net).save("run.safetensors")
    assert run("learn", CLIP, "--limit", 3, "--quiet", "--resume", "--preset", "video")[0] == 0
    assert [layer.spec for layer in hs.load("run.safetensors").layers] == earlier


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
