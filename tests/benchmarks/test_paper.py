import gzip
import io
import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import hebbstream as hs
from benchmarks.contenders import BackpropNet
from benchmarks.paper import __main__ as command
from benchmarks.paper import backprop, grid, page, pictures, store
from benchmarks.paper import execute as executing
from benchmarks.paper.backprop import backprop_accuracy
from benchmarks.paper.data import Split, Task, load_task
from benchmarks.paper.experiments import EXPERIMENTS
from benchmarks.paper.learn import sample_order, steps
from benchmarks.paper.probe import Protocol as ProbeProtocol
from benchmarks.paper.probe import accuracy, as_input, augmented, extractor_of, half_dropped, train_probe
from benchmarks.paper.run import Run
from hebbstream.clip import CLIP
from hebbstream.errors import ConfigurationError

CLASSES = 4


def gratings(count, side, channels, seed):
    """Stripes: the class is the orientation, the phase is random. Labels are sorted, as in a folder of images."""
    generator = np.random.default_rng(seed)
    labels = np.sort(np.arange(count) % CLASSES)
    rows, columns = np.mgrid[:side, :side]
    angle = (np.pi * labels / CLASSES)[:, None, None]
    phase = generator.uniform(0, 2 * np.pi, (count, 1, 1))
    waves = 0.5 + 0.4 * np.sin((np.cos(angle) * columns + np.sin(angle) * rows) * 1.5 + phase)
    noisy = waves[..., None] + 0.1 * generator.standard_normal((count, side, side, channels))
    return (255 * noisy.clip(0, 1)).astype(np.uint8), labels


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory):
    """Every data set in its owner's format, small."""
    folder = tmp_path_factory.mktemp("data")
    for split, count in (("train", 160), ("test", 80)):
        images, labels = gratings(count, 32, 3, seed=len(split))
        with tarfile.open(folder / f"cifar10-{split}.tar.xz", "w:xz") as archive:
            for index, (image, label) in enumerate(zip(images, labels, strict=True)):
                buffer = io.BytesIO()
                Image.fromarray(image).save(buffer, "JPEG")
                member = tarfile.TarInfo(f"./class{label}/{index:04}.jpg")
                member.size = len(buffer.getvalue())
                archive.addfile(member, io.BytesIO(buffer.getvalue()))
    (folder / "mnist").mkdir()
    for name, count in (("train", 160), ("t10k", 80)):
        images, labels = gratings(count, 28, 1, seed=1)
        for kind, values in (("images-idx3", images[..., 0]), ("labels-idx1", labels.astype(np.uint8))):
            path = folder / "mnist" / f"{name}-{kind}-ubyte.gz"
            header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
            path.write_bytes(gzip.compress(header + values.tobytes()))
    (folder / "stl10_binary").mkdir()
    for name, count in (("unlabeled", 24), ("train", 8), ("test", 8)):
        images, labels = gratings(count, 96, 3, seed=2)
        images.transpose(0, 3, 2, 1).tofile(folder / "stl10_binary" / f"{name}_X.bin")
        (labels + 1).astype(np.uint8).tofile(folder / "stl10_binary" / f"{name}_y.bin")
    (folder / "video").mkdir()
    for name in ("bikes", "carphone_pristine"):
        shutil.copy(CLIP, folder / "video" / f"{name}.mp4")
    for part in ("train", "val"):
        images, labels = gratings(24, 170, 3, seed=3)
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            path = folder / "imagenette2-160" / part / f"n{label}" / f"{index}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[:, :165]).save(path)
    return folder


@pytest.fixture
def data(data_folder, monkeypatch):
    monkeypatch.setenv("HEBBSTREAM_DATA", str(data_folder))
    executing._load.cache_clear()
    yield data_folder
    executing._load.cache_clear()


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name not in ("authors", "imagenet160")])
def test_every_experiment_runs_reduced(name, data, tmp_path, capsys):
    arguments = [name, "--reduced", "--quiet", "--output", str(tmp_path)]
    assert command.main(arguments) == 0
    results = store.load(tmp_path / f"{name}.json")
    assert all(0 <= value <= 1 for result in results for value in result["test_accuracy"].values())
    shown = [line.split(", ")[1] for line in capsys.readouterr().out.splitlines()]
    assert shown == [label.partition(",")[0] for label, _ in EXPERIMENTS[name].runs(0, "half")]


def test_finished_runs_are_not_repeated(data, tmp_path, monkeypatch):
    arguments = ["mnist", "--protocol", "stream", "--reduced", "--quiet", "--output", str(tmp_path)]
    command.main(arguments)
    monkeypatch.setattr(command, "execute", lambda *_, **__: pytest.fail("ran again"))
    assert command.main(arguments) == 0


