import gzip
import operator
import tempfile
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import LAYOUTS, arrays, assert_learns, modest

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters import _array_files
from hebbstream.adapters._array_files import read_array, read_idx
from hebbstream.adapters.arrays import open_arrays, samples_from_arrays

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx(array, *, compressed=False):
    dtype = np.dtype(array.dtype.str[1:])
    header = bytes([0, 0, CODES[dtype.str[1:]], array.ndim]) + np.array(array.shape, ">u4").tobytes()
    content = header + array.astype(dtype.newbyteorder(">")).tobytes()
    return gzip.compress(content) if compressed else content


def read(content, reader=read_array):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "array"
        path.write_bytes(content)
        return np.array(reader(path))


@pytest.fixture
def saved(tmp_path, frames):
    """The same 20 frames and labels in every format."""
    images, labels = frames[:20], np.arange(20) % 3
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "labels.npy", labels)
    np.savez(tmp_path / "both.npz", x=images, y=labels)
    (tmp_path / "images.gz").write_bytes(idx(images, compressed=True))
    (tmp_path / "labels.idx1").write_bytes(idx(labels.astype(np.uint8)))
    return tmp_path, images, labels


def test_samples_come_in_order_with_plain_labels_and_no_copies(frames):
    stream = samples_from_arrays(frames, np.arange(100, dtype=np.uint8))
    assert operator.length_hint(stream) == 100
    first = next(stream)
    assert operator.length_hint(stream) == 99
    assert np.shares_memory(first.x, frames)
    assert (type(first.y), first.t, first.source) == (int, None, None)
    rest = list(stream)
    assert [sample.y for sample in rest] == list(range(1, 100))
    assert all(np.array_equal(sample.x, frame) for sample, frame in zip(rest, frames[1:], strict=True))
    assert operator.length_hint(stream) == 0


@pytest.mark.parametrize("labels", [None, ["a", "b"] * 50, np.array(["a", "b"] * 50), np.ones((100, 1))])
def test_labels_may_be_sequences_or_columns(frames, labels):
    expected = [None] * 100 if labels is None else np.asarray(labels).ravel().tolist()
    assert [sample.y for sample in samples_from_arrays(frames, labels)] == expected


def test_labels_belong_to_images_by_their_place_whatever_their_index(frames):
    column = pd.Series(["a", "b", "c"], index=[2, 0, 1])
    for labels in (column, column.to_frame(), column.astype("category"), list("abc")):
        assert [sample.y for sample in samples_from_arrays(frames[:3], labels)] == ["a", "b", "c"]
    assert [sample.y for sample in samples_from_arrays(frames[:2], torch.tensor([[3], [4]]))] == [3, 4]


def test_a_masked_label_is_none(frames):
    labels = np.ma.array([[5], [6]], mask=[[True], [False]])
    for same in (labels, labels[:, 0]):
        assert [sample.y for sample in samples_from_arrays(frames[:2], same)] == [None, 6]


@pytest.mark.parametrize(
    "labels",
    [np.array([5.0, np.nan]), [5.0, None], torch.tensor([5.0, torch.nan]), pd.Series([5, None], dtype="Int64")],
)
def test_a_missing_label_is_none(frames, labels):
    assert [sample.y for sample in samples_from_arrays(frames[:2], labels)] == [5, None]


@pytest.mark.parametrize(
    ("images", "labels", "kind", "message"),
    [
        ([[0.0]], None, errors.DtypeError, "images of type list: expected a numpy array"),
        (np.float64(1), None, errors.DtypeError, "images of type float64"),
        (np.array(1), None, errors.RankError, "shape ()"),
        (np.zeros((3, 8)), [1, 2], errors.LabelError, "labels of shape (2,) for 3 images"),
        (np.zeros((3, 8)), np.eye(3), errors.LabelError, "labels of shape (3, 3) for 3 images: expected (3,)"),
        (np.zeros((3, 8)), np.array(3), errors.LabelError, "labels of shape ()"),
        (np.zeros((3, 8)), pd.DataFrame(np.eye(3)), errors.LabelError, "labels of shape (3, 3) for 3 images"),
        (np.zeros((3, 8)), dict.fromkeys("abc"), errors.LabelError, "labels of type dict: expected an array"),
    ],
)
def test_what_does_not_fit_is_refused_at_once(images, labels, kind, message):
    with pytest.raises(kind) as caught:
        samples_from_arrays(images, labels)
    assert message in str(caught.value)


