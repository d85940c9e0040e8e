import re
import signal
from itertools import islice

import numpy as np
import pytest

import hebbstream as hs
from hebbstream.adapters.video import open_video, read_labels
from hebbstream.clip import CLIP


@pytest.fixture
def evaluate(run, checkpoint, labels):
    return lambda *more: run("evaluate", checkpoint, CLIP, "--labels", labels, "--limit", 30, *more)


def test_evaluate_prints_a_table_and_draws_it(evaluate, checkpoint, tmp_path):
    before = checkpoint.read_bytes()
    code, out, err = evaluate("--metrics", "CohenKappa", "CrossEntropy", "--window", 10, "--plot", "curve.png")
    assert code == 0
    header, *rows, summary, taken, written = out.splitlines()
    columns = "samples labelled scored Accuracy last 10 CohenKappa last 10 CrossEntropy last 10"
    assert " ".join(header.split()) == columns
    assert [row.split()[:3] for row in rows] == [["10"] * 3, ["20"] * 3, ["30"] * 3]
    assert summary == f"prequential accuracy {float(rows[-1].split()[3]):.1%} over 30 frames, 6 classes"
    assert re.fullmatch(r"without learning any of these labels, as an exported model: \d+\.\d%", taken)
    assert written == "picture curve.png; the checkpoint is as it was"
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert "30/30" in err  # the progress bar
    assert checkpoint.read_bytes() == before


def test_evaluate_says_what_is_right_without_learning(evaluate, checkpoint, labels, run):
    out = evaluate("--quiet")[1]
    learner = hs.Learner.load(checkpoint)
    with open_video(CLIP, size=learner.net.frame_size, label=read_labels(labels)) as frames:
        samples = list(islice(frames, 30))
    found = learner.refit_probe().predict_many(learner.net.transform_many(np.stack([sample.x for sample in samples])))
    right = np.mean([label == sample.y for label, sample in zip(found, samples, strict=True)])
    assert f"as an exported model: {right:.1%}\n" in out
    for changes in ("--fresh-probe", "--learn-features"):
        assert "as an exported model" not in evaluate("--quiet", changes)[1]


def test_evaluate_with_learning_features_writes_nothing_either(evaluate, checkpoint):
    before = checkpoint.read_bytes()
    frozen = evaluate("--metrics", "CrossEntropy", "--quiet", "--fresh-probe")
    learning = evaluate("--metrics", "CrossEntropy", "--quiet", "--fresh-probe", "--learn-features")
    assert "nothing was written: the checkpoint is as it was" in learning[1]
    assert learning[2] == ""
    assert frozen[1] != learning[1]
    assert checkpoint.read_bytes() == before


@pytest.mark.parametrize("solver", ["gradient", "ridge", "slda"])
def test_evaluate_with_a_probe_of_another_kind(evaluate, learn, solver):
    code, out, _ = evaluate("--fresh-probe", "--solver", solver, "--delay", 5, "--quiet")
    assert code == 0
    assert "over 24 frames" in out  # before the sixth label had come there was nothing to predict
    learn("--limit", 5)  # without labels, so that the checkpoint has no probe
    assert "over 29 frames" in evaluate("--solver", solver, "--quiet")[1]


def test_evaluate_where_only_some_frames_have_labels(evaluate, tmp_path):
    labels = '{"segments": [{"start": 0, "label": "dog"}, {"start": 0.5, "label": null}]}'
    (tmp_path / "some.json").write_text(labels)
    code, out, _ = evaluate("--labels", "some.json")
    assert code == 0
    samples, labelled, scored, *_ = out.splitlines()[1].split()
    assert (samples, labelled) == ("30", scored)
    assert 0 < int(labelled) < 30


def test_evaluate_scores_what_came_before_a_break(run, checkpoint, clips, tmp_path):
    (tmp_path / "l.json").write_text('{"segments": [{"start": 0, "label": "dog"}]}')
    code, out, err = run("evaluate", checkpoint, clips[2], "--labels", "l.json", "--fit", "pad", "--quiet")
    assert code == 1
    assert "truncated" in err
    assert re.search(r"^prequential accuracy .* over [1-9]\d* frames, 7 classes$", out, re.MULTILINE)


def test_evaluate_says_what_broke_where_nothing_was_scored(run, checkpoint, clips, tmp_path):
    (tmp_path / "l.json").write_text('{"segments": [{"start": 1000, "label": "dog"}]}')
    code, out, err = run("evaluate", checkpoint, clips[2], "--labels", "l.json", "--fit", "pad", "--quiet")
    assert (code, out) == (1, "")
    assert "truncated" in err


def test_evaluate_scores_what_came_before_an_interrupt(evaluate, monkeypatch):
    transform, seen = hs.SoftHebbNet.transform_one, []

    def interrupted(net, frame):
        seen.append(frame)
        if len(seen) == 10:
            signal.raise_signal(signal.SIGINT)
        return transform(net, frame)

    monkeypatch.setattr(hs.SoftHebbNet, "transform_one", interrupted)
    code, out, _ = evaluate("--fresh-probe", "--quiet")
    assert code == 0
    assert "over 9 frames" in out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--device", "nowhere"], 1, "device='nowhere': it cannot be used here"),
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
def test_evaluate_refuses_before_it_begins(evaluate, monkeypatch, arguments, code, message):
    monkeypatch.setattr("hebbstream.cli._evaluate.open_source", lambda *_: pytest.fail("it began"))
    found, _, err = evaluate(*arguments)
    assert found == code
    assert message in err.splitlines()[-1]
    assert code == 2 or err.count("\n") == 1
