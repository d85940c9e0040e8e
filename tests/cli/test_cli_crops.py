"""Pieces cut out of frames, and whole ones, as a command learns them."""

import re

import numpy as np
import pytest
import torch
from clips import ramp, write_clip

import hebbstream as hs
from hebbstream.adapters.video import open_video
from hebbstream.cli._parser import make_full_parser
from hebbstream.cli._source import _open_one, _worth_learning
from hebbstream.clip import CLIP
from hebbstream.streams import Stream, crops


def test_crops_are_cut_from_whole_frames(run):
    places = np.zeros((48, 64, 3), np.uint8)
    places[..., 0], places[..., 1] = np.arange(48)[:, None], np.arange(64)[None]
    np.save("a.npy", np.repeat(places[None], 4, axis=0))
    options = ("learn", "a.npy", "--width", 4, "--quiet", "--crops", 3)
    code, _, err = run(*options, "--limit", 7)
    assert (code, err) == (0, "")  # nothing was stretched
    assert hs.load("run.safetensors").frame_size == (32, 32)
    assert "learned 5 samples" in run(*options, "--resume")[1]
    resumed = hs.load("run.safetensors")
    run(*options, "--checkpoint", "whole.safetensors")
    torch.testing.assert_close(hs.load("whole.safetensors").layers[0].weight, resumed.layers[0].weight, rtol=0, atol=0)
    run(*options, "--checkpoint", "small.safetensors", "--size", "40x24")
    assert hs.load("small.safetensors").frame_size == (24, 40)


@pytest.mark.parametrize(("options", "scale"), [([], 4), (["--crop-scale", "1.25"], 1.25)])
def test_frames_are_scaled_before_they_are_cut(run, options, scale):
    large = np.random.default_rng(0).integers(0, 256, (4, 160, 180, 3), np.uint8)
    np.save("a.npy", large)
    run("learn", "a.npy", "--width", 4, "--quiet", "--crops", 1, *options)
    net = hs.SoftHebbNet.from_preset("pictures", width=4)
    hs.Learner(net).learn(crops(large, 32, scale=scale, seed=net.seed), progress=False)
    torch.testing.assert_close(hs.load("run.safetensors").layers[0].weight, net.layers[0].weight, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--fit", "crop"], 1, "--crops 2 with --fit crop: expected one of the two"),
        (["--size", "99"], 1, "frame of 64×64 pixels: expected at least 99×99, the size of the crops"),
        (["--crops", "-1"], 2, "'-1': expected a positive integer or 0"),
        (["--crop-scale", "0.9"], 2, "'0.9': expected a number of 1 or more"),
    ],
)
def test_crops_that_cannot_be(run, more, code, message):
    found, _, err = run("learn", CLIP, "--width", 4, "--quiet", "--crops", 2, *more)
    assert found == code
    assert message in err.splitlines()[-1]


def test_crops_of_several_videos(run, clips, tmp_path):
    pair = [write_clip(tmp_path / f"{name}.mp4", ramp(5, (48, 64))) for name in "ab"]
    code, out, err = run("learn", *pair, "--width", 4, "--quiet", "--crops", 2)
    assert (code, err) == (0, "")
    assert "learned 20 samples" in out


@pytest.mark.parametrize(
    ("more", "order"),
    [
        ([], r"augment\(crops\(novel\("),
        (["--every-frame"], r"crops\((?!.*novel)"),
        (["--share", "1"], r"augment\(crops"),
    ],
)
def test_of_a_live_source_pieces_of_what_is_new_are_varied(frames, more, order):
    options = make_full_parser().parse_args(["learn", "0", "--crops", "2", "--size", "16", *more])
    live = Stream(iter(frames[:20]), name="camera", live=True)
    with _worth_learning(live, options, lambda frames: crops(frames, 16, per_frame=2)) as stream:
        assert re.match(order, repr(stream))
        seen = list(stream)
    assert {x.shape for x in seen} == {(16, 16, 3)}
    assert len(seen) == 40 if more else 0 < len(seen) <= 40


def learned(run, source, *options):
    code, _, err = run("learn", source, "--width", 4, "--quiet", *options)
    assert code == 0, err
    return torch.cat([layer.weight.flatten() for layer in hs.load("run.safetensors").layers]), err


