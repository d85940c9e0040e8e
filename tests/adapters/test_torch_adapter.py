import operator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from strategies import LAYOUTS, arrays, assert_learns, modest
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, SequentialSampler, TensorDataset

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.torch import samples_from_torch

N = 7


class Items(Dataset):
    """Any items by index; with a length where it is asked for."""

    def __init__(self, items):
        self.items = items

    def __getitem__(self, index):
        return self.items[index]


class SizedItems(Items):
    def __len__(self):
        return len(self.items)


class Stream(IterableDataset):
    def __init__(self, items):
        self.items = items

    def __iter__(self):
        return iter(self.items)


class NoLength(Items):
    def __len__(self):
        raise NotImplementedError


@pytest.fixture
def images(frames):
    return torch.from_numpy(frames[:N]).permute(0, 3, 1, 2)


@pytest.fixture
def pairs(images):
    return [(image, index % 3) for index, image in enumerate(images)]


def named(pairs):
    return [{"pixels": image, "target": label, "more": "text"} for image, label in pairs]


KEYS = {"image": "pixels", "label": "target"}
SOURCES = {
    "indexed": lambda pairs: samples_from_torch(Items(pairs)),
    "sized": lambda pairs: samples_from_torch(SizedItems(pairs)),
    "no length": lambda pairs: samples_from_torch(NoLength(pairs)),
    "iterable": lambda pairs: samples_from_torch(Stream(pairs)),
    "mappings": lambda pairs: samples_from_torch(SizedItems(named(pairs)), **KEYS),
    "longer tuples": lambda pairs: samples_from_torch(SizedItems([("id", *p) for p in pairs]), image=1, label=2),
    "tensors": lambda pairs: samples_from_torch(
        DataLoader(TensorDataset(torch.stack([x for x, _ in pairs]), torch.tensor([y for _, y in pairs])), 3)
    ),
    "loader": lambda pairs: samples_from_torch(DataLoader(SizedItems(pairs), batch_size=3)),
    "loader of a stream": lambda pairs: samples_from_torch(DataLoader(Stream(pairs), batch_size=3)),
    "loader of mappings": lambda pairs: samples_from_torch(DataLoader(SizedItems(named(pairs)), batch_size=2), **KEYS),
    "loader without batches": lambda pairs: samples_from_torch(DataLoader(SizedItems(pairs), batch_size=None)),
    "own batches": lambda pairs: samples_from_torch(
        DataLoader(SizedItems(pairs), batch_sampler=BatchSampler(SequentialSampler(pairs), 4, drop_last=False))
    ),
    "batches as lists of items": lambda pairs: samples_from_torch(
        DataLoader(SizedItems(pairs), batch_size=2, collate_fn=list)
    ),
    "batches as lists of mappings": lambda pairs: samples_from_torch(
        DataLoader(SizedItems(named(pairs)), batch_size=2, collate_fn=list), **KEYS
    ),
    "batches as columns": lambda pairs: samples_from_torch(
        DataLoader(SizedItems(pairs), batch_size=2, collate_fn=lambda batch: tuple(zip(*batch, strict=True)))
    ),
    "batches of arrays": lambda pairs: samples_from_torch(
        DataLoader(
            SizedItems(pairs),
            batch_size=3,
            collate_fn=lambda batch: (np.stack([x.numpy() for x, _ in batch]), np.array([y for _, y in batch])),
        )
    ),
    "a set of batches": lambda pairs: samples_from_torch(
        Stream([(torch.stack([x for x, _ in part]), [y for _, y in part]) for part in (pairs[:4], pairs[4:])]),
        batched=True,
    ),
}
LENGTHS = {
    "indexed": 0,
    "no length": 0,
    "iterable": 0,
    "loader of a stream": 0,
    "own batches": 0,
    "a set of batches": 0,
}


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_gives_the_same_samples(name, pairs):
    stream = SOURCES[name](pairs)
    assert operator.length_hint(stream) == LENGTHS.get(name, N)
    samples = list(stream)
    assert [sample.y for sample in samples] == [label for _, label in pairs]
    assert all(type(sample.y) is int for sample in samples)
    for sample, (image, _) in zip(samples, pairs, strict=True):
        assert torch.equal(torch.as_tensor(sample.x), image)


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_is_learned_from(name, pairs):
    assert assert_learns(SOURCES[name](pairs), N).counters.scored == N - 1  # none before the first label


def test_samples_without_labels(images):
    for data in (
        SizedItems(images),
        TensorDataset(images),
        DataLoader(images, batch_size=3),
        DataLoader(TensorDataset(images), batch_size=3),
        DataLoader(SizedItems([{"pixels": image} for image in images]), batch_size=3),
    ):
        mapped = isinstance(data, DataLoader) and isinstance(data.dataset, SizedItems)
        samples = list(samples_from_torch(data, image="pixels" if mapped else None))
        assert [sample.y for sample in samples] == [None] * N
        assert torch.equal(torch.stack([sample.x for sample in samples]), images)


