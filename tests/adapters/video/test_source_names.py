"""What a source may be: files of any name, bytes, file objects, the standard input."""

import contextlib
import io
import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from clips import ramp, write_clip
from PIL import Image

from hebbstream import errors
from hebbstream.adapters.video import open_video
from hebbstream.adapters.video._cameras import find_sources

NAMES = [
    "2024-05-01T12:30:00.mp4",
    "cam1:front.mp4",
    "12:30:00.mp4",
    "pipe:0",
    "C:\\clips\\x.mp4",
    "data:x.mp4",
    "concat:a.mp4|b.mp4",
    "async:http:x.mp4",
    "file:x.mp4",
    "lavfi:testsrc2",
    "video=front.mp4",
    "-x.mp4",
    "--format.mp4",
    "f%03d.mp4",
    "a*[b]?.mp4",
    " two  spaces .mp4",
    "ünï-映像-😀.mp4",
    "a#b?c&token=d.mp4",
    "a%20b.mp4",
    "~draft.mp4",
    "two\nlines.mp4",
    "7",
    "no suffix",
    os.fsdecode(b"\xff\xfe.mp4"),
]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("names") / "clip.mp4", ramp(5))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def count(source, **options):
    with open_video(source, size=8, **options) as stream:
        return len(list(stream))


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_a_file_whatever_its_name(clip, here, name):
    Path(name).write_bytes(clip.read_bytes())
    for source in (name, Path(name), f"./{name}", str(here / name)):
        with open_video(source, size=8) as stream:
            assert {sample.source for sample in stream} == {name}
            assert stream.stats.frames == 5


@pytest.mark.parametrize("folder", ["day:1", "http:", "pipe:0", "50%02d"])
def test_folders_too(clip, here, folder):
    Path(folder).mkdir()
    (Path(folder) / "a:1.mp4").write_bytes(clip.read_bytes())
    assert count(f"{folder}/a:1.mp4") == count(f"{folder}/*:*.mp4") == 5
    with pytest.raises(errors.NotAVideoError, match=r"is a folder: expected a file, or a glob") as caught:
        open_video(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", [*NAMES[:8], "a:b.mp4", "two\nlines", "clip.mp4/inside.mp4", "x" * 300, "f%03d.png", "a\0b"]
)
def test_what_is_not_there_is_told_in_one_line(clip, here, name):
    Path("clip.mp4").write_bytes(clip.read_bytes())
    for source in (name, Path(name)):
        with pytest.raises(errors.SourceNotFoundError, match=r"^no file at ") as caught:
            open_video(source)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 400


def test_a_file_may_be_an_address(clip, here):
    Path("my clip%20 .mp4").write_bytes(clip.read_bytes())
    path = here / "my clip%20 .mp4"
    assert (
        count(path.as_uri())
        == count(f"file://localhost{path}")
        == count(f"file:{path}")
        == count(f"file://{path}")
        == 5
    )


@pytest.mark.parametrize("name", ["img_%03d.png", "img_*.png", "img_1.png", "[a-b]{c,d}.png"])
def test_a_picture_is_one_picture_whatever_its_name(here, name):
    for value, path in enumerate(("img_001.png", "img_002.png", "img_x.png", name)):
        Image.fromarray(np.full((8, 8, 3), 50 * value, np.uint8)).save(path, "PNG")
    with open_video(name) as stream:
        assert [int(sample.x.mean()) for sample in stream] == [150]


def test_home_is_expanded_unless_a_file_is_called_so(clip, here, monkeypatch):
    home = here / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (home / "a:b.mp4").write_bytes(clip.read_bytes())
    assert count("~/a:b.mp4") == count(Path("~/a:b.mp4")) == count("~/*:*.mp4") == count("file:~/a:b.mp4") == 5


def test_content_in_memory_and_open_files_that_stay_open(clip):
    content = clip.read_bytes()
    for source in (content, bytearray(content), memoryview(content)):
        with open_video(source, size=8) as stream:
            assert [sample.source for sample in stream] == ["bytes"] * 5
    memory = io.BytesIO(content)
    memory.seek(0, io.SEEK_END)  # as after writing
    with clip.open("rb") as file, clip.open("rb", buffering=0) as raw, tempfile.TemporaryFile() as temporary:
        temporary.write(content)
        for source in (memory, file, raw, temporary):
            assert count(source) == count(source) == 5
            assert count(source, start=0.1) == 2
            assert not source.closed
        with open_video(file, size=8, loop=True) as stream:
            assert len([next(stream) for _ in range(13)]) == 13
        assert next(iter(open_video(file, prefetch=0))).source == "clip.mp4"