@modest
@given(arrays(), LAYOUTS, st.none() | arrays())
def test_any_arrays_give_samples_or_one_error(images, layout, labels):
    try:
        samples = list(samples_from_arrays(layout(images), labels))
    except hs.HebbstreamError as error:
        assert images.ndim == 0 or labels is not None, error  # noqa: PT017  # only these are refused
        return
    assert len(samples) == len(images)
    for sample, image in zip(samples, images, strict=True):
        np.testing.assert_array_equal(sample.x, image)
        assert not isinstance(sample.y, np.generic | np.ndarray)


def test_every_format_gives_the_same_samples(saved):
    folder, images, labels = saved
    streams = [
        open_arrays(folder / "images.npy", folder / "labels.npy"),
        open_arrays(folder / "both.npz", image="x", label="y"),
        open_arrays(str(folder / "images.npy"), str(folder / "both.npz"), label="y"),
        open_arrays(folder / "images.gz", folder / "labels.idx1"),
    ]
    for stream in streams:
        assert operator.length_hint(stream) == 20
        samples = list(stream)
        np.testing.assert_array_equal(np.stack([sample.x for sample in samples]), images)
        assert [sample.y for sample in samples] == labels.tolist()
        assert samples[0].source in ("images.npy", "both.npz", "images.gz")


def test_every_format_is_learned_from(saved):
    folder, images, labels = saved
    assert_learns(samples_from_arrays(images, labels), 20)
    assert_learns(open_arrays(folder / "images.npy"), 20)
    assert_learns(open_arrays(folder / "both.npz", image="x", label="y"), 20)
    report = assert_learns(open_arrays(folder / "images.gz", folder / "labels.idx1"), 20)
    assert report.counters.scored == 19  # none before the first label


def test_npy_files_are_mapped_not_read(saved):
    image = next(open_arrays(saved[0] / "images.npy")).x
    assert isinstance(image, np.memmap)
    assert not image.flags.writeable


def test_pickles_are_never_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    trap = np.array([Trap()], dtype=object)
    np.save(tmp_path / "trap.npy", trap, allow_pickle=True)
    np.savez(tmp_path / "trap.npz", x=trap)
    (tmp_path / "bare.npy").write_bytes(trap.dumps())
    for name in ("trap.npy", "trap.npz", "bare.npy"):
        with pytest.raises(errors.DamagedFileError) as caught:
            open_arrays(tmp_path / name)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "sprung").exists()
    np.load(tmp_path / "trap.npy", allow_pickle=True)  # the trap works
    assert (tmp_path / "sprung").exists()


def test_names_choose_from_an_archive(saved):
    folder, *_ = saved
    for options, message in (
        ({}, "it holds x, y: expected the names to read, as image and label"),
        ({"image": "z"}, "no array 'z': expected one of x, y"),
    ):
        with pytest.raises(errors.ConfigurationError, match=message):
            open_arrays(folder / "both.npz", **options)
    with pytest.raises(errors.ConfigurationError, match="one array without a name, not 'x'"):
        open_arrays(folder / "images.npy", image="x")
    np.savez(folder / "one.npz", anything=np.zeros((2, 3)))
    assert read_array(folder / "one.npz").shape == (2, 3)


def test_missing_files_and_folders_are_told_apart(tmp_path):
    with pytest.raises(errors.SourceNotFoundError, match=r"no file at .*none.npy"):
        open_arrays(tmp_path / "none.npy")
    with pytest.raises(errors.SourceNotFoundError, match=r"no file at a\\x00b\.npz"):
        open_arrays("a\0b.npz")
    with pytest.raises(errors.StreamError, match="Is a directory"):
        read_idx(tmp_path)


