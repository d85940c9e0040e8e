import gc
import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress

import av
import numpy as np
import pytest
import torch
from clips import ramp, write_clip
from PIL import Image

import hebbstream as hs
from hebbstream.cli._drawing import Caption, drawn_video
from hebbstream.cli._main import main
from hebbstream.clip import CLIP
from hebbstream.inspection._explained import explained_share


@pytest.fixture
def predict(run, checkpoint):
    return lambda source, *more: run("predict", source, "--checkpoint", checkpoint, *more)


def test_each_frame_has_the_label_and_confidence_of_the_probe(predict, checkpoint):
    code, out, err = predict(CLIP, "--limit", 12, "--json")
    assert code == 0
    assert err == "12 frames\nnothing was written\n"
    found = [json.loads(line) for line in out.splitlines()]
    saved = hs.Learner.load(checkpoint)
    probe = saved.refit_probe(progress=False)
    assert probe is not saved.probe
    with hs.adapters.video.open_video(CLIP, size=32) as frames:
        for record, sample in zip(found, frames, strict=False):
            chances = probe.predict_proba_one(saved.net.transform_one(sample.x))
            label = max(chances, key=chances.get)
            expected = {"index": record["index"], "time": sample.t, "source": "demo.mp4", "label": label}
            assert record == expected | {"confidence": pytest.approx(chances[label])}
    assert [record["index"] for record in found] == list(range(12))


def test_as_lines(predict):
    code, out, _ = predict(CLIP, "--limit", 3)
    *lines, count, written = out.splitlines()
    assert code == 0
    assert (count, written) == ("3 frames", "nothing was written")
    assert [line.split()[:2] for line in lines] == [["0.000", "s"], ["0.040", "s"], ["0.080", "s"]]
    assert all(line.endswith("%") for line in lines)


def test_of_several_files_each_time_is_that_in_its_own(predict, run, checkpoint, clips):
    both = clips[0].replace("a.mp4", "[ab].mp4")
    expected = [(name, index / 25) for name, count in (("a.mp4", 12), ("b.mp4", 7)) for index in range(count)]
    told = [json.loads(line) for line in predict(both, "--json", "--fit", "pad")[1].splitlines()]
    assert [(record["source"], round(record["time"], 6)) for record in told] == expected
    lines = predict(both, "--fit", "pad")[1].splitlines()
    assert [lines[number].split()[:-2] for number in (11, 13)] == [["0.440", "s"], ["0.040", "s", "b.mp4"]]
    assert run("embed", both, "--checkpoint", checkpoint, "--fit", "pad", "--output", "f.npy")[0] == 0
    assert np.load("f.times.npy") == pytest.approx([seconds for _, seconds in expected])


def test_a_probe_that_abstains_names_no_label(predict, checkpoint):
    learner = hs.Learner.load(checkpoint)
    learner.probe.min_confidence = 1.0
    learner.save(checkpoint)
    code, out, _ = predict(CLIP, "--limit", 1, "--json")
    assert code == 0
    assert json.loads(out)["label"] is None
    assert 0 < json.loads(out)["confidence"] < 1
    assert "  -  " in predict(CLIP, "--limit", 1)[1]


def test_novelty_is_what_the_first_layer_does_not_explain(predict, checkpoint):
    usual = [np.full((32, 32, 3), 100, np.uint8) + np.uint8(i % 2) for i in range(80)]
    noise = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    np.save("frames.npy", np.concatenate([usual, noise]))
    code, out, err = predict("frames.npy", "--json", "--novelty")
    assert code == 0
    found = [json.loads(line) for line in out.splitlines()]
    net = hs.load(checkpoint)
    for record in (found[0], found[-1]):
        x = torch.from_numpy(np.load("frames.npy")[record["index"]]).permute(2, 0, 1)[None] / 255
        share = float(explained_share(net.layers[0], net.layers[0].forward(x)))
        assert record["novelty"] == pytest.approx(1 - share, abs=1e-3)
    assert [record["index"] for record in found if record["novel"]][:1] in ([], [80])
    assert err.startswith(f"83 frames, {sum(record['novel'] for record in found)} of them novel\n")
    assert "novelty 0." in predict("frames.npy", "--novelty", "--limit", 2)[1]


