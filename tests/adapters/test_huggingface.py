import io
import operator
import sys
import tempfile
from itertools import islice
from urllib.error import URLError

import datasets
import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pyarrow import parquet
from strategies import arrays, assert_learns, modest

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.huggingface import samples_from_huggingface

few = settings(modest, max_examples=10)  # each writes a table
CLASSES = datasets.ClassLabel(names=["cat", "dog", "owl"])


@pytest.fixture(scope="module", autouse=True)
def offline():
    """Nothing is downloaded, and nothing cached outside of a temporary folder."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
        patch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
        yield


def pictures(frames, **features):
    rows = {"image": [Image.fromarray(frame) for frame in frames], "label": [i % 3 for i in range(len(frames))]}
    features = datasets.Features({"image": datasets.Image(), "label": CLASSES} | features)
    return datasets.Dataset.from_dict(rows, features=features)


@pytest.fixture
def dataset(frames):
    return pictures(frames[:7])


def test_samples_come_in_order_with_the_names_of_their_classes(dataset, frames):
    for source, length in ((dataset, 7), (dataset.to_iterable_dataset(num_shards=2), 0)):
        stream = samples_from_huggingface(source)
        assert operator.length_hint(stream) == length
        samples = list(stream)
        assert [sample.y for sample in samples] == ["cat", "dog", "owl", "cat", "dog", "owl", "cat"]
        for sample, frame in zip(samples, frames, strict=False):
            np.testing.assert_array_equal(sample.x, frame)


def test_both_kinds_are_learned_from(dataset):
    assert assert_learns(samples_from_huggingface(dataset), 7).counters.scored == 6  # none before the first label
    assert (
        assert_learns(samples_from_huggingface(dataset.to_iterable_dataset(), size=16), 7).counters.scored == 6
    )  # none before the first label


def test_pictures_get_the_form_asked_for(dataset):
    assert next(samples_from_huggingface(dataset, size=(8, 20), fit="crop")).x.shape == (8, 20, 3)
    assert next(samples_from_huggingface(dataset, size=8, gray=True)).x.shape == (8, 8)


@pytest.mark.parametrize("options", [{"size": 0}, {"fit": "squeeze"}])
def test_options_are_checked(dataset, options):
    with pytest.raises(errors.ConfigurationError, match="expected"):
        samples_from_huggingface(dataset, **options)


def test_columns_of_other_names_are_found_or_named(dataset):
    renamed = dataset.rename_columns({"image": "img", "label": "fine"})
    assert next(samples_from_huggingface(renamed)).y == "cat"
    assert next(samples_from_huggingface(renamed, image="img", label="fine")).y == "cat"
    twice = renamed.add_column("coarse", [1] * 7, feature=CLASSES)
    with pytest.raises(errors.ConfigurationError, match=r"expected label= to name one of \['fine', 'coarse'\]"):
        samples_from_huggingface(twice)
    assert next(samples_from_huggingface(twice, label="coarse")).y == "dog"
    assert next(samples_from_huggingface(dataset.remove_columns("label"))).y is None
    with pytest.raises(errors.ConfigurationError, match="image='x': expected one of the columns 'image', 'label'"):
        samples_from_huggingface(dataset, image="x")
    with pytest.raises(errors.ConfigurationError, match="the columns 'label': expected image= to name"):
        samples_from_huggingface(dataset.remove_columns("image"))


def test_a_stream_of_unknown_columns_needs_their_names(frames):
    stream = datasets.IterableDataset.from_generator(lambda: ({"x": frame, "y": "a"} for frame in frames[:3]))
    with pytest.raises(errors.ConfigurationError, match="unknown columns: expected image="):
        samples_from_huggingface(stream)
    samples = list(samples_from_huggingface(stream, image="x", label="y"))
    assert [sample.y for sample in samples] == ["a"] * 3
    np.testing.assert_array_equal(samples[2].x, frames[2])
    with pytest.raises(errors.ConfigurationError, match="row with the columns 'x', 'y': expected 'z'"):
        next(samples_from_huggingface(stream, image="z"))


def test_labels_that_are_missing_are_none(frames):
    rows = {"image": [Image.fromarray(frame) for frame in frames[:3]], "label": [None, -1, 2]}
    features = datasets.Features(image=datasets.Image(), label=CLASSES)
    samples = samples_from_huggingface(datasets.Dataset.from_dict(rows, features=features))
    assert [sample.y for sample in samples] == [None, None, "owl"]


def test_a_class_that_does_not_exist_is_refused(dataset):
    dataset.set_transform(lambda rows: {"image": rows["image"], "label": [3] * len(rows["image"])})
    with pytest.raises(errors.LabelError, match="label 3: expected less than 3"):
        next(samples_from_huggingface(dataset))


@pytest.mark.parametrize("form", [None, "numpy", "torch"])
@pytest.mark.parametrize("feature", [datasets.Image(), datasets.Array3D((32, 32, 3), "uint8")])
def test_every_format_is_learned_from(frames, feature, form):
    rows = {"image": list(frames[:7]), "label": [0] * 7}
    features = datasets.Features(image=feature, label=CLASSES)
    dataset = datasets.Dataset.from_dict(rows, features=features).with_format(form)
    assert assert_learns(samples_from_huggingface(dataset), 7).counters.scored == 6  # none before the first label


@pytest.mark.parametrize("form", ["numpy", "torch"])
def test_formats_are_kept(dataset, frames, form):
    samples = list(samples_from_huggingface(dataset.with_format(form)))
    assert [sample.y for sample in samples[:3]] == ["cat", "dog", "owl"]
    assert isinstance(samples[0].x, np.ndarray if form == "numpy" else torch.Tensor)
    channels = samples[0].x.shape.index(3)
    np.testing.assert_array_equal(np.moveaxis(np.asarray(samples[0].x), channels, -1), frames[0])
    with pytest.raises(errors.ConfigurationError, match="size=8, gray=False: expected Pillow images"):
        next(samples_from_huggingface(dataset.with_format(form), size=8))


def test_transforms_are_kept(dataset):
    def transform(rows):
        return {"pixels": [np.asarray(image)[:4] for image in rows["image"]], "label": ["text"] * len(rows["image"])}

    dataset.set_transform(transform)
    with pytest.raises(errors.ConfigurationError, match="row with the columns 'pixels', 'label': expected 'image'"):
        next(samples_from_huggingface(dataset))
    dataset.set_transform(lambda rows: {"image": transform(rows)["pixels"], "label": transform(rows)["label"]})
    sample = next(samples_from_huggingface(dataset))
    assert (sample.x.shape, sample.y) == ((4, 32, 3), "text")


@few
@given(
    st.integers(0, 3).flatmap(lambda count: arrays(st.just((count, 4, 5, 3)), st.sampled_from(["u1", "f4", "f8"]))),
    st.booleans(),
    st.booleans(),
)
def test_arrays_come_back_as_they_were(images, declared, streaming):
    feature = datasets.Array3D((4, 5, 3), images.dtype.name)
    if not declared:
        feature = datasets.List(datasets.List(datasets.List(datasets.Value(images.dtype.name))))
    features = datasets.Features(pixels=feature, name=datasets.Value("string"))
    rows = {"pixels": list(images), "name": [str(row) for row in range(len(images))]}
    dataset = datasets.Dataset.from_dict(rows, features=features)
    source = dataset.to_iterable_dataset() if streaming and len(images) else dataset
    samples = list(samples_from_huggingface(source, image=None if declared else "pixels", label="name"))
    assert [sample.y for sample in samples] == rows["name"]
    for sample, image in zip(samples, images, strict=True):
        assert sample.x.dtype == image.dtype
        np.testing.assert_array_equal(sample.x, image)


@few
@given(st.lists(arrays(st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)), st.just("u1")), max_size=3))
def test_pictures_of_any_size_come_back_as_they_were(images):
    samples = list(samples_from_huggingface(pictures(images)))
    for sample, image in zip(samples, images, strict=True):
        np.testing.assert_array_equal(sample.x, image)


VALUES = (
    st.none()
    | st.integers()
    | st.text(max_size=2)
    | st.lists(st.integers(0, 3) | st.lists(st.integers(0, 3)), max_size=3)
)


@modest
@given(st.fixed_dictionaries({"image": VALUES | arrays(), "label": VALUES | arrays()}), st.booleans())
def test_any_row_gives_a_sample_or_one_error(row, labelled):
    stream = datasets.IterableDataset.from_generator(lambda: iter([row]))
    try:
        (sample,) = samples_from_huggingface(stream, image="image", label="label" if labelled else None)
    except hs.HebbstreamError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert isinstance(sample.x, np.ndarray)
        assert not isinstance(sample.y, np.ndarray)


@pytest.mark.parametrize("value", ["text", [[1, 2], [3]], None])
def test_what_is_no_image_is_refused(value):
    stream = datasets.IterableDataset.from_generator(lambda: iter([{"x": value}]))
    with pytest.raises(errors.DtypeError, match="image of"):
        next(samples_from_huggingface(stream, image="x"))


@pytest.mark.parametrize("kept", ["bytes", "dict"])
def test_pictures_in_parquet_files_are_read_once_they_are_cast(tmp_path, kept):
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(file, "PNG")
    value = file.getvalue() if kept == "bytes" else {"bytes": file.getvalue(), "path": "red.png"}
    parquet.write_table(pa.Table.from_pylist([{"picture": value, "label": "red"}] * 3), tmp_path / "a.parquet")
    options = {"data_files": str(tmp_path / "*.parquet"), "split": "train", "streaming": True}
    rows = datasets.load_dataset("parquet", **options, cache_dir=str(tmp_path))
    with pytest.raises(
        errors.DtypeError, match=rf"image of type {kept}: expected a Pillow image, which dataset\.cast_column"
    ):
        list(samples_from_huggingface(rows, image="picture", label="label"))
    cast = rows.cast_column("picture", datasets.Image())
    samples = list(samples_from_huggingface(cast, label="label", size=32))
    assert [(sample.x.shape, sample.y) for sample in samples] == [((32, 32, 3), "red")] * 3


def test_what_is_no_split_is_refused_at_once(dataset):
    with pytest.raises(errors.ConfigurationError, match="dataset holds 'train', 'test': expected one of them"):
        samples_from_huggingface(datasets.DatasetDict(train=dataset, test=dataset))
    with pytest.raises(errors.ConfigurationError, match="dataset of type list"):
        samples_from_huggingface([dataset])


def test_a_missing_package_is_named(monkeypatch, dataset):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(errors.MissingDependencyError, match=r"pip install 'hebbstream\[huggingface\]'"):
        samples_from_huggingface(dataset)


@pytest.mark.parametrize("damaged", ["cut", "junk", "empty"])
def test_a_damaged_picture_is_skipped_counted_and_told(frames, damaged, caplog):
    files = []
    for frame in frames[:3]:
        Image.fromarray(frame).save(buffer := io.BytesIO(), "PNG")
        files.append({"bytes": buffer.getvalue(), "path": None})
    whole = files[1]["bytes"]
    files[1]["bytes"] = {"cut": whole[: len(whole) // 2], "junk": b"junk", "empty": b""}[damaged]
    features = datasets.Features({"image": datasets.Image(), "label": CLASSES})
    dataset = datasets.Dataset.from_dict({"image": files, "label": [0, 1, 2]}, features=features)
    stream = samples_from_huggingface(dataset)
    assert [sample.y for sample in stream] == ["cat", "owl"]
    assert stream.stats.corrupt == 1
    assert [record.getMessage()[:37] for record in caplog.records] == ["row 1: skipped, it cannot be decoded "]
    streaming = samples_from_huggingface(dataset.to_iterable_dataset())
    assert next(streaming).y == "cat"
    with pytest.raises(errors.DamagedFileError, match=r"row 1 of the data set cannot be decoded .*no more rows"):
        next(streaming)


@pytest.mark.parametrize("lost", [ConnectionResetError("lost"), TimeoutError("lost"), URLError("lost")])
def test_a_lost_network_is_not_called_damage(lost):
    def rows():
        yield {"image": Image.new("RGB", (4, 4))}
        raise lost

    def fetched(rows):
        raise lost

    streaming = samples_from_huggingface(datasets.IterableDataset.from_generator(rows), image="image")
    next(streaming)
    downloaded = samples_from_huggingface(datasets.Dataset.from_list([*islice(rows(), 1)]).with_transform(fetched))
    for stream in (streaming, downloaded):
        with pytest.raises(type(lost)):
            next(stream)
        assert stream.stats.corrupt == 0
