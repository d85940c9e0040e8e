from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hebbstream as hs
from hebbstream.cli._new import preset_of
from hebbstream.cli._parser import make_full_parser
from hebbstream.clip import CLIP


def test_learn_says_what_it_wrote(learn, labels):
    code, out, _ = learn("--labels", labels, "--limit", 60, "--export", "net.json", "--metrics", "m.jsonl")
    assert code == 0
    assert "learned 60 samples" in out
    assert out.splitlines()[-4:] == [
        "checkpoint run.safetensors",
        "it keeps 60 labelled samples, for the probe to learn from again (--replay 0: none)",
        "models named by net.json",
        "metrics m.jsonl",
    ]
    assert Path("net.json").is_file()


@pytest.mark.parametrize(("options", "solver"), [([], "gradient"), (["--solver", "slda"], "slda")])
def test_the_probe_has_the_solver_that_was_asked_for(learn, labels, options, solver):
    assert learn("--labels", labels, "--limit", 20, *options)[0] == 0
    assert hs.Learner.load("run.safetensors").probe.solver == solver


def test_labels_that_no_frame_has_are_told(learn, labels):
    Path("milliseconds.csv").write_text("start,end,label\n1000,1900,day\n")
    code, out, _ = learn("--labels", "milliseconds.csv", "--limit", 3)
    assert (code, "no sample had a label: milliseconds.csv has none for them; its times are seconds" in out) == (
        0,
        True,
    )
    for limit in (1, 3):  # one label alone is predicted by nothing
        assert "no sample had a label" not in learn("--labels", labels, "--limit", limit)[1]


@pytest.mark.parametrize("pattern", [["pets/*/*.png"], ["pets/cat/1.png", "pets/dog/1.png"]])
def test_pictures_by_class_that_are_named_one_by_one_lose_their_labels_not_without_a_word(run, tmp_path, pattern):
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "pets" / name / "1.png")
    code, out, _ = run("learn", *pattern, "--width", 2, "--quiet")
    told = f"no sample had a label: each picture was read as a video; `hebbstream learn {tmp_path / 'pets'}` takes"
    assert (code, told in out) == (0, True)
    assert (
        "no sample had a label" not in run("learn", "pets", "--width", 2, "--quiet", "--checkpoint", "b.safetensors")[1]
    )


@pytest.mark.parametrize(
    ("option", "needed"),
    [
        (["--export-precision", "int8"], "--export-precision: expected --export"),
        (["--export-every", 5], "--export-every: expected --export"),
        (["--export-resize"], "--export-resize: expected --export"),
        (["--metrics-seconds", 3], "--metrics-seconds: expected --metrics"),
    ],
)
def test_how_to_write_what_is_not_written_is_refused(learn, tmp_path, option, needed):
    code, _, err = learn("--limit", 1, *option)
    assert (code, f"{needed}, with which it goes" in err) == (1, True)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("source", [CLIP, "log.csv"])
def test_a_share_is_refused_of_what_is_learned_whole(run, tmp_path, source):
    (tmp_path / "log.csv").write_text("a,b\n" + "1,2\n" * 60)
    code, _, err = run("learn", source, "--width", 4, "--share", 0.3)
    assert (code, f"for {source}: expected a camera" in err) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


def test_how_many_are_seen_again_is_refused_where_none_is_kept(learn, labels):
    code, _, err = learn("--labels", labels, "--replay", 0, "--replay-per-sample", 2)
    assert (code, "--replay-per-sample 2: expected --replay, with which it goes" in err) == (1, True)


@pytest.mark.parametrize(("options", "kept"), [([], 2000), (["--replay", 7], 7), (["--replay", 0], None)])
def test_labelled_frames_are_kept_unless_asked_for_none(learn, labels, options, kept):
    _, out, _ = learn("--labels", labels, "--limit", 20, *options)
    saved = hs.Learner.load("run.safetensors")
    assert (saved.replay and saved.replay.capacity) == kept
    assert ("it keeps" in out) == bool(kept)


def test_learn_with_replay_and_go_on(run, learn, labels):
    assert learn("--labels", labels, "--replay", 20, "--limit", 60)[0] == 0
    saved = hs.Learner.load("run.safetensors")
    assert (len(saved.replay), saved.probe.steps) == (20, 60 + 32)
    assert "probe: 92 labels, frames seen again included, classes " in run("inspect", "run.safetensors")[1]
    assert learn("--labels", labels, "--replay", 20, "--resume", "--limit", 10)[0] == 0
    saved = hs.Learner.load("run.safetensors")
    assert (sum(saved.replay.state_dict()["came"]), saved.probe.steps) == (70, 70 + 2 * 32)