def test_without_labels_only_novelty_is_left(run, learn):
    learn("--limit", 5)
    code, _, err = run("predict", CLIP)
    assert code == 1
    assert err == (
        "hebbstream: run.safetensors: it has learned no labels: expected one that has (`hebbstream learn --labels`),"
        " or --novelty\n"
    )
    code, out, _ = run("predict", CLIP, "--novelty", "--limit", 2, "--json")
    assert code == 0
    assert json.loads(out.splitlines()[0])["label"] is None


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.MOV"])
def test_a_drawn_video_has_each_frame_at_its_time(predict, tmp_path, name):
    times = [0, 4, 9, 30, 31]
    source = write_clip(tmp_path / "in.mkv", ramp(5), times=times, rate=100)
    code, out, err = predict(source, "--video", name, "--fit", "crop", "--novelty")
    assert code == 0, err
    assert out.splitlines()[-1] == f"video {name}"
    with av.open(name) as container:
        frames = list(container.decode(video=0))
    assert [frame.time for frame in frames] == pytest.approx([t / 100 for t in times], abs=2e-3)
    assert {(frame.width, frame.height) for frame in frames} == {(400, 240)}  # enlarged, so that it can be read
    for index, frame in enumerate(frames):
        above = frame.to_ndarray(format="rgb24")[40:160, 40:280]
        assert abs(above.mean() - np.stack(list(ramp(5)))[index].mean()) < 12
        caption = frame.to_ndarray(format="rgb24")[-26:]
        assert caption.max() > 200  # the letters


def test_a_drawn_video_and_the_lines_say_the_same(predict):
    lines = predict(CLIP, "--limit", 8, "--json")[1]
    drawn = predict(CLIP, "--limit", 8, "--json", "--video", "out.mp4")[1]
    labels = [[json.loads(line)["label"] for line in text.splitlines()] for text in (lines, drawn)]
    assert labels[0] == labels[1]


@pytest.mark.parametrize(
    ("source", "more", "message"),
    [
        ("missing.mp4", ["--video", "out.mp4"], "no file at missing.mp4"),
        (CLIP, ["--video", "out.gif"], "video out.gif: expected a name that ends in .mp4, .mov, .mkv"),
        (CLIP, ["--video", "/dev/null/out.mp4"], "cannot write /dev/null/out.mp4"),
        (CLIP, ["--device", "cuda:99"], "device='cuda:99': it cannot be used here"),
        ("pictures", ["--video", "out.mp4"], "--video out.mp4 for pictures: expected a video or a camera"),
    ],
)
def test_an_error_leaves_nothing_behind(predict, tmp_path, source, more, message):
    (tmp_path / "pictures").mkdir()
    before = set(tmp_path.iterdir())
    code, _, err = predict(source, *more)
    assert code == 1
    assert message in err
    assert err.count("\n") == 1
    assert set(tmp_path.iterdir()) == before | {tmp_path / "run.safetensors"}


def test_a_video_that_breaks_off_is_drawn_up_to_there(predict, clips):
    code, out, err = predict(clips[2], "--video", "out.mp4")
    assert code == 1
    assert "truncated" in err
    assert out.splitlines()[-1] == "video out.mp4"
    with av.open("out.mp4") as container:
        assert sum(1 for _ in container.decode(video=0)) == len(out.splitlines()) - 2 > 0


def test_captions_stay_within_the_picture(tmp_path):
    picture = np.full((301, 401, 3), 128, np.uint8)  # odd, which subsampled colour cannot have
    with drawn_video(tmp_path / "a.mp4") as video:
        video.write(picture, 0.0, Caption("a name that is much too long for a picture of this width " * 3, 1.0, "x"))
        video.write(picture, 0.0, Caption("", None, "novel 0.9", marked=True))  # at the same time as the one before
    with av.open(str(tmp_path / "a.mp4")) as container:
        first, second = (frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0))
    assert first.shape == (300, 400, 3)
    red = second[1, :, 0] - second[1, :, 1]
    assert red.min() > 80  # the mark
    assert np.abs(first[1] - 128).max() < 12


