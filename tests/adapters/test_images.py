import gc
import io
import json
import logging
import operator
import os
import pickle
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from strategies import assert_learns, modest

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters._picture import PictureFormat
from hebbstream.adapters.images import open_images
from hebbstream.adapters.shards import open_shards

PIXELS = hnp.arrays("u1", st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))


def encoded(picture, form="PNG", **options):
    buffer = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(buffer, form, **options)
    return buffer.getvalue()


def write_shard(path, members, mode="w"):
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def folder(tmp_path, frames):
    """Three pictures of each of two classes, one without a class, and what is no picture."""
    for index, frame in enumerate(frames[:7]):
        place = tmp_path / ["cat", "dog/deep", ""][index // 3]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{index}.{'PNG' if index % 2 else 'png'}").write_bytes(encoded(frame))
    (tmp_path / "cat" / "notes.txt").write_text("no picture")
    (tmp_path / "cat" / "._0.png").write_bytes(b"no picture")
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".ipynb_checkpoints" / "6-checkpoint.png").write_bytes(encoded(frames[6]))
    return tmp_path


@pytest.fixture
def shards(tmp_path, frames):
    """Two shards of three pictures each, the second one compressed."""
    for shard, mode in enumerate(("w", "w:gz")):
        members = {}
        for index in range(3 * shard, 3 * shard + 3):
            members |= {f"{index:04}.png": encoded(frames[index]), f"{index:04}.cls": str(index).encode()}
        write_shard(tmp_path / f"train-{shard}.tar", members, mode)
    return tmp_path


@pytest.fixture
def no_commands(monkeypatch):
    """A test that uses it fails if a command is started, even where the error is caught."""
    started = []

    def refuse(*arguments, **options):
        started.append(arguments)
        raise OSError("no commands here")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr("os.system", refuse)
    yield
    assert started == []


def test_a_folder_is_read_in_order_with_its_classes(folder, frames):
    stream = open_images(folder)
    assert operator.length_hint(stream) == 7
    samples = list(stream)
    sources = ["6.png", "cat/0.png", "cat/1.PNG", "cat/2.png", "dog/deep/3.PNG", "dog/deep/4.png", "dog/deep/5.PNG"]
    assert [sample.source for sample in samples] == sources
    assert [sample.y for sample in samples] == [None, *["cat"] * 3, *["dog"] * 3]
    for sample, index in zip(samples, [6, 0, 1, 2, 3, 4, 5], strict=True):
        np.testing.assert_array_equal(sample.x, frames[index])
    assert stream.stats.corrupt == 0


def test_one_seed_gives_one_order(folder):
    def order(**options):
        return [sample.source for sample in open_images(folder, **options)]

    plain, first, other = order(), order(shuffle=True, seed=3), order(shuffle=True, seed=4)
    assert first == order(shuffle=True, seed=3) != other
    assert sorted(first) == sorted(other) == plain != first


def test_another_order_is_another_recording(folder):
    """Else a run that goes on would pass over pictures that it has not seen."""
    known = {open_images(folder, shuffle=shuffle, seed=seed).fingerprint for shuffle, seed in ((0, 0), (1, 3), (1, 4))}
    assert len(known) == 3


def test_folders_and_shards_are_learned_from(folder, shards):
    assert (
        assert_learns(open_images(folder, size=16, fit="crop"), 7).counters.scored == 5
    )  # none before the first label
    assert (
        assert_learns(open_shards(f"{shards}/train-{{0..1}}.tar"), 6).counters.scored == 5
    )  # none before the first label
    gray = hs.SoftHebbNet([hs.LayerSpec(channels=4)], 1)
    assert_learns(open_images(folder, gray=True), 7, gray)


def test_size_and_fit():
    wide = np.zeros((20, 40, 3), np.uint8)
    wide[:, 10:30] = 255
    image = Image.fromarray(wide)

    def columns(**options):
        return PictureFormat(**options).convert(image)[..., 0].mean(axis=0).round().tolist()

    assert PictureFormat().convert(image).shape == (20, 40, 3)
    assert PictureFormat(size=(10, 5)).convert(image).shape == (10, 5, 3)
    stretched = columns(size=8, fit="stretch")
    assert (stretched[0], stretched[3], stretched[7]) == (0, 255, 0)
    assert columns(size=8, fit="crop")[1:7] == [255] * 6
    assert min(columns(size=8, fit="crop")) > 200  # the filter reaches a little beyond the edge
    padded = PictureFormat(size=8, fit="pad").convert(image)[..., 0]
    assert padded[:2].max() == padded[6:].max() == 0
    assert padded[3].tolist()[3:5] == [255, 255]


