import platform
from pathlib import Path
from types import SimpleNamespace

import av.device
import pytest

from hebbstream import errors
from hebbstream.adapters.video import read_labels
from hebbstream.adapters.video._cameras import find_sources


@pytest.mark.parametrize(
    ("text", "kind", "container", "url"),
    [
        ("clip.mp4", "file", None, "clip.mp4"),
        ("file:clip.mp4", "file", None, "clip.mp4"),
        ("file:///clips/a.mp4", "file", None, "/clips/a.mp4"),
        ("/dev/video3", "camera", "v4l2", "/dev/video3"),
        ("rtsp://camera/live", "network", None, "rtsp://camera/live"),
        ("HTTPS://host/a.m3u8", "network", None, "HTTPS://host/a.m3u8"),
        ("udp://239.0.0.1:1234", "network", None, "udp://239.0.0.1:1234"),
        ("tcp://host:1234", "network", None, "tcp://host:1234"),
        ("lavfi:testsrc2=size=64x48", "synthetic", "lavfi", "testsrc2=size=64x48"),
    ],
)
def test_what_a_text_stands_for(text, kind, container, url):
    (source,) = find_sources(text)
    assert (source.kind, source.format, source.url) == (kind, container, url)


@pytest.mark.parametrize(
    ("system", "text", "url", "container"),
    [
        ("Linux", "2", "/dev/video2", "v4l2"),
        ("Darwin", "0", "0", "avfoundation"),
        ("Windows", "1", "video=Rear", "dshow"),
        ("Windows", "video=Front", "video=Front", "dshow"),
    ],
)
def test_cameras_by_platform(monkeypatch, system, text, url, container):
    devices = [
        SimpleNamespace(name=name, media_types=[kind])
        for name, kind in (("Microphone", "audio"), ("Front", "video"), ("Rear", "video"))
    ]
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(av.device, "enumerate_input_devices", lambda name: devices)
    (source,) = find_sources(text)
    assert (source.kind, source.url, source.format) == ("camera", url, container)
    if system == "Windows":
        with pytest.raises(errors.SourceNotFoundError, match=r"no camera 7: found \['Front', 'Rear'\]"):
            find_sources("7")


def refuse(_name):
    raise OSError(5, "Input/output error")


@pytest.mark.parametrize(
    ("devices", "why"),
    [
        (av.device, "no such input format: 'dshow'"),  # as everywhere but on Windows
        (SimpleNamespace(enumerate_input_devices=refuse), "Input/output error"),
    ],
    ids=["unknown", "refused"],
)
def test_cameras_that_cannot_be_listed_are_to_be_named(monkeypatch, devices, why):
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    monkeypatch.setattr(av, "device", devices)
    with pytest.raises(
        errors.SourceNotFoundError, match=f"no camera 0: cannot list cameras .{why}.*name it: video=NAME"
    ):
        find_sources("0")


def test_a_name_of_windows_is_told_elsewhere(monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    with pytest.raises(errors.ConfigurationError, match="camera 'video=Cam': expected its number, as only Windows"):
        find_sources("video=Cam")


def test_options_of_the_user_come_before_ours():
    assert find_sources("rtsp://camera")[0].options == {"rtsp_transport": "tcp"}
    assert find_sources("rtsp://camera", {"rtsp_transport": "udp"})[0].options == {"rtsp_transport": "udp"}
    assert find_sources("udp://camera")[0].options == {"overrun_nonfatal": "1"}
    assert find_sources("udp://camera", {"overrun_nonfatal": "0"})[0].options == {"overrun_nonfatal": "0"}
    assert find_sources("http://camera")[0].options == {}


def test_a_file_whose_name_looks_like_a_pattern(tmp_path):
    path = tmp_path / "[day] 1.mp4"
    path.touch()
    assert [source.url for source in find_sources(str(path))] == [str(path)]
    assert [source.url for source in find_sources(path)] == [str(path)]
    for name in ("c.mp4", "a.mp4", "sub/b.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_sources(str(tmp_path / "**" / "?.mp4"))
    assert [source.name for source in found] == ["a.mp4", "c.mp4", "b.mp4"]


def test_a_path_may_begin_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).touch()
    assert find_sources(Path("~/a.mp4"))[0].url == find_sources("~/a.mp4")[0].url == str(tmp_path / "a.mp4")
    assert [source.name for source in find_sources("~/*.mp4")] == ["a.mp4", "b.mp4"]
    assert find_sources("~nobody-of-this-name/a.mp4")[0].url == "~nobody-of-this-name/a.mp4"
    (tmp_path / "labels.json").write_text('{"segments": [{"start": 0, "label": "day"}]}')
    assert read_labels("~/labels.json")(1.0) == "day"


@pytest.mark.parametrize("text", ["", "  ", "ftp://host/clip.mp4"])
def test_what_is_no_source(text):
    with pytest.raises(errors.ConfigurationError, match="expected"):
        find_sources(text)
