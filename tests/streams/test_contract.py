"""What holds for every stream, wherever it comes from and whatever was done to it."""

import io
import tarfile
from dataclasses import asdict, dataclass
from operator import length_hint
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from clips import ramp, write_clip
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

import hebbstream as hs
from hebbstream.adapters.arrays import open_arrays, samples_from_arrays
from hebbstream.adapters.huggingface import samples_from_huggingface
from hebbstream.adapters.images import open_images
from hebbstream.adapters.shards import open_shards
from hebbstream.adapters.torch import samples_from_torch
from hebbstream.adapters.video import open_video
from hebbstream.errors import ConfigurationError, EmptyStreamError
from hebbstream.streams import Stream, augment, crops, for_live, interleave, novel, schedule, shuffle
from hebbstream.streams._stats import StreamStats
from hebbstream.streams._stream import as_stream

N = 12


@dataclass
class Kind:
    """How to make a stream in a folder, and what it should be."""

    make: Any
    items: int = N
    known: bool = True
    live: bool = False
    read: int = N


def still(count=N):
    return [hs.Sample(np.full((24, 40, 3), 4 * i, np.uint8), t=i / 25) for i in range(count)]


def dataset():
    return TensorDataset(torch.zeros(N, 3, 8, 8), torch.arange(N))


def table():
    rows = {"image": [Image.fromarray(sample.x) for sample in still()]}
    return datasets.Dataset.from_dict(rows, features=datasets.Features(image=datasets.Image()))


