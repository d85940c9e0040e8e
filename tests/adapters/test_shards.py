"""Tar shards as people make them: no image and no label is lost without a word."""

import io
import logging
import tarfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hebbstream import errors
from hebbstream.adapters import _tar
from hebbstream.adapters.shards import open_shards

FORK = b"\0\5\26\7" + bytes(80)  # a resource fork of macOS


def image(value=0):
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 4, 3), value, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def opened(tmp_path, members):
    """Open a shard of members, named in order; what is no label holds a picture, its place as its brightness."""
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for place, (name, content) in enumerate(members):
            member = tarfile.TarInfo(name)
            content = image(place) if content is None else content
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return open_shards(tmp_path / "a.tar")


def pairs(*names, suffix="jpg"):
    """Return an image and a label of each name, the label its place."""
    return [
        member
        for place, name in enumerate(names)
        for member in ((f"{name}.cls", str(place).encode()), (f"{name}.{suffix}", None))
    ]


@pytest.mark.parametrize(
    "names",
    [
        ("22.05", "22.06", "22.1"),
        ("22", "22.05", "22.1"),  # seconds, as :g writes them
        ("2024.11.05 10.20", "2024.11.05 10.21"),
        ("v1.0/0001", "v1.0/0002", "v1.1/0001"),
        ("./0001", "./0002"),
        ("Dr. Smith", "Dr. Jones"),
        ("Dr.Smith", "Dr.Jones"),
        ("cam.front.0001", "cam.front.0002"),
        ("a", "a.b/a", "a.b/c"),
        (".hidden", "..", "a/.x"),
        ("0001.left", "0001.right"),
        tuple(f"clip.frame{index}" for index in range(40)),
        ("x.", "y."),
    ],
)
@pytest.mark.parametrize("suffix", ["jpg", "PNG"])
def test_names_with_dots_are_names(tmp_path, caplog, names, suffix):
    stream = opened(tmp_path, pairs(*names, suffix=suffix))
    samples = list(stream)
    assert [sample.y for sample in samples] == list(range(len(names)))
    assert [sample.source for sample in samples] == [f"a.tar/{name}" for name in names]
    assert [int(sample.x.max()) for sample in samples] == list(range(1, 2 * len(names), 2))
    assert stream.stats.corrupt == 0
    assert not caplog.records


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["1.cls", "1.jpg", "1.png"], [("1", 7), ("1", 7)]),
        (["1.cls", "1.left.jpg", "1.right.jpg"], [("1.left", 7), ("1.right", 7)]),
        (["1.left.jpg", "1.right.jpg", "1.cls"], [("1.left", 7), ("1.right", 7)]),
        (["1.image0.jpg", "1.cls", "1.image1.jpg"], [("1.image0", 7), ("1.image1", 7)]),
        (["1.a.b.jpg", "1.cls", "1.a.c.png"], [("1.a.b", 7), ("1.a.c", 7)]),
    ],
)
def test_several_images_of_a_sample_share_its_label(tmp_path, caplog, names, expected):
    stream = opened(tmp_path, [(name, b"7" if name.endswith("cls") else None) for name in names])
    assert [(sample.source, sample.y) for sample in stream] == [(f"a.tar/{name}", y) for name, y in expected]
    assert stream.stats.corrupt == 0
    assert not caplog.records


def test_masks_are_no_samples_and_are_counted(tmp_path, caplog):
    names = ["1.depth.png", "1.jpg", "1.cls", "1.meta.json", "1.seg.png", "2.jpg", "2.cls", "2.view.jpg", "2.view.cls"]
    stream = opened(tmp_path, [(name, b"7" if name.endswith(("cls", "json")) else None) for name in names])
    with caplog.at_level(logging.WARNING, "hebbstream.adapters.shards"):
        assert [sample.source for sample in stream] == ["a.tar/1", "a.tar/2", "a.tar/2.view"]
    assert stream.stats.corrupt == 0
    (record,) = caplog.records
    assert record.getMessage().startswith(
        f"{tmp_path}/a.tar: 2 images with a further field beside one without, left out;"
    )


@pytest.mark.parametrize(
    "forked",
    [
        lambda name: f"d/._{name}",
        lambda name: f"__MACOSX/d/._{name}",
        lambda name: f"__MACOSX/d/{name}",
        lambda name: f"./d/._{name}",
        lambda name: f"x/__MACOSX/{name}",
    ],
)
def test_what_macos_adds_changes_nothing(tmp_path, caplog, forked):
    members = [
        each
        for name, content in pairs("0001", "22.05", "0003")
        for each in ((forked(name), FORK), (f"d/{name}", content))
    ]
    stream = opened(tmp_path, members)
    assert [(sample.y, sample.source) for sample in stream] == [
        (0, "a.tar/d/0001"),
        (1, "a.tar/d/22.05"),
        (2, "a.tar/d/0003"),
    ]
    assert stream.stats.corrupt == 0
    assert not caplog.records