def test_what_can_be_read_only_once(clip):
    read, write = os.pipe()
    os.write(write, clip.read_bytes())
    os.close(write)
    with open(read, "rb") as pipe:  # noqa: PTH123  # of a number
        with pytest.raises(errors.ConfigurationError, match=r"loop with .*: expected a source that can be read again"):
            open_video(pipe, loop=True)
        assert count(pipe, live=True, prefetch=5) == 5  # room for all: of a live source the oldest would be dropped
        with pytest.raises(errors.NotAVideoError):
            open_video(pipe)


def test_what_comes_through_a_pipe_is_read_as_it_comes(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryFile", None)  # a copy would wait for an end that may never come
    content = write_clip(tmp_path / "a.ts", ramp(50), codec="mpeg2video").read_bytes()
    assert count(SimpleNamespace(read=io.BytesIO(content).read)) == 50


@pytest.mark.parametrize("error", [FileNotFoundError(2, "No usable folder"), OSError(28, "No space left on device")])
def test_a_copy_that_cannot_be_made_is_not_taken_for_a_video_that_is_not_there(clip, monkeypatch, error):
    def refuse():
        raise error

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    pipe = SimpleNamespace(read=io.BytesIO(clip.read_bytes()).read)
    with pytest.raises(errors.StreamError, match=rf"without a temporary copy \({error.strerror}\)") as caught:
        open_video(pipe)
    assert type(caught.value) is errors.StreamError


def test_a_playlist_that_is_open_opens_no_connection(tmp_path):
    path, visits = tmp_path / "list.m3u8", []

    def hang_up():
        with contextlib.suppress(OSError):
            while True:
                server.accept()[0].close()
                visits.append(1)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=hang_up, daemon=True).start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n")
        with path.open("rb") as file, pytest.raises(errors.StreamError):
            open_video(file)
        server.shutdown(socket.SHUT_RDWR)
    assert not visits


def test_damaged_content_is_told_as_a_damaged_file_is(clip):
    for content, error in (
        (b"", errors.NotAVideoError),
        (b"hello\n" * 100, errors.NotAVideoError),
        (clip.read_bytes()[:200], errors.TruncatedVideoError),
    ):
        for source in (content, io.BytesIO(content)):
            with pytest.raises(error, match=r"^(bytes|BytesIO)") as caught:
                open_video(source)
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", [None, True, -1, 1.5, [], "  ", io.StringIO("x"), object()])
def test_what_is_no_source(source):
    with pytest.raises(errors.ConfigurationError, match="expected a file") as caught:
        open_video(source)
    assert "\n" not in str(caught.value)


def test_an_integer_is_a_webcam_even_beside_a_file_of_that_name(here, monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Linux")
    Path("0").touch()
    Path("1").mkdir()
    for source in (0, np.int64(0), "1", 1):
        assert find_sources(source)[0].kind == "camera"
    assert find_sources("0")[0].kind == find_sources(Path("0"))[0].kind == "file"
    assert find_sources(12)[0].url == "/dev/video12"


READ = "import sys; from hebbstream.adapters.video import open_video; print(len(list(open_video('-', size=8))))"


@pytest.mark.parametrize("kind", ["file", "pipe", "index last", "empty"])
def test_the_standard_input(clip, tmp_path, kind):
    pictures = np.random.default_rng(0).integers(0, 256, (5, 240, 320, 3), np.uint8)
    if kind in ("file", "index last"):
        clip = write_clip(tmp_path / "large.mp4", pictures)
    given = b"" if kind == "empty" else clip.read_bytes()
    with contextlib.ExitStack() as opened:
        streams = {"stdin": opened.enter_context(clip.open("rb"))} if kind == "file" else {"input": given}
        ended = subprocess.run(
            [sys.executable, "-c", READ], capture_output=True, timeout=60, env=os.environ, check=False, **streams
        )
    if kind == "empty":
        assert b"NotAVideoError: stdin: not a video" in ended.stderr
    else:
        assert ended.stdout.split() == [b"5"], ended.stderr[-300:]


@pytest.mark.parametrize("name", ["nosuch", "mp5", "", "mjpeg,nosuch"])
def test_a_format_that_is_none(clip, name):
    with pytest.raises(errors.ConfigurationError, match=r"format='.*': expected an input format of FFmpeg"):
        open_video(clip, format=name)


def test_a_format_opens_what_cannot_be_found_out(here):
    pictures = np.arange(6, dtype=np.uint8).repeat(8 * 6).reshape(6, 6, 8) * 40
    Path("bare:raw").write_bytes(pictures.tobytes())
    with open_video(
        "bare:raw", format="rawvideo", options={"video_size": "8x6", "pixel_format": "gray"}, gray=True
    ) as stream:
        assert [int(sample.x[0, 0]) for sample in stream] == [0, 40, 80, 120, 160, 200]
    with open_video("testsrc2=size=32x24:duration=0.2", format="lavfi") as stream:
        assert len(list(stream)) == 5
    assert find_sources(":0.0", form="v4l2")[0].kind == "camera"
    assert find_sources(b"x", form="mjpeg")[0].format == "mjpeg"