def test_a_result_of_other_layers_does_not_count():
    run = Run(width=8)
    result = {"run": run.described(), "layers": run.layers()}
    assert store.find([result], run) is result
    assert store.find([result | {"layers": Run(width=8, protocol="stream").layers()}], run) is None


def test_learned_features_beat_chance(data):
    run = Run(width=8, protocol="stream", epochs=20)
    assert executing.execute(run, progress=False)["test_accuracy"]["3"] > 2 / CLASSES


def test_one_seed_gives_one_result(data):
    run = Run(width=8, samples=20, labels=40, tested=40, epochs=1, seed=3)
    first, second = (executing.execute(run, progress=False) for _ in range(2))
    assert first["test_accuracy"] == second["test_accuracy"]
    assert first["median_norm"] == second["median_norm"]


def test_data_that_is_not_there_is_named(data, capsys):
    assert command.main(["imagenet160", "--reduced", "--quiet"]) == 1
    assert "train: expected folders" in capsys.readouterr().err
    with pytest.raises(ConfigurationError, match="no data set 'cifar'"):
        load_task("cifar")


def test_a_run_of_no_such_name_is_refused(capsys):
    assert command.main(["cifar10", "--only", "straem", "--quiet"]) == 1
    assert "expected --only one of 'paper', 'paper, layer after layer', 'stream', 'random'" in capsys.readouterr().err


def test_the_authors_layers_need_a_clone(data, capsys, tmp_path):
    assert command.main(["authors", "--reduced", "--quiet", "--output", str(tmp_path)]) == 1
    assert "--peer" in capsys.readouterr().err


def test_stl10_is_read_upright(data):
    images, labels = gratings(8, 96, 3, seed=2)
    task = load_task("stl10")
    np.testing.assert_array_equal(task.train.images, images)
    np.testing.assert_array_equal(task.train.labels, labels)


@pytest.mark.parametrize("protocol", ["paper", "stream"])
def test_every_sample_is_learned_once(data, protocol):
    split = load_task("cifar10").unlabelled
    taken = [x for x, _ in steps(Run(protocol=protocol), split, len(split))]
    batch = 10 if protocol == "paper" else 1
    assert [len(x) for x in taken] == [batch] * (len(split) // batch)
    seen = {image.numpy().tobytes() for x in taken for image in x}
    assert seen == {image.numpy().tobytes() for image in as_input(split.images)}


def test_sorted_order_holds_one_class_after_another_and_the_buffer_mixes_it(data):
    split = load_task("cifar10").unlabelled
    run = Run(order="sorted")
    ordered = list(sample_order(run, split, len(split)))
    assert (np.diff(split.labels[ordered]) >= 0).all()
    mixed = list(sample_order(replace(run, order="sorted+shuffle"), split, len(split)))
    assert sorted(mixed) == sorted(ordered)
    assert mixed != ordered


def test_the_probe_separates_what_is_separable():
    torch.manual_seed(0)
    labels = np.arange(200) % 2
    features = torch.randn(200, 16) + torch.from_numpy(2 * labels - 1)[:, None]
    model = train_probe(features.__getitem__, labels, ProbeProtocol(), epochs=50, seed=0, progress=False)
    assert accuracy(model, features.__getitem__, labels) > 0.95


def test_dropout_zeroes_half_and_doubles_the_rest():
    torch.manual_seed(0)
    dropped = half_dropped(torch.ones(101, 99))
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.05)


def test_augmentation_keeps_shape_and_flips_some():
    images = np.tile(np.arange(16, dtype=np.uint8)[None, None, :, None], (50, 16, 1, 1))
    result = augmented(images, np.random.default_rng(0))
    assert result.shape == images.shape
    rising = (np.diff(result[:, 0, 6:10, 0].astype(int)) > 0).all(axis=1)
    assert 10 < rising.sum() < 40


def test_page_shows_measured_beside_published(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "FOLDER", tmp_path)
    for seed, found in ((0, 0.7), (1, 0.72)):
        run = Run(width=96, seed=seed)
        store.add(
            tmp_path / "cifar10.json",
            {
                "name": "paper",
                "run": run.described(),
                "layers": run.layers(),
                "test_accuracy": {"3": found},
                "r1_fraction": [0.5, 0, 0.25],
            },
        )
    target = tmp_path / "page.md"
    markers = "".join(f"<!-- {name} -->\n<!-- end -->\n" for name in ("mnist", "order"))
    target.write_text(f"a\n<!-- cifar10 -->\nold\n<!-- end -->\nb\n{markers}")
    written = page.write_page(target)
    text = target.read_text()
    assert "| paper | 96 | 2 | 71.00 ± 1.41 | 50 / 0 / 25 | 80.31 ± 0.14 |" in text
    assert "| backprop | | | not run | | 99.45 ± 0.02 |\n\nTo run it: `python -m benchmarks.paper mnist`" in text
    assert "Not run: `python -m benchmarks.paper order`" in text
    assert "old" not in text
    assert text.startswith("a\n")
    assert [path.name for path in written] == ["cifar10.png", "page.md"]


