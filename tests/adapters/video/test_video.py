import av
import numpy as np
import pytest
from clips import ramp, write_clip

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.video import _opening as opening
from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP, clip_label


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """50 frames, 40×24, 25 a second; the brightness of frame i is 4·i."""
    return write_clip(tmp_path_factory.mktemp("video") / "ramp.mp4", ramp(), movflags="+faststart")


def indices(samples):
    return [round(float(sample.x.mean()) / 4) for sample in samples]


def test_every_frame_comes_once_in_order_with_its_time(clip):
    with open_video(clip) as stream:
        samples = list(stream)
    assert indices(samples) == list(range(50))
    assert [sample.t for sample in samples] == pytest.approx([i / 25 for i in range(50)])
    assert samples[0].x.shape == (24, 40, 3)
    assert samples[0].x.dtype == np.uint8
    assert samples[0].source == "ramp.mp4"


def test_gray(clip):
    with open_video(clip, gray=True, size=16) as stream:
        samples = list(stream)
    assert samples[0].x.shape == (16, 16)
    assert samples[40].x.mean() > samples[10].x.mean() + 50


def test_stride_and_rate_leave_frames_out(clip):
    with open_video(clip, stride=10) as stream:
        assert indices(stream) == [0, 10, 20, 30, 40]
    with open_video(clip, rate=5) as stream:
        assert indices(stream) == list(range(0, 50, 5))
    with open_video(clip, rate=100) as stream:  # frames are never repeated
        assert indices(stream) == list(range(50))


def test_labels_follow_the_timestamp(clip):
    with open_video(clip, label=lambda t: int(t >= 1.0)) as stream:
        assert [sample.y for sample in stream] == [0] * 25 + [1] * 25


@pytest.mark.parametrize(
    "options",
    [
        {"prefetch": "4"},
        {"stream": 0.5},
        {"read_timeout": 0},
        {"retry_for": -1},
        {"hardware": "abacus"},
        {"live": True, "loop": True},
    ],
)
def test_options_are_checked(clip, options):  # others in test_open_video
    with pytest.raises(errors.ConfigurationError, match="expected") as caught:
        open_video(clip, **options)
    assert "\n" not in str(caught.value)


def test_start_and_duration_choose_a_part(clip):
    with open_video(clip, start=0.4, duration=0.8) as stream:
        assert stream.__length_hint__() == 20
        samples = list(stream)
        assert stream.stats.frames == 20  # what is decoded on the way to the start is not of the part
    assert indices(samples) == list(range(10, 30))
    assert samples[0].t == pytest.approx(0.4)
    with open_video(clip, start=0.4) as stream:
        assert stream.__length_hint__() == 40
    with open_video(clip, start=9.0) as stream:
        assert list(stream) == []


def test_loop_begins_again_with_rising_times_and_the_same_labels(clip):
    with open_video(clip, loop=True, label=lambda t: t < 1.0) as stream:
        samples = [next(stream) for _ in range(120)]
    assert indices(samples) == [*range(50), *range(50), *range(20)]
    assert [sample.t for sample in samples] == pytest.approx([i / 25 for i in range(120)])
    assert [sample.y for sample in samples] == ([True] * 25 + [False] * 25) * 2 + [True] * 20


def test_files_of_one_name_are_told_apart(clip, tmp_path):
    for folder in "ab":
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "clip.mp4").write_bytes(clip.read_bytes())
    with open_video(tmp_path / "*" / "clip.mp4", size=8) as frames:
        found = dict.fromkeys(sample.source for sample in frames)
    assert [*found] == [str(tmp_path / folder / "clip.mp4") for folder in "ab"]