def filled(folder):
    """Write the same pictures in every form that is read."""
    write_clip(folder / "clip.ts", ramp(N))
    write_clip(folder / "clip.mp4", ramp(N))
    (folder / "videos").mkdir()
    for name in ("a.mp4", "b.mp4"):
        write_clip(folder / "videos" / name, ramp(N // 2))
    np.save(folder / "array.npy", np.stack([sample.x for sample in still()]))
    with tarfile.open(folder / "shard.tar", "w") as tar:
        for index, sample in enumerate(still()):
            content = io.BytesIO()
            Image.fromarray(sample.x).save(content, "PNG")
            (folder / f"{index:02}.png").write_bytes(content.getvalue())
            tar.add(folder / f"{index:02}.png", arcname=f"{index:02}.png")
    return folder


KINDS = {
    "list": Kind(lambda _: as_stream(still())),
    "tensor": Kind(lambda _: as_stream(torch.zeros(N, 3, 8, 8))),
    "generator": Kind(lambda _: as_stream(sample for sample in still()), known=False),
    "loader": Kind(lambda _: as_stream(DataLoader(dataset(), batch_size=4)), items=3, read=3),
    "named": Kind(lambda _: Stream(iter(still()), name="camera", length=N, live=True), live=True),
    "arrays": Kind(lambda _: samples_from_arrays(np.zeros((N, 8, 8), np.uint8), range(N))),
    "array file": Kind(lambda folder: open_arrays(folder / "array.npy")),
    "images": Kind(lambda folder: open_images(folder)),
    "shards": Kind(lambda folder: open_shards(folder / "shard.tar"), known=False),
    "torch": Kind(lambda _: samples_from_torch(DataLoader(dataset(), batch_size=5))),
    "huggingface": Kind(lambda _: samples_from_huggingface(table())),
    "huggingface, streaming": Kind(lambda _: samples_from_huggingface(table().to_iterable_dataset()), known=False),
    "video": Kind(lambda folder: open_video(folder / "clip.mp4", size=16)),
    "video, not ahead": Kind(lambda folder: open_video(folder / "clip.mp4", stride=3, prefetch=0), items=4),
    "videos": Kind(lambda folder: open_video(f"{folder}/videos/*.mp4"), known=False),
    "live video": Kind(
        lambda folder: open_video(folder / "clip.ts", live=True, retry_for=0, prefetch=0), known=False, live=True
    ),
    "shuffle": Kind(lambda _: shuffle(still(), 4)),
    "schedule": Kind(lambda _: schedule(still(), learn=3, skip=5), items=3 + 3),
    "schedule, seconds": Kind(
        lambda _: schedule(still(), learn=0.12, skip=0.2, unit="seconds"), items=3 + 3, known=False
    ),
    "novel": Kind(lambda _: novel(still(), 0.02), items=6, known=False),
    "crops": Kind(lambda _: crops(still(), 16, per_frame=2), items=2 * N),
    "augment": Kind(lambda _: augment(still())),
    "for_live": Kind(lambda _: for_live(still()), items=6, known=False),
    "turn": Kind(lambda _: interleave({"door": still(5), "yard": still(7)})),
    "time": Kind(lambda _: interleave({"door": still(5), "yard": still(7)}, by="time")),
    "arrival": Kind(lambda _: interleave({"door": still()}, by="arrival")),
    "all of it": Kind(
        lambda folder: shuffle(augment(crops(open_video(folder / "clip.mp4"), 8, per_frame=2)), 4), items=2 * N
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield filled(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


@pytest.fixture
def make(kind, folder):
    """Make the stream anew, as often as wanted; all are closed with the test."""
    made = []

    def one():
        made.append(kind.make(folder))
        return made[-1]

    yield one
    for stream in made:
        stream.close()


def contents(items):
    samples = [hs.Sample.of(tuple(item) if isinstance(item, list) else item) for item in items]
    return [(np.asarray(sample.x).tobytes(), sample.y if isinstance(sample.y, str) else None) for sample in samples]


def test_it_says_what_it_is_and_counts_what_it_read(kind, make):
    stream = make()
    assert isinstance(stream, Stream)
    assert (stream.live, stream.failures, stream.stats) == (kind.live, {}, StreamStats())
    assert sum(1 for _ in stream) == kind.items
    skipped = kind.items - N if kind.read == N else 0
    assert stream.stats.frames == kind.read
    assert stream.stats.skipped in (0, -skipped)
    assert set(asdict(stream.stats)) == {"frames", "dropped", "corrupt", "skipped", "reconnects", "failed"}


def test_the_length_counts_down_to_nothing(kind, make):
    stream = make()
    for left in range(kind.items, 0, -1):
        assert length_hint(stream) == (left if kind.known else 0)
        next(stream)
    assert length_hint(stream) == 0
    assert next(stream, None) is None


@pytest.mark.parametrize("begun", [0, 1])
def test_fast_forward_is_skipping(kind, make, begun):
    skipping, forwarded = make(), make()
    for stream in (skipping, forwarded):
        for _ in range(begun):
            next(stream)
    assert forwarded.fast_forward(2) == 2
    for _ in range(0 if kind.live else 2):
        next(skipping)
    if kind.known:
        assert length_hint(forwarded) == length_hint(skipping)
    assert contents(forwarded) == contents(skipping)
    assert len(contents(make())) == kind.items
    assert make().fast_forward(1000) == (1000 if kind.live else kind.items)


@pytest.mark.parametrize("count", [-1, 2.5, "2"])
def test_only_so_many_can_be_passed_over(kind, make, count):
    stream = make()
    with pytest.raises(ConfigurationError, match=f"count={count!r}: expected an integer of at least 0"):
        stream.fast_forward(count)
    assert len(contents(stream)) == kind.items


@pytest.mark.parametrize("begun", [False, True])
def test_closing_ends_it_and_doing_so_twice_is_harmless(make, begun):
    stream = make()
    if begun:
        next(stream)
    stream.close()
    stream.close()
    assert next(stream, None) is None
    assert length_hint(stream) == 0
    with pytest.raises(EmptyStreamError) as caught:
        list(stream)
    assert str(caught.value) == f"{stream!r}: closed"


def test_used_up_it_says_so(make):
    stream = make()
    assert list(stream)
    assert next(stream, None) is None
    with pytest.raises(EmptyStreamError) as caught:
        iter(stream)
    assert str(caught.value) == f"{stream!r}: used up: open it again to read it from the start"


@pytest.mark.parametrize("kind", [KINDS["list"], KINDS["video"]], ids=["list", "video"])
def test_closed_in_a_loop_it_just_ends_and_it_is_a_context_manager(make):
    with make() as stream:
        assert sum(1 for _ in stream if not stream.close()) == 1
    with make() as stream:
        next(stream)
    with pytest.raises(EmptyStreamError, match="closed"):
        iter(stream)


def test_it_is_shown_in_one_short_line(make):
    shown = repr(make())
    assert "\n" not in shown
    assert "0x" not in shown
    assert len(shown) < 100


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("list", "Stream(list of 12)"),
        ("named", "camera"),
        ("images", "open_images('pictures0')"),
        ("array file", "open_arrays('array.npy')"),
        ("arrays", "samples_from_arrays(uint8 (12, 8, 8))"),
        ("shards", "open_shards('shard.tar')"),
        ("torch", "samples_from_torch(DataLoader)"),
        ("huggingface", "samples_from_huggingface(Dataset)"),
        ("video", "VideoStream('clip.mp4', 16×16, recorded)"),
        ("videos", "VideoStream('a.mp4' and 1 more, recorded)"),
        ("live video", "VideoStream('clip.ts', live)"),
        ("schedule", "schedule(Stream(list of 12), learn=3, skip=5, unit='samples')"),
        (
            "all of it",
            "shuffle(augment(crops(VideoStream('clip.mp4', recorded), 8×8, per_frame=2)), buffer_size=4)",
        ),
    ],
)
def test_what_is_shown(name, shown, folder):
    with KINDS[name].make(folder) as stream:
        assert repr(stream) == shown