@modest
@given(
    PIXELS,
    st.none() | st.integers(1, 12) | st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.sampled_from(["stretch", "crop", "pad"]),
    st.booleans(),
)
def test_every_picture_gets_the_form_asked_for(pixels, size, fit, gray):
    picture = PictureFormat(size=size, fit=fit, gray=gray).convert(Image.fromarray(pixels))
    sides = pixels.shape[:2] if size is None else (size, size) if isinstance(size, int) else size
    assert picture.shape == (*sides, *(() if gray else (3,)))
    assert picture.dtype == np.uint8
    if sides == pixels.shape[:2] and not gray:
        np.testing.assert_array_equal(picture, pixels)


@pytest.mark.parametrize("options", [{"size": 0}, {"size": (0, 4)}, {"size": (1, 2, 3)}, {"fit": "squeeze"}])
def test_options_are_checked(folder, shards, options):
    for opened in (lambda: open_images(folder, **options), lambda: open_shards(shards / "train-0.tar", **options)):
        with pytest.raises(errors.ConfigurationError, match="expected"):
            opened()


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.fromarray(np.full((2, 2), 40_000, np.uint16)), 156),
        (Image.fromarray(np.full((2, 2), 40_000, np.int32)), 156),
        (Image.new("L", (2, 2), 7), 7),
        (Image.new("1", (2, 2), 1), 255),
        (Image.new("P", (2, 2)), 0),
        (Image.new("LA", (2, 2), (9, 0)), 9),
        (Image.new("RGBA", (2, 2), (9, 9, 9, 0)), 9),
        (Image.new("CMYK", (2, 2)), 255),
    ],
)
def test_every_mode_becomes_eight_bits(image, expected):
    for gray in (False, True):
        assert np.unique(PictureFormat(gray=gray).convert(image)).tolist() == [expected]


def test_pictures_are_turned_upright(tmp_path):
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    (tmp_path / "turned.png").write_bytes(encoded(pixels, exif=exif))
    picture = next(open_images(tmp_path)).x
    assert picture.shape == (16, 8, 3)
    assert picture[:8].min() == 255
    assert picture[8:].max() == 0