def test_a_glob_is_one_stream_and_passes_over_what_cannot_be_read(clip, tmp_path, caplog):
    for name in ("b.mp4", "a.mp4"):
        (tmp_path / name).write_bytes(clip.read_bytes())
    (tmp_path / "aa.mp4").write_text("no video")
    with open_video(str(tmp_path / "*.mp4"), stride=10) as stream:
        samples = list(stream)
        assert stream.stats.failed == 1
    assert indices(samples) == [0, 10, 20, 30, 40] * 2
    assert [sample.source for sample in samples] == ["a.mp4"] * 5 + ["b.mp4"] * 5
    assert [sample.t for sample in samples] == pytest.approx([0.4 * i for i in range(10)])
    assert "aa.mp4" in caplog.text
    with pytest.raises(errors.SourceNotFoundError, match=r"no file matches .*\*\.avi"):
        open_video(str(tmp_path / "*.avi"))
    (tmp_path / "bad").mkdir()
    for name in ("1.mp4", "2.mp4"):
        (tmp_path / "bad" / name).write_text("no video")
    with open_video(str(tmp_path / "bad" / "*.mp4"), loop=True) as stream, pytest.raises(errors.NotAVideoError):
        next(stream)


@pytest.mark.parametrize("gray", [False, True])
def test_fit(tmp_path, gray):
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:, 16:48] = 255
    path = write_clip(tmp_path / "wide.mp4", [picture])

    def frame(fit, size):
        with open_video(path, size=size, fit=fit, gray=gray) as stream:
            x = next(stream).x
        assert x.shape == ((size, size) if gray else (size, size, 3))
        return (x if gray else x[:, :, 0]) > 128

    assert frame("crop", 16).all()
    assert frame("crop", 64).all()
    assert (frame("stretch", 16) == ([False] * 4 + [True] * 8 + [False] * 4)).all()
    padded = frame("pad", 16)
    assert not padded[:4].any()
    assert not padded[12:].any()
    assert (padded[4:12] == ([False] * 4 + [True] * 8 + [False] * 4)).all()


@pytest.mark.parametrize(("rotation", "white"), [(90, "bottom"), (-90, "top"), (180, "right"), (None, "left")])
def test_rotation_is_honoured(tmp_path, rotation, white):
    picture = np.zeros((32, 48, 3), np.uint8)
    picture[:, :24] = 255
    path = write_clip(tmp_path / "lying.mp4", [picture], rotation=rotation)
    with open_video(path) as stream:
        x = next(stream).x
    assert x.shape == ((48, 32, 3) if white in ("top", "bottom") else (32, 48, 3))
    assert x.flags.c_contiguous
    edges = {"top": x[:8], "bottom": x[-8:], "left": x[:, :8], "right": x[:, -8:]}
    assert edges[white].mean() > 250
    assert [name for name, edge in edges.items() if edge.mean() > 250] == [white]


def test_uneven_times_are_kept_and_what_falls_back_is_mended(tmp_path):
    path = write_clip(tmp_path / "uneven.mp4", ramp(5), rate=100, times=[0, 10, 15, 200, 201])
    with open_video(path) as stream:
        assert [sample.t for sample in stream] == pytest.approx([0, 0.1, 0.15, 2.0, 2.01])
    with open_video(path, rate=1) as stream:
        assert indices(stream) == [0, 3]


def test_a_stream_that_changes_size_and_clock_goes_on(tmp_path):
    parts = [write_clip(tmp_path / f"{side}.ts", ramp(10, (side, 40))) for side in (24, 48)]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with open_video(path) as stream:
        samples = list(stream)
    assert indices(samples)[::2] == [0, 2, 4, 6, 8] * 2  # the encoder may repeat a frame that hardly differs
    assert len(samples) == 20
    assert {sample.x.shape for sample in samples} == {(24, 40, 3)}
    times = [sample.t for sample in samples]
    assert times == pytest.approx([i / 25 for i in range(20)])


def test_frames_without_time_stamps_get_the_declared_rate(tmp_path):
    path = write_clip(tmp_path / "raw.h264", ramp(10))
    with open_video(path) as stream:
        assert [sample.t for sample in stream] == pytest.approx([i / 25 for i in range(10)])