@modest
@given(
    hnp.arrays(st.sampled_from(list(CODES)), hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)),
    st.booleans(),
    st.data(),
)
def test_idx_files_are_read_whole_or_refused(array, compressed, data):
    content = idx(array, compressed=compressed)
    found = read(content)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)
    cut = content[: data.draw(st.integers(0, len(content) - 1))]
    with pytest.raises(errors.DamagedFileError):
        read(cut, read_idx)
    with pytest.raises(errors.DamagedFileError):
        read(content + b"\1" * data.draw(st.integers(1, 9)), read_idx)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "begins with nothing: expected an IDX"),
        (b"\0\0\x08", "begins with 00 00 08"),
        (b"\0\1\x08\1\0\0\0\1\7", "begins with 00 01 08 01"),
        (b"\0\0\x0a\1\0\0\0\1\7", "begins with 00 00 0a 01"),
        (b"\0\0\x08\0", "begins with 00 00 08 00"),
        (b"\0\0\x08\3\0\0\0\1", "cut within its header of 3 dimensions"),
        (b"\0\0\x08\1\0\0\0\3\7\7", r"holds 2 bytes: its header \(3,\) of uint8 declares 3"),
        (b"\0\0\x08\1\0\0\0\3\7\7\7\7", "holds more than 3 bytes"),
    ],
)
def test_idx_files_are_read_strictly(content, message):
    for form in (content, gzip.compress(content)):
        with pytest.raises(errors.DamagedFileError, match=message):
            read(form)


@pytest.mark.parametrize("name", ["images.gz", "labels.idx1", "both.npz"])
def test_what_memory_has_no_room_for_is_refused_by_what_the_file_declares(saved, tmp_path, monkeypatch, name):
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:   0 kB\nSwapFree: 0 kB\n")
    monkeypatch.setattr(_array_files, "_MEMORY", tmp_path / "meminfo")
    with pytest.raises(errors.StreamError, match=rf"{name}: it declares [0-9,]+ bytes: expected at most 0, which"):
        read_array(tmp_path / name, "x" if "both" in name else None)
    monkeypatch.setattr(_array_files, "_MEMORY", tmp_path / "of another system")
    assert len(read_array(tmp_path / name, "x" if "both" in name else None)) == 20


@pytest.mark.parametrize(("limit", "refused"), [("5\n", True), ("max\n", False)])
def test_a_container_has_no_more_room_than_its_limit(saved, tmp_path, monkeypatch, limit, refused):
    (tmp_path / "meminfo").write_text("MemAvailable: 90000 kB\nSwapFree: 0 kB\n")
    (tmp_path / "memory.max").write_text(limit)
    monkeypatch.setattr(_array_files, "_MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(_array_files, "_MOST", tmp_path / "memory.max")
    expected = pytest.raises(errors.StreamError, match="expected at most 5, which") if refused else nullcontext()
    with expected:
        assert len(read_array(tmp_path / "labels.idx1")) == 20


@modest
@given(st.sampled_from(["npy", "npz", "idx", "gz"]), st.data())
def test_damaged_files_give_one_error_or_an_array(saved_bytes, form, data):
    content = bytearray(saved_bytes[form])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        array = read(bytes(content))
    except hs.HebbstreamError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert isinstance(array, np.ndarray)


@pytest.fixture(scope="module")
def saved_bytes(tmp_path_factory):
    folder, array = tmp_path_factory.mktemp("arrays"), np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    np.save(folder / "a.npy", array)
    np.savez(folder / "a.npz", array)
    return {
        "npy": (folder / "a.npy").read_bytes(),
        "npz": (folder / "a.npz").read_bytes(),
        "idx": idx(array),
        "gz": idx(array, compressed=True),
    }


def test_mnist_as_published(data):
    folder = data / "mnist"
    stream = open_arrays(folder / "train-images-idx3-ubyte.gz", folder / "train-labels-idx1-ubyte.gz")
    assert operator.length_hint(stream) == 60_000
    samples = [sample for _, sample in zip(range(20), stream, strict=False)]
    assert [sample.y for sample in samples[:10]] == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert samples[0].x.shape == (28, 28)
    assert_learns(samples, 20, hs.SoftHebbNet.from_preset("mnist", width=4, seed=0))
    assert np.bincount(read_idx(folder / "t10k-labels-idx1-ubyte.gz")).tolist() == [
        *(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
    ]


def test_a_path_may_begin_at_home(saved, monkeypatch):
    monkeypatch.setenv("HOME", str(saved[0]))
    for home in ("~", Path("~")):
        stream = open_arrays(f"{home}/images.npy" if home == "~" else home / "images.npy", f"{home}/labels.idx1")
        assert next(stream).source == "images.npy"