def test_a_loader_that_drops_its_last_batch_has_fewer_samples(pairs):
    stream = samples_from_torch(DataLoader(SizedItems(pairs), batch_size=3, drop_last=True))
    assert operator.length_hint(stream) == len(list(stream)) == 6


def test_pillow_images_become_arrays(frames):
    sample = next(samples_from_torch(SizedItems([(Image.fromarray(frames[0]), 3)])))
    assert isinstance(sample.x, np.ndarray)
    np.testing.assert_array_equal(sample.x, frames[0])


@modest
@given(
    st.integers(0, 9).flatmap(lambda count: arrays(st.just((count, 2, 3)), st.sampled_from(["u1", "f4", "f8", "i4"]))),
    LAYOUTS,
    st.none() | st.integers(1, 4),
    st.booleans(),
    st.sampled_from([None, list, lambda batch: (np.stack([x for x, _ in batch]), [y for _, y in batch])]),
)
def test_unbatching_undoes_batching(images, layout, batch_size, drop_last, collate):
    images = layout(images)
    kept = len(images) // batch_size * batch_size if drop_last and batch_size else len(images)
    if batch_size is None:
        drop_last, collate = False, None
    # torch's own collation reads no negative strides.
    pairs = SizedItems([(image.copy() if collate is None else image, str(row)) for row, image in enumerate(images)])
    samples = list(samples_from_torch(DataLoader(pairs, batch_size, drop_last=drop_last, collate_fn=collate)))
    assert [sample.y for sample in samples] == [str(row) for row in range(kept)]
    for sample, image in zip(samples, images, strict=False):
        np.testing.assert_array_equal(np.asarray(sample.x), image)


ITEMS = st.recursive(
    st.none() | st.integers() | st.text(max_size=2) | arrays().filter(lambda array: array.dtype.kind in "uif"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from(["image", "label", "other"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@modest
@given(
    ITEMS, st.booleans(), st.sampled_from([{}, {"image": "image"}, {"image": "image", "label": "label"}, {"image": 0}])
)
def test_any_item_gives_samples_or_one_error(item, batched, options):
    try:
        for sample in samples_from_torch(Stream([item]), batched=batched, **options):
            assert not isinstance(sample.y, np.ndarray)
    except hs.HebbstreamError as error:
        assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("item", "options", "kind", "message"),
    [
        ((1, 2, 3), {}, errors.ConfigurationError, "item is a tuple of 3: expected (x, y), or image= and label="),
        ({"a": 1}, {}, errors.ConfigurationError, "item is a dict of 'a'"),
        ({"a": 1}, {"image": "b"}, errors.ConfigurationError, "no 'b' and None in an item: it is a dict of 'a'"),
        ({"a": 1}, {"image": "a", "label": "b"}, errors.ConfigurationError, "no 'a' and 'b' in an item"),
        ((torch.zeros(3), torch.zeros(3)), {}, errors.LabelError, "label of shape (3,): expected one value"),
        ((torch.zeros(2), torch.zeros(3)), {"batched": True}, errors.RankError, "2 images and 3 labels"),
        (torch.tensor(1), {"batched": True}, errors.RankError, "batch of a Tensor of shape () and a NoneType"),
    ],
)
def test_items_of_another_form_are_named(item, options, kind, message):
    with pytest.raises(kind) as caught:
        next(samples_from_torch(Stream([item]), **options))
    assert message in str(caught.value)


def test_what_is_no_data_is_refused_at_once(pairs):
    with pytest.raises(errors.ConfigurationError, match="data of type list: expected a torch Dataset or DataLoader"):
        samples_from_torch(pairs)
    with pytest.raises(errors.ConfigurationError, match="label='y' without image"):
        samples_from_torch(SizedItems(pairs), label="y")


def test_a_data_set_that_ends_before_its_length_says_so(pairs):
    class Longer(SizedItems):
        def __len__(self):
            return N + 2

    samples = []
    with pytest.raises(errors.StreamError, match=rf"ended at index {N}: its length is {N + 2}"):
        samples.extend(samples_from_torch(Longer(pairs)))
    assert len(samples) == N


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK", "L", "1", "I;16"])
def test_pillow_images_become_what_a_folder_of_them_gives(mode):
    """The array of a palette's image would be the numbers of its colours, and that of a turned one would lie on its side."""
    image = Image.new("RGB", (6, 4), (255, 255, 255))
    image = image.convert("L").convert("I;16") if mode == "I;16" else image.convert(mode)
    image = image.point(lambda value: value * 257) if mode == "I;16" else image
    image.getexif()[0x0112] = 6
    x = next(samples_from_torch(SizedItems([(image, 3)]))).x
    assert (x.shape, x.dtype) == ((6, 4) if mode in ("L", "1", "I;16") else (6, 4, 3), np.uint8)
    assert x.min() == 255


def test_a_pillow_image_of_floating_point_stays_one():
    x = next(samples_from_torch(SizedItems([(Image.new("F", (6, 4), 0.5), 3)]))).x
    assert (x.shape, x.dtype, x.max()) == ((4, 6), np.float32, 0.5)
