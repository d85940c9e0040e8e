import av
import numpy as np
import pytest

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.video import open_video
from hebbstream.demo import CLIP, clip_label


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """50 frames, 40×24, 25 a second; the brightness of frame i is 4·i."""
    path = tmp_path_factory.mktemp("video") / "ramp.mp4"
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=25, options={"crf": "10"})
        video.width, video.height, video.pix_fmt = 40, 24, "yuv420p"
        for index in range(50):
            frame = av.VideoFrame.from_ndarray(np.full((24, 40, 3), 4 * index, np.uint8), format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


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


def test_size_is_height_and_width(clip):
    for size, shape in ((16, (16, 16, 3)), ((8, 20), (8, 20, 3))):
        with open_video(clip, size=size) as stream:
            assert next(stream).x.shape == shape


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


def test_closing_ends_the_stream(clip):
    stream = open_video(clip)
    next(stream)
    stream.close()
    assert list(stream) == []
    stream.close()


@pytest.mark.parametrize(
    "options", [{"stride": 0}, {"rate": -1}, {"rate": 5, "stride": 2}, {"size": 0}, {"size": (0, 4)}]
)
def test_options_are_checked(clip, options):
    with pytest.raises(errors.ConfigurationError, match="expected"):
        open_video(clip, **options)


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
    assert hs.load_checkpoint(report).counters.position == net.samples_seen
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