@pytest.mark.parametrize("options", [("--replay", 20), ("--replay-per-sample", 3)])
def test_a_run_goes_on_with_the_same_options_before_its_first_label(learn, tmp_path, options):
    late = tmp_path / "late.csv"
    late.write_text("start,end,label\n0.3,9,late\n")
    for position in (3, 6, 18):
        code, _, err = learn("--labels", late, *options, "--limit", max(3, position - 6), "--resume")
        saved = hs.Learner.load("run.safetensors")
        assert (code, saved.counters.position) == (0, position), err
    assert len(saved.replay) > 0


def test_what_is_kept_can_be_dropped(learn, labels):
    assert learn("--labels", labels, "--limit", 10)[0] == 0
    code, out, _ = learn("--labels", labels, "--resume", "--limit", 3, "--replay", 0)
    assert (code, "it keeps" in out) == (0, False)
    saved = hs.Learner.load("run.safetensors")
    assert (saved.counters.position, saved.probe.steps, saved.replay) == (13, 13, None)


def test_learn_with_more_frames_seen_again(learn, labels):
    assert learn("--labels", labels, "--replay", 20, "--replay-per-sample", 5, "--limit", 40, "--seed", 3)[0] == 0
    saved = hs.Learner.load("run.safetensors")
    assert (saved.probe.steps, saved.replay.weight, saved.replay.seed) == (40 + 5 * 32, 1 / 5, 3)


def test_who_sees_an_error_sees_what_was_saved_before_it(run):
    frames = np.zeros((5, 16, 16, 3), np.float32)
    frames[3] = np.nan
    np.save("frames.npy", frames)
    code, out, err = run("learn", "frames.npy", "--width", 4, "--quiet")
    assert (code, "frame with NaN" in err) == (1, True)
    assert out == "learned 3 samples before it failed\ncheckpoint run.safetensors\n"
    assert hs.Learner.load("run.safetensors").counters.position == 3
    assert run("learn", "frames.npy", "--quiet", "--resume")[1].count("checkpoint") == 0  # nothing new was saved


def test_engine_precision_and_threshold_reach_the_network(learn):
    options = ("--limit", 8, "--event-threshold", 0, "--engine", "pipelined", "--precision", "bfloat16")
    assert learn(*options)[0] == 0
    dense = hs.load("run.safetensors")
    assert {layer.spec.event_threshold for layer in dense.layers} == {0.0}
    code, out, _ = learn("--limit", 8, "--resume", "--engine", "pipelined")
    assert code == 0
    assert "after 8 samples" in out


def test_metrics_are_written(learn):
    options = ("--metrics", "m.jsonl", "--metrics-seconds", 0, "--tensorboard", "board")
    code, out, _ = learn("--limit", 5, *options)
    assert code == 0
    assert len(Path("m.jsonl").read_text().splitlines()) == 5
    assert list(Path("board").iterdir())
    assert out.endswith("metrics m.jsonl\nTensorBoard board\n")


@pytest.mark.parametrize("resume", [[], ["--resume"]])
def test_a_tilde_is_the_home_folder(run, clips, tmp_path, monkeypatch, resume):
    monkeypatch.setenv("HOME", str(tmp_path / "clips"))
    code, out, _ = run(
        "learn", "~/[ab].mp4", "--width", 4, "--size", 32, "--quiet", "--checkpoint", "~/my/run", *resume
    )
    assert code == 0
    assert f"checkpoint {tmp_path}/clips/my/run" in out
    assert hs.load(tmp_path / "clips/my/run").samples_seen == 19
    assert not Path("~").exists()


def test_a_password_is_not_shown(run):
    code, out, err = run("learn", "rtsp://operator-7:hunter2@127.0.0.1:9/live", "--timeout", 1, "--log-level", "debug")
    assert code == 1
    assert "rtsp://***@127.0.0.1:9/live" in err
    assert "hunter2" not in out + err
    assert "operator-7" not in out + err


def test_options_for_ffmpeg(learn):
    code, *_ = learn("--limit", 3, "--option", "probesize=50000", "--fit", "crop", "--start", 1, "--duration", 2)
    assert code == 0


@pytest.mark.parametrize(
    ("arguments", "preset"),
    [
        ([CLIP], "video"),
        ([CLIP, "--labels", "a.json"], "motion"),
        (["0", "--labels", "a.json"], "motion"),
        ([CLIP, "--labels", "a.json", "--crops", "0"], "motion"),
        ([CLIP, "--labels", "a.json", "--crops", "2"], "video"),  # pieces of one place do not follow each other
        ([CLIP, "--labels", "a.json", "--mirror"], "video"),
        ([CLIP, "--labels", "a.json", "--distributed"], "video"),
        ([CLIP, "--labels", "a.json", "--preset", "video"], "video"),
        (["."], "pictures"),
        (["a.csv", "--label", "kind"], "signal"),
    ],
)
def test_which_network_is_for_what(arguments, preset):
    assert preset_of(make_full_parser().parse_args(["learn", *map(str, arguments)])) == preset