def test_damaged_pictures_are_skipped_counted_and_told(folder, caplog):
    whole = (folder / "cat" / "0.png").read_bytes()
    (folder / "cat" / "0.png").write_bytes(whole[: len(whole) // 2])
    (folder / "cat" / "1.PNG").write_bytes(b"")
    Image.new("F", (4, 4)).save(folder / "cat" / "float.tiff")
    stream = open_images(folder)
    with caplog.at_level(logging.WARNING, logger="hebbstream.adapters.images"):
        sources = [sample.source for sample in stream]
    assert sources == ["6.png", "cat/2.png", "dog/deep/3.PNG", "dog/deep/4.png", "dog/deep/5.PNG"]
    assert stream.stats.corrupt == 3
    assert operator.length_hint(stream) == 0
    assert [record.name for record in caplog.records] == ["hebbstream.adapters.images"] * 3
    assert caplog.records[0].getMessage().startswith("cat/0.png: skipped, it cannot be decoded (")
    assert "floating-point" in caplog.records[2].getMessage()


@modest
@given(PIXELS, st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"]), st.data())
def test_any_damage_skips_one_picture_at_most(pixels, form, data):
    content = bytearray(encoded(pixels, form))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.png").write_bytes(content)
        stream = open_images(folder, size=8)
        samples = list(stream)
    assert len(samples) + stream.stats.corrupt == 1
    assert all(sample.x.shape == (8, 8, 3) for sample in samples)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no pipes with names")
def test_a_pipe_is_passed_over_and_a_link_to_nothing_is_told(folder, caplog):
    os.mkfifo(folder / "z.png")
    (folder / "link.png").symlink_to("missing.png")
    stream = open_images(folder)
    assert operator.length_hint(stream) == 8
    assert len(list(stream)) == 7
    assert [record.args[0] for record in caplog.records] == ["link.png"]


def test_a_folder_that_cannot_be_read_is_skipped_counted_and_told(folder, caplog, monkeypatch):
    scan = os.scandir

    def refusing(path):
        if Path(path).name == "dog":
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    stream = open_images(folder)
    assert {sample.y for sample in stream} == {None, "cat"}
    assert stream.stats.corrupt == 1
    (record,) = caplog.records
    assert record.getMessage() == f"{folder / 'dog'}: skipped, the folder cannot be read (Permission denied)"


def test_nothing_to_read_is_told_at_once(tmp_path):
    with pytest.raises(errors.SourceNotFoundError, match=r"no folder at .*missing"):
        open_images(tmp_path / "missing")
    for name in ("x" * 300, "a\0b"):
        with pytest.raises(errors.SourceNotFoundError, match=r"no folder at (x{300}|a\\x00b)$"):
            open_images(name)
    with pytest.raises(errors.EmptyStreamError, match="holds no image"):
        open_images(tmp_path)


def test_shards_come_in_order_by_braces_wildcards_and_lists(shards, frames):
    paths = [shards / "train-0.tar", shards / "train-1.tar"]
    for given_as in (f"{shards}/train-{{0..1}}.tar", f"{shards}/*.tar", paths, [str(path) for path in paths]):
        samples = list(open_shards(given_as))
        assert [sample.y for sample in samples] == list(range(6))
        assert [samples[0].source, samples[5].source] == ["train-0.tar/0000", "train-1.tar/0005"]
        for sample, frame in zip(samples, frames, strict=False):
            np.testing.assert_array_equal(sample.x, frame)
    assert len(list(open_shards(paths[1]))) == 3


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({}, None),
        ({"cls": b"7\n", "txt": b"text"}, 7),
        ({"cls": b"cat"}, "cat"),
        ({"txt": " a cät\n".encode()}, "a cät"),
        ({"json": b"3"}, 3),
        ({"json": b'"cat"'}, "cat"),
        ({"json": b'{"label": "cat", "class": 5}'}, "cat"),
        ({"json": b'{"width": 3}'}, None),
    ],
)
def test_labels_of_shards(tmp_path, frames, labels, expected):
    members = {f"a/0001.{kind}": content for kind, content in labels.items()} | {"a/0001.JPG": encoded(frames[0])}
    (sample,) = open_shards(write_shard(tmp_path / "a.tar", members))
    assert (sample.y, sample.source) == (expected, "a.tar/a/0001")


def test_the_label_of_an_object_has_a_name(tmp_path, frames):
    members = {"1.png": encoded(frames[0]), "1.json": json.dumps({"label": "cat", "class": 5}).encode()}
    (sample,) = open_shards(write_shard(tmp_path / "a.tar", members), label="class")
    assert sample.y == 5


@pytest.mark.parametrize("label", [{"json": b"{"}, {"json": b"[" * 100_000}, {"json": b"[1]"}, {"cls": b"\xff"}])
def test_a_label_that_cannot_be_read_is_named(tmp_path, frames, label):
    members = {f"1.{kind}": content for kind, content in label.items()} | {"1.png": encoded(frames[0])}
    with pytest.raises(errors.DamagedFileError, match=r"a\.tar/1: its label"):
        next(open_shards(write_shard(tmp_path / "a.tar", members)))


def test_only_images_and_labels_are_read_and_nothing_is_unpickled(tmp_path, frames, no_commands):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    trap = pickle.dumps(Trap())
    members = {"1.png": encoded(frames[0])} | {
        f"1.{kind}": trap for kind in ("pyd", "pkl", "pickle", "pth", "npy", "ten")
    }
    (sample,) = open_shards(write_shard(tmp_path / "a.tar", members))
    np.testing.assert_array_equal(sample.x, frames[0])
    assert list(open_shards(write_shard(tmp_path / "b.tar", {"1.pyd": trap, "1.cls": b"3"}))) == []
    assert not (tmp_path / "sprung").exists()
    pickle.loads(trap)  # noqa: S301  # the trap works
    assert (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "url",
    ["pipe:touch {}/sprung", "PIPE:touch {}/sprung", "http://a.b/c.tar", "s3://a/b.tar", "file:{}/a.tar", "gs://a/b"],
)
def test_commands_and_addresses_are_refused(tmp_path, shards, url, no_commands):
    url = url.format(tmp_path)
    for given_as in (url, Path(url), [url], [shards / "train-0.tar", url], f"{{{url},{shards}/train-0.tar}}"):
        with pytest.raises(errors.ConfigurationError, match="not an address or a command"):
            open_shards(given_as)
    assert not (tmp_path / "sprung").exists()


def test_postscript_under_another_name_starts_no_command(tmp_path, no_commands):
    (tmp_path / "a.jpg").write_bytes(encoded(np.zeros((8, 8, 3), np.uint8), "EPS"))
    stream = open_images(tmp_path)
    assert list(stream) == []
    assert stream.stats.corrupt == 1


def test_shards_that_cannot_be_are_told_at_once(tmp_path):
    for shards, kind, message in (
        ("missing-{0..3}.tar", errors.SourceNotFoundError, "no file at missing-0.tar"),
        (f"{tmp_path}/*.tar", errors.SourceNotFoundError, "no file at"),
        (tmp_path, errors.SourceNotFoundError, "no file at"),
        ("x" * 300 + ".tar", errors.SourceNotFoundError, "no file at xxx"),
        ("a\0b/*.tar", errors.SourceNotFoundError, r"no file at a\\x00b"),
        ("a{b.tar", errors.ConfigurationError, "balanced braces"),
        ([], errors.ConfigurationError, "at least one tar file"),
    ):
        with pytest.raises(kind, match=message):
            open_shards(shards)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_shard_cut_anywhere_gives_its_whole_pictures_and_then_says_so(tmp_path, mode):
    noise = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    members = {f"{index}.png": encoded(picture) for index, picture in enumerate(noise)}
    assert {-(-len(content) // 512) for content in members.values()} == {2}
    path = write_shard(tmp_path / "a.tar", members, mode)
    content, counts = path.read_bytes(), []
    end = 3 * (1 + 2) * 512 if mode == "w" else len(content) - 60  # headers and pictures; what the end's zeros become
    for length in range(0, end + 1, 32):
        path.write_bytes(content[:length])
        samples = []
        with pytest.raises(errors.DamagedFileError, match=r"a\.tar: not a whole tar file \(\w") as caught:
            samples.extend(open_shards(path))
        assert "\n" not in str(caught.value)
        counts.append(len(samples))
    assert counts == sorted(counts)
    assert {0, 1} <= set(counts) <= {0, 1, 2}


def test_a_long_shard_takes_no_more_memory(tmp_path, frames):
    picture = encoded(frames[0])
    path = write_shard(
        tmp_path / "a.tar", {f"{index:03}.{kind}": picture for index in range(40) for kind in ("png", "bin")}
    )
    stream = open_shards(path, size=4)
    before = sum(issubclass(type(thing), tarfile.TarInfo) for thing in gc.get_objects())
    for _ in range(35):
        next(stream)
    assert sum(issubclass(type(thing), tarfile.TarInfo) for thing in gc.get_objects()) < before + 5


def test_links_and_folders_in_a_shard_are_passed_over(tmp_path, frames):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, kind in (("0.png", tarfile.SYMTYPE), ("1.png", tarfile.LNKTYPE), ("2.png", tarfile.DIRTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
        picture = encoded(frames[0])
        member = tarfile.TarInfo("3.png")
        member.size = len(picture)
        tar.addfile(member, io.BytesIO(picture))
    assert [sample.source for sample in open_shards(tmp_path / "a.tar")] == ["a.tar/3"]


def test_a_damaged_header_is_not_the_end(shards):
    path = shards / "train-0.tar"
    content = bytearray(path.read_bytes())
    content[content.index(b"0001.png") + 200] ^= 1
    path.write_bytes(content)
    with pytest.raises(errors.DamagedFileError, match="bad checksum"):
        list(open_shards(path))


def test_two_files_of_one_name_are_refused(tmp_path, frames):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for _ in range(2):
            (tmp_path / "1.png").write_bytes(encoded(frames[0]))
            tar.add(tmp_path / "1.png", arcname="1.png")
    with pytest.raises(errors.DamagedFileError, match=r"a\.tar: not a whole tar file \(1\.png: duplicate"):
        list(open_shards(tmp_path / "a.tar"))


@modest
@given(st.data())
def test_any_damage_to_a_shard_gives_samples_or_one_error(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.tar"
        picture = encoded(np.zeros((4, 4, 3), np.uint8))
        write_shard(path, {"1.png": picture, "1.cls": b"3", "2.png": picture, "2.json": b"4"})
        content = bytearray(path.read_bytes()[:5120])
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        stream = open_shards(path)
        try:
            assert len(list(stream)) + stream.stats.corrupt <= 2
        except hs.HebbstreamError as error:
            assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize(("module", "name"), [("PIL", "Pillow"), ("braceexpand", "braceexpand")])
def test_a_missing_package_is_named(monkeypatch, folder, shards, module, name):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        errors.MissingDependencyError, match=rf"{name} is not installed: pip install 'hebbstream\[images\]'"
    ):
        open_shards(shards / "train-0.tar")
    if module == "PIL":
        with pytest.raises(errors.MissingDependencyError):
            open_images(folder)


def test_a_path_may_begin_at_home(folder, shards, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert next(open_images(f"~/{folder.name}")).source == "6.png"
    assert next(open_images(Path("~") / folder.name)).source == "6.png"
    for path in (f"~/{shards.name}/train-{{0..1}}.tar", Path("~") / shards.name / "train-0.tar"):
        assert next(open_shards(path)).source == "train-0.tar/0000"


def test_a_folder_is_known_by_what_its_first_pictures_show(tmp_path):
    def folder(name, count, shade):
        (tmp_path / name).mkdir(exist_ok=True)
        for index in range(count):
            Image.new("RGB", (8, 8), (shade, index, 0)).save(tmp_path / name / f"{index:02}.bmp")
        return open_images(tmp_path / name).fingerprint

    one, other = folder("one", 3, 10), folder("other", 3, 20)
    assert one != other
    assert folder("one", 5, 10).startswith(f"{one}+")  # more have come
    sixteen = folder("one", 16, 10)
    assert folder("one", 18, 10).startswith(f"{sixteen}#2:")  # and the names of the others