@pytest.mark.parametrize(("kept", "whole"), [(0.0, "packet"), (0.5, "frame")])
def test_damage_is_left_out_and_counted(tmp_path, kept, whole):
    """A packet that is lost to zeros gives an error; one that is lost in part, a frame that FFmpeg has patched up."""
    squares = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3), np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    clip, path = write_clip(tmp_path / "whole.mp4", squares), tmp_path / "damaged.mkv"
    with av.open(str(clip)) as source, av.open(str(path), "w") as target:
        video = target.add_stream_from_template(source.streams.video[0])
        for index, packet in enumerate(source.demux(video=0)):
            if packet.size == 0:
                continue
            content = bytes(packet)
            if index == 5:
                good = max(5, int(kept * len(content)))
                content = content[:good] + bytes(len(content) - good)
            damaged = av.Packet(content)
            damaged.pts, damaged.dts, damaged.time_base = packet.pts, packet.dts, packet.time_base
            damaged.is_keyframe, damaged.stream = packet.is_keyframe, video
            target.mux(damaged)
    with open_video(path) as stream:
        samples = list(stream)
        stats = stream.stats
    assert stats.corrupt > 0, whole
    assert 20 <= len(samples) < 30
    assert stats.frames == len(samples)


@pytest.mark.parametrize("hardware", ["auto", "cuda"])
def test_hardware_that_is_not_there_falls_back_and_says_so(clip, caplog, monkeypatch, hardware):
    def refuse(kind):
        raise av.error.PermissionError(1, f"no {kind}")

    monkeypatch.setattr(opening, "HWAccel", refuse)
    monkeypatch.setattr(opening, "hwdevices_available", lambda: ["cuda", "vaapi"])
    with open_video(clip, hardware=hardware) as stream:
        assert len(list(stream)) == 50
    assert f"no hardware decodes it (asked for '{hardware}'); the CPU does" in caplog.text


def test_synthetic_pictures():
    with open_video("lavfi:testsrc2=size=32x24:rate=10:duration=1") as stream:
        samples = list(stream)
    assert len(samples) == 10
    assert samples[0].x.shape == (24, 32, 3)
    with pytest.raises(errors.ConfigurationError, match="no_such_source"):
        open_video("lavfi:no_such_source=size=32x24")


def test_what_is_no_video_is_told_apart(tmp_path):
    (tmp_path / "text.txt").write_text("hello\n" * 100)
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    (tmp_path / "empty.mp4").write_bytes(b"")
    for name in ("text.txt", "noise.mp4", "empty.mp4", "."):
        with pytest.raises(errors.NotAVideoError) as caught:
            open_video(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(errors.SourceNotFoundError, match=r"no file at .*missing.mp4"):
        open_video(tmp_path / "missing.mp4")


def test_a_sound_file_holds_no_video(tmp_path):
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        audio = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(audio.encode(frame))
    with pytest.raises(errors.NotAVideoError, match="holds no video"):
        open_video(path)


def test_a_truncated_video_gives_its_good_frames_and_then_says_so(clip, tmp_path):
    content = clip.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(content[: len(content) - 500])
    net, report = hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3), tmp_path / "run.safetensors"
    with open_video(path) as stream, pytest.raises(errors.TruncatedVideoError, match="truncated or damaged after"):
        hs.learn(net, stream, checkpoint=report, progress=False)
    assert 0 < net.samples_seen < 50
    assert hs.Learner.load(report).counters.position == net.samples_seen
    path.write_bytes(content[:200])
    with pytest.raises(errors.TruncatedVideoError, match="cut before its index"):
        open_video(path)


def test_the_bundled_clip_is_whole_and_labelled():
    with open_video(CLIP, size=8, label=clip_label()) as stream:
        samples = list(stream)
    labels = [sample.y for sample in samples]
    assert len(set(labels)) >= 8
    assert max(labels.count(label) for label in set(labels)) < 0.25 * len(labels)


def test_the_cifar_preset_learns_from_every_frame_of_a_real_video(data):
    net = hs.SoftHebbNet.from_preset("cifar10", seed=0)
    before = [layer.weight.clone() for layer in net.layers]
    with open_video(data / "video" / "bikes.mp4", size=32) as stream:
        report = hs.learn(net, stream, progress=False)
    assert report.samples == net.samples_seen == 250
    for layer, old in zip(net.layers, before, strict=True):
        assert bool(layer.weight.isfinite().all())
        assert not bool((layer.weight == old).all())


def test_a_part_without_a_frame_does_not_begin_again_for_ever(clip):
    with open_video(clip, loop=True, start=1000) as stream:
        assert list(stream) == []
