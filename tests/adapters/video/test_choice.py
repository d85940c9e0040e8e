"""Which of several videos is read, and that a cover is none."""

from http.server import SimpleHTTPRequestHandler

import av
import numpy as np
import pytest
from av.stream import Disposition
from clips import ramp, write_clip

from benchmarks.core.serving import serving
from hebbstream import errors
from hebbstream.adapters.video import open_video

BIG, SMALL, MIDDLE = (48, 64), (24, 32), (36, 48)


def write(path, sizes, default=(), codec="mpeg4", rates=None):
    """Write a video of each size side by side; the pictures of number k are of brightness 50·k."""
    with av.open(str(path), "w") as container:
        videos = []
        for number, size in enumerate(sizes):
            video = container.add_stream(codec, rate=rates[number] if rates else 25)
            video.height, video.width = size
            video.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            video.disposition = Disposition.default if number in default else Disposition(0)
            videos.append(video)
        for _ in range(4):
            for number, video in enumerate(videos):
                picture = np.full((video.height, video.width, 3), 50 * number, np.uint8)
                container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        for video in videos:
            container.mux(video.encode(None))
    return path


def chosen(source, **options):
    with open_video(source, **options) as stream:
        samples = list(stream)
    assert len(samples) == 4
    return round(float(samples[0].x.mean()) / 50)


@pytest.mark.parametrize(
    ("name", "sizes", "default", "expected"),
    [
        ("a.mkv", [SMALL, BIG, MIDDLE], [], 1),
        ("a.mkv", [SMALL, BIG, MIDDLE], [0], 0),
        ("a.mkv", [SMALL, BIG, MIDDLE], [0, 2], 2),
        ("a.mp4", [SMALL, MIDDLE, BIG], [1], 1),
        ("a.mov", [SMALL, MIDDLE, BIG], [0, 1, 2], 2),
        ("a.ts", [SMALL, BIG], [], 1),
        ("a.avi", [MIDDLE, SMALL, BIG], [], 2),
        ("a.mkv", [BIG, BIG, BIG], [], 0),
    ],
)
def test_the_default_and_then_the_largest(tmp_path, name, sizes, default, expected):
    path = write(tmp_path / name, sizes, default)
    assert chosen(path) == expected
    for number in range(len(sizes)):
        assert chosen(path, stream=number) == number
    with pytest.raises(
        errors.ConfigurationError, match=rf"stream={len(sizes)}: expected one of those in .*, 0: \d+x"
    ) as e:
        open_video(path, stream=len(sizes))
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.avi"])
def test_of_equal_ones_the_one_of_more_frames(tmp_path, name):
    assert chosen(write(tmp_path / name, [BIG, BIG, BIG], [0, 1, 2], rates=[5, 25, 10])) == 1
    assert chosen(write(tmp_path / name, [SMALL, BIG], [0, 1], rates=[25, 5])) == 1


def test_a_number_that_cannot_be(tmp_path):
    with pytest.raises(errors.ConfigurationError, match="stream=-1: expected"):
        open_video(write(tmp_path / "a.mkv", [SMALL]), stream=-1)


def with_cover(path, video=None, audio="aac"):
    """Write sound, and perhaps a small video, with a large cover."""
    with av.open(str(path), "w", format="mp4" if path.suffix in (".m4a", ".m4v") else None) as container:
        sound = container.add_stream(audio, rate=44100, layout="mono")
        moving = container.add_stream(video, rate=25) if video else None
        still = container.add_stream("mjpeg", rate=1)
        still.height, still.width, still.pix_fmt = *BIG, "yuvj420p"
        still.disposition = Disposition.attached_pic
        if moving is not None:
            moving.height, moving.width, moving.pix_fmt = *SMALL, "yuv420p"
            for _ in range(4):
                picture = np.full((*SMALL, 3), 50, np.uint8)
                container.mux(moving.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(moving.encode(None))
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 4096), np.int16 if audio != "aac" else np.float32),
            format="s16" if audio != "aac" else "fltp",
            layout="mono",
        )
        frame.sample_rate = 44100
        picture = np.full((*BIG, 3), 200, np.uint8)
        container.mux(still.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(still.encode(None))
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


@pytest.mark.parametrize(("name", "audio"), [("a.m4a", "aac"), ("a.mp3", "mp3"), ("a.flac", "flac"), ("a.mp4", "aac")])
def test_a_song_with_a_cover_is_no_video(tmp_path, name, audio):
    path = with_cover(tmp_path / name, audio=audio)
    for stream in (None, 0):
        with pytest.raises(errors.NotAVideoError, match=r"it holds no video \(only a cover picture\)"):
            open_video(path, stream=stream)


@pytest.mark.parametrize("name", ["a.mp4", "a.m4v", "a.mov"])
def test_a_cover_beside_a_video_is_not_taken_for_it(tmp_path, name):
    path = with_cover(tmp_path / name, video="mpeg4")
    assert chosen(path) == chosen(path, stream=0) == 1
    with pytest.raises(errors.ConfigurationError, match=r"stream=1: expected one of those in .*, 0: 32x24"):
        open_video(path, stream=1)


@pytest.fixture(scope="module")
def variants(tmp_path_factory):
    """Three variants of a clip, and which of their files are asked for."""
    folder = tmp_path_factory.mktemp("hls")
    lines, asked = ["#EXTM3U"], []
    for name, size, bits in (
        ("low", SMALL, 10_000),
        ("high", BIG, 90_000),
        ("dense", BIG, 120_000),
        ("mid", MIDDLE, 50_000),
    ):
        options = {"hls_time": "0.4", "hls_list_size": "0", "hls_segment_filename": f"{folder}/{name}%d.ts"}
        write_clip(folder / f"{name}.m3u8", ramp(60, size), codec="mpeg2video", **options)
        lines += [f"#EXT-X-STREAM-INF:BANDWIDTH={bits}", f"{name}.m3u8"]
    (folder / "all.m3u8").write_text("\n".join(lines))

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            super().do_GET()

    with serving(Handler, directory=folder) as address:
        yield folder / "all.m3u8", f"{address}/all.m3u8", asked


@pytest.mark.parametrize(
    ("number", "name", "size"), [(None, "dense", BIG), (0, "low", SMALL), (1, "high", BIG), (3, "mid", MIDDLE)]
)
def test_of_variants_one_is_read_and_the_others_are_not_fetched(variants, number, name, size):
    path, url, asked = variants
    for source in (path, url):
        asked.clear()
        with open_video(source, stream=number, retry_for=0) as stream:
            samples = list(stream)
        assert len(samples) == 60
        assert {sample.x.shape[:2] for sample in samples} == {size}
    assert {a for a in asked if a.endswith("4.ts")} == {f"/{name}4.ts"}
