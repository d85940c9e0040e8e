import os

import pytest

from hebbstream.adapters._known import files_fingerprint
from hebbstream.adapters._media._fingerprint import fingerprint
from hebbstream.adapters._media._options import Cut, Thinning
from hebbstream.adapters._media._source import MediaSource
from hebbstream.adapters.video._cameras import find_sources

CUT, ALL = Cut(0.0, None, False), Thinning(1, None)


def of(*names):
    return fingerprint([MediaSource(str(name)) for name in names], CUT, ALL)


@pytest.mark.parametrize("place", [0, 65535, -65536, -1])
def test_a_file_is_known_by_its_ends(tmp_path, place):
    content = bytearray(os.urandom(200_000))
    (tmp_path / "a").write_bytes(content)
    (tmp_path / "b").write_bytes(content)
    assert of(tmp_path / "a") == of(tmp_path / "b")
    content[place] ^= 1
    (tmp_path / "b").write_bytes(content)
    assert of(tmp_path / "a") != of(tmp_path / "b")


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 200_000])
def test_a_file_is_known_by_its_size(tmp_path, size):
    (tmp_path / "a").write_bytes(bytes(size))
    (tmp_path / "b").write_bytes(bytes(size + 1))
    assert of(tmp_path / "a") != of(tmp_path / "b")


def test_several_are_those_of_each_in_their_order(tmp_path):
    for name in "abc":
        (tmp_path / name).write_text(name)
    a, b, c = (tmp_path / name for name in "abc")
    assert of(a, b, c) == "+".join([of(a), of(b), of(c)])
    assert of(a, b) != of(b, a)
    assert of(a, tmp_path / os.fsdecode(b"b\xe4.mp4")).startswith(of(a))
    assert of(a, tmp_path / "missing") == f"{of(a)}+{of(tmp_path / 'elsewhere' / 'missing')}"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("rtsp://me:old@camera/live", "rtsp://you:new@camera/live", True),
        ("http://h/a?token=1&channel=2", "http://h/a?token=9&channel=2", True),
        ("http://h/a?token=1&channel=2", "http://h/a?token=1&channel=3", False),
        ("rtsp://camera/live", "rtsp://other/live", False),
        ("0", "1", False),
    ],
)
def test_a_camera_is_known_by_its_address_without_credentials(monkeypatch, one, other, same):
    monkeypatch.setattr("platform.system", lambda: "Linux")
    found = [fingerprint(find_sources(address), CUT, ALL) for address in (one, other)]
    assert (found[0] == found[1]) is same
    assert not set("/:@") & set("".join(map(str, found)))


def test_one_that_is_gone_is_known_by_its_name_whatever_its_bytes(tmp_path):
    gone, other = (tmp_path / os.fsdecode(name) for name in (b"\xff.mp4", b"\xfe.mp4"))
    assert of(gone) != of(other)
    assert files_fingerprint([gone], "table") != files_fingerprint([other], "table")