def expected(stream, preset="video"):
    net = hs.SoftHebbNet.from_preset(preset, width=4)
    hs.Learner(net).learn(stream, progress=False)
    return torch.cat([layer.weight.flatten() for layer in net.layers])


def noise(height, width, count=6):
    return (
        np.random.default_rng(0)
        .integers(0, 256, (count, height // 8, width // 8, 3), np.uint8)
        .repeat(8, 1)
        .repeat(8, 2)
    )


@pytest.mark.parametrize(("size", "scaled"), [((192, 256), (128, 171)), ((248, 200), (159, 128))])
def test_of_a_video_of_large_frames_pieces_are_learned(run, tmp_path, size, scaled):
    clip = write_clip(tmp_path / "large.mp4", noise(*size))
    found, err = learned(run, clip)
    message = f"of frames of {size[1]}×{size[0]}, random pieces of 32×32 are learned; --crops 0 learns whole frames"
    assert [line.partition("video: ")[2] for line in err.splitlines()] == [message]
    assert torch.equal(found, expected(crops(open_video(clip, size=scaled), 32)))
    learned(run, clip, "--limit", 2)
    assert torch.equal(learned(run, clip, "--resume")[0], found)
    found, _ = learned(run, clip, "--crop-scale", 2)
    assert torch.equal(found, expected(crops(open_video(clip, size=tuple(side // 2 for side in scaled)), 32)))


@pytest.mark.parametrize(
    ("size", "options", "how", "preset"),
    [
        ((184, 256), (), {"size": 32, "fit": None}, "video"),
        ((192, 256), ("--crops", 0), {"size": 32, "fit": None}, "video"),
        ((192, 256), ("--fit", "crop"), {"size": 32, "fit": "crop"}, "video"),
        ((192, 256), ("--size", 24), {"size": 24, "fit": None}, "video"),
        ((192, 256), ("--labels", "labels.json"), {"size": 32, "fit": None}, "motion"),
    ],
)
def test_of_others_and_where_it_is_said_whole_frames_are_learned(run, tmp_path, size, options, how, preset):
    (tmp_path / "labels.json").write_text('{"segments": [{"label": "a", "start": 0, "end": 1}]}')
    clip = write_clip(tmp_path / "clip.mp4", noise(*size))
    found, err = learned(run, clip, *options)
    assert "pieces" not in err
    assert torch.equal(found, expected(open_video(clip, **how), preset))


def test_where_motion_is_learned_frames_stay_whole(run, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", noise(192, 256))
    code, _, err = run("learn", clip, "--preset", "motion", "--width", 8, "--quiet")
    assert (code, "pieces" in err) == (0, False)
    net = hs.SoftHebbNet.from_preset("motion", width=8)
    hs.Learner(net).learn(open_video(clip, size=32, fit=None), progress=False)
    assert torch.equal(hs.load("run.safetensors").layers[1].weight, net.layers[1].weight)


def test_of_a_live_source_what_moves_is_learned_as_it_comes(frames, monkeypatch):
    """Between a frame and one that is moved or mirrored, everything seems to move."""
    live = Stream(iter(frames[:20]), name="camera", live=True)
    monkeypatch.setattr("hebbstream.cli._source.open_source", lambda *given, **named: live)
    options = make_full_parser().parse_args(["learn", "0", "--preset", "motion"])
    net = hs.SoftHebbNet.from_preset("motion", width=4)
    with _open_one(options, net, None, None, "0") as stream:
        assert "novel(" in repr(stream)
        assert "augment" not in repr(stream)
        assert all(any(np.array_equal(x, frame) for frame in frames[:20]) for x in stream)


def test_large_and_small_videos_are_learned_side_by_side(run, tmp_path):
    large, small = (
        write_clip(tmp_path / "large.mp4", noise(192, 256)),
        write_clip(tmp_path / "small.mp4", noise(64, 64)),
    )
    code, out, err = run("learn", large, small, large, "--width", 4, "--quiet")
    assert (code, err.count("random pieces"), err.count("stretched")) == (0, 1, 0)
    assert "learned 18 samples" in out