def test_a_video_without_pillow(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with (
        pytest.raises(hs.errors.MissingDependencyError, match=r"hebbstream\[images\]"),
        drawn_video(tmp_path / "a.mp4"),
    ):
        pass


def test_a_folder_of_images_is_predicted_by_name(predict, tmp_path):
    (tmp_path / "new" / "b").mkdir(parents=True)
    for name in ("b/1.png", "2.png"):
        Image.new("RGB", (32, 32), (200, 30, 30)).save(tmp_path / "new" / name)
    code, out, err = predict("new")
    assert (code, err) == (0, "")
    assert [line.split()[:2] for line in out.splitlines()[:2]] == [["0", "2.png"], ["1", "b/1.png"]]


def test_what_files_hold_does_nothing_to_a_terminal(run, learn, predict, tmp_path):
    label = "\x1b]0;all good\x07cat\nhebbstream: all good\r"
    (tmp_path / "labels.json").write_text(json.dumps({"segments": [{"start": 0, "label": label}]}))
    learn("--labels", "labels.json", "--limit", 3)
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (32, 32)).save(tmp_path / "pictures" / "\x1b[2J.png")
    (tmp_path / "pictures" / "\x1b]0;.png").write_bytes(b"no picture")
    shown = repr(label)[1:-1]
    assert f"classes {shown}\n" in run("inspect", "run.safetensors")[1]
    assert f"  {shown}  " in predict(CLIP, "--limit", 1)[1]
    _, out, err = predict("pictures")
    assert r"  \x1b[2J.png  " in out
    assert r"\x1b]0;.png: skipped" in err
    assert json.loads(predict(CLIP, "--limit", 1, "--json")[1])["label"] == label
    assert predict(CLIP, "--limit", 1, "--video", "out.mp4")[0] == 0  # Pillow draws one line
    assert run("predict", CLIP, "--checkpoint", "\x1b[2J")[2].startswith(r"hebbstream: no checkpoint at \x1b[2J")
    run("embed", "pictures", "--output", "f.npy", "--quiet")
    assert r"nearest to \x1b[2J.png, of" in (out := run("search", "f.npy", "pictures/\x1b[2J.png")[1])
    assert "\x1b" not in out


@pytest.fixture
def no_gc_callbacks():
    """Python drops what is raised in a callback, and hypothesis has one: a signal must not arrive there."""
    callbacks = gc.callbacks[:]
    gc.callbacks.clear()
    yield
    gc.callbacks[:] = callbacks


def signal_while_it_runs(number):
    """Send a signal a second after a command has begun to handle it; to the main thread, so that it ends a wait for a frame."""
    before, main = signal.getsignal(number), threading.main_thread().ident

    def send():
        deadline = time.monotonic() + 30
        while signal.getsignal(number) == before:
            if time.monotonic() > deadline:
                return  # it has failed; a signal would end the tests
            time.sleep(0.01)
        time.sleep(1.0)
        signal.pthread_kill(main, number)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


@pytest.mark.usefixtures("no_gc_callbacks")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_good_order(predict, run, number):
    predict(CLIP, "--limit", 2)  # what is imported, loaded and compiled once is then there
    timer = signal_while_it_runs(number)
    code, out, _ = predict(CLIP, "--loop", "--video", "out.mp4")
    timer.join()
    assert code == 0
    *lines, count, written = out.splitlines()
    assert (count, written) == (f"{len(lines):,} frames", "video out.mp4")
    with av.open("out.mp4") as container:
        assert sum(1 for _ in container.decode(video=0)) == len(lines) > 0
    timer = signal_while_it_runs(number)
    code, out, _ = run("embed", CLIP, "--loop", "--quiet", "--output", "f.npy")
    timer.join()
    assert code == 0
    assert out.startswith(f"{len(np.load('f.npy')):,} frames, ")
    assert len(np.load("f.times.npy")) == len(np.load("f.npy"))


@pytest.mark.usefixtures("no_gc_callbacks", "checkpoint")
def test_a_signal_ends_it_while_nobody_reads_what_it_prints(capsys, monkeypatch):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    os.read(reader, 4096)  # there is room for one line, not for the next
    giving_up = threading.Timer(20, os.close, [reader])
    giving_up.start()
    timer = signal_while_it_runs(signal.SIGTERM)
    with os.fdopen(writer, "w") as pipe, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", pipe)
        assert main(["predict", str(CLIP), "--loop", "--json"]) == 0
    timer.join()
    assert giving_up.is_alive()
    giving_up.cancel()
    os.close(reader)
    assert capsys.readouterr().err == "1 frames\nnothing was written\n"