@pytest.mark.parametrize(
    ("names", "lost", "unlabelled"),
    [
        ("a.jpg b.jpg a.cls b.cls", 2, 2),
        ("a.cls b.cls c.cls a.jpg b.jpg c.jpg", 3, 3),
        ("images/a.jpg labels/a.cls images/b.jpg labels/b.cls", 2, 2),
        ("a.jpg a.cls b.jpg c.jpg c.cls", 0, 1),
        ("a.jpg a.cls b.txt c.jpg c.cls", 1, 0),
        ("22.05.jpg 22.06.jpg 22.05.cls", 1, 2),
        ("Dr.Smith.jpg Dr.Jones.cls", 1, 1),
        ("a.json a.exe", 1, 0),
    ],
)
def test_what_has_no_counterpart_is_counted_and_told(tmp_path, caplog, names, lost, unlabelled):
    stream = opened(tmp_path, [(name, None if name.endswith("jpg") else b"3") for name in names.split()])
    with caplog.at_level(logging.WARNING, "hebbstream.adapters.shards"):
        samples = list(stream)
    assert len(samples) == names.count(".jpg")
    assert stream.stats.corrupt == lost
    assert sum(sample.y is None for sample in samples) == unlabelled
    (record,) = caplog.records
    message = record.getMessage()
    assert (f"{lost} labels without an image" in message) == (lost > 0)
    assert (f"{unlabelled} images without a label" in message) == (unlabelled > 0)


def test_a_shard_of_images_alone_is_as_it_should_be(tmp_path, caplog):
    stream = opened(tmp_path, [(name, None) for name in ("a.jpg", "b.jpg", "22.05.jpg", "22.06.jpg", "c.x.jpg")])
    assert [sample.y for sample in stream] == [None] * 5
    assert stream.stats.corrupt == 0
    assert not caplog.records


def test_two_files_of_one_name_with_dots_are_refused(tmp_path):
    with pytest.raises(errors.DamagedFileError, match=r"\(22\.05\.jpg: duplicate"):
        list(opened(tmp_path, [("22.05.jpg", None), ("22.05.jpg", None)]))


@pytest.mark.parametrize("name", ["cam:1.tar", "a\\b.tar", "set{a,b}.tar", "a{b.tar"])
def test_a_file_is_that_file_whatever_its_name(tmp_path, monkeypatch, name):
    opened(tmp_path, pairs("1")).close()
    (tmp_path / "a.tar").rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for source in (name, Path(name), str(tmp_path / name), [name]):
        assert [sample.source for sample in open_shards(source)] == [f"{name}/1"]


def test_shards_of_one_name_are_told_apart(tmp_path):
    for folder in "ab":
        (tmp_path / folder).mkdir()
        opened(tmp_path / folder, pairs("1")).close()
    found = [sample.source for sample in open_shards(str(tmp_path / "*" / "a.tar"))]
    assert found == [str(tmp_path / folder / "a.tar" / "1") for folder in "ab"]


@pytest.mark.parametrize("shards", [5, None])
def test_what_is_no_path_is_refused(shards):
    with pytest.raises(errors.ConfigurationError, match=f"shards={shards}: expected at least one tar file"):
        open_shards(shards)


def test_a_backslash_is_left_to_windows():
    with pytest.raises(errors.SourceNotFoundError, match=r"no file at C:\\data\\train-0\.tar"):
        open_shards(r"C:\data\train-{0..1}.tar")


def test_a_sample_that_memory_would_not_hold_is_refused_by_what_its_header_says(tmp_path, monkeypatch):
    monkeypatch.setattr(_tar, "_MOST_BYTES", 1000)
    stream = opened(tmp_path, [("0.txt", b"7" * 900), ("0.png", None), ("1.txt", b"8" * 901), ("1.png", bytes(100))])
    assert next(stream).y == "7" * 900
    with pytest.raises(errors.DamagedFileError, match=r"1\.png: more than 1,000 bytes of one sample"):
        next(stream)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_declares_gigabytes_is_not_read(tmp_path, kind):
    header = tarfile.TarInfo("long")
    header.type, header.size = kind, 3 << 30
    (tmp_path / "a.tar").write_bytes(header.tobuf() + bytes(10240))
    with pytest.raises(errors.DamagedFileError, match="header of 3,221,225,472 bytes"):
        list(open_shards(tmp_path / "a.tar"))


@pytest.mark.parametrize("kind", ["bz2", "xz"])
def test_some_bytes_that_stand_for_megabytes_are_read_in_pieces(tmp_path, kind):
    with tarfile.open(tmp_path / "a.tar", f"w:{kind}") as tar:
        for name, content in (("0.bin", bytes(1 << 25)), ("0.png", image())):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    tracemalloc.start()
    try:
        assert len(list(open_shards(tmp_path / "a.tar"))) == 1
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()


def test_a_name_of_many_fields_takes_little_time(tmp_path):
    began = time.perf_counter()
    assert len(list(opened(tmp_path, [(f"{'.a' * 100_000}.1.png", None)]))) == 1
    assert time.perf_counter() - began < 5