def test_r1_features_of_all_layers_count_neurons(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "FOLDER", tmp_path)
    run = Run(width=8, width_factor=2)
    result = {"name": "paper", "run": run.described(), "layers": run.layers(), "test_accuracy": {"3": 0.5}}
    store.add(tmp_path / "cifar10.json", result | {"r1_fraction": [1.0, 0.5, 0.0]})
    (row,) = page.rows_of("cifar10")
    assert row.r1_of_all == pytest.approx((8 + 16 / 2) / (8 + 16 + 32))


def test_backpropagation_gives_its_weights_and_statistics_to_the_network():
    images, labels = gratings(200, 32, 3, seed=0)
    order = np.random.default_rng(0).permutation(200)
    split = Split(images[order], labels[order])
    net = Run(rule="backprop", width=4, depth=2).network()
    before = [layer.weight.clone() for layer in net.layers]
    task = Task(split, split, split)
    options = {"epochs": 3, "seed": 0, "learned": False, "progress": False}
    assert backprop_accuracy(net, task, ProbeProtocol(), **options) > 2 / CLASSES
    assert all((layer.weight != weight).any() for layer, weight in zip(net.layers, before, strict=True))
    assert all((layer.norm.mean != 0).any() and (layer.norm.var != 1).any() for layer in net.layers)


@pytest.mark.parametrize("rule", ["backprop", "finetune"])  # ReLU, Triangle
def test_backpropagation_starts_from_what_the_network_computes(rule):
    net = Run(rule=rule, width=4).network()
    model = BackpropNet(net, 32).eval()
    model.classifier = torch.nn.Identity()
    x = torch.rand(4, 3, 32, 32)
    torch.testing.assert_close(model(x), extractor_of(net)(x)[-1], rtol=0.01, atol=0.05)  # the slope at 0 is bounded


def test_backpropagation_augments_where_the_probe_does(data, monkeypatch):
    seen = []
    monkeypatch.setattr(backprop, "augmented", lambda images, _: seen.append(len(images)) or images)
    task = load_task("cifar10")
    for augment in (False, True):
        net = Run(rule="backprop", width=4, depth=1).network()
        protocol = ProbeProtocol(augment=augment)
        backprop_accuracy(net, task, protocol, epochs=2, seed=0, learned=False, progress=False)
    assert sum(seen) == 2 * len(task.train)


def test_what_backpropagation_learned_is_kept(data, tmp_path):
    run = Run(rule="backprop", width=4, depth=1, labels=40, epochs=1)
    executing.execute(run, keep=tmp_path / "net.safetensors", progress=False)
    kept = hs.load(tmp_path / "net.safetensors")
    assert (kept.layers[0].weight != run.network().layers[0].weight).any()


def test_grid_search_measures_once_and_keeps_the_best(data, tmp_path, monkeypatch, capsys):
    stages = ({"learning_rate": (0.0, 0.05)}, {"kernel_size": (3, 5)})
    monkeypatch.setitem(grid.STAGES, "quick", stages)
    arguments = ["--data", "cifar10", "--width", "4", "--samples", "60", "--epochs", "2", "--output"]
    assert grid.main([*arguments, str(tmp_path / "grid.json")]) == 0
    measured = json.loads((tmp_path / "grid.json").read_text())["measured"]

    assert len(measured) == 4
    best = max(measured[:2], key=lambda one: one["accuracy"])
    assert all(one["layers"][0]["learning_rate"] == best["layers"][0]["learning_rate"] for one in measured[2:])
    assert "layer 1:" in capsys.readouterr().out


def test_pictures_of_a_kept_network(data, tmp_path, capsys):
    kept = tmp_path / "nets"
    arguments = ["cifar10", "--only", "stream", "--reduced", "--quiet", "--output", str(tmp_path), "--keep", str(kept)]
    assert command.main(arguments) == 0
    (checkpoint,) = kept.iterdir()
    assert (
        pictures.main([str(checkpoint), "--images", "20", "--neurons", "4", "--quiet", "--output", str(tmp_path)]) == 0
    )
    drawn = [Path(line.removeprefix("picture ")) for line in capsys.readouterr().out.splitlines()[1:]]
    assert {"embedding.png", "optimal-inputs-layer-3.png", "best-patches-layer-1.png"} <= {path.name for path in drawn}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)
    assert pictures.main([str(tmp_path / "none.safetensors"), "--output", str(tmp_path)]) == 1
