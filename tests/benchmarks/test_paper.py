import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_data import CLASSES, gratings

import hebbstream as hs
from benchmarks.core.contenders import BackpropNet
from benchmarks.core.data import Split, Task, load_task
from benchmarks.core.probe import Protocol as ProbeProtocol
from benchmarks.core.probe import accuracy, as_input, augmented, extractor_of, half_dropped, train_probe
from benchmarks.paper import __main__ as command
from benchmarks.paper import backprop, grid, pictures, plots, store, tables
from benchmarks.paper import execute as executing
from benchmarks.paper.backprop import backprop_accuracy
from benchmarks.paper.experiments import EXPERIMENTS
from benchmarks.paper.learn import sample_order, steps
from benchmarks.paper.run import Run
from hebbstream.errors import ConfigurationError
from hebbstream.inspection import _report


@pytest.fixture
def data(small_data, monkeypatch):
    monkeypatch.setenv("HEBBSTREAM_DATA", str(small_data))
    executing._load.cache_clear()
    yield small_data
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


def test_a_stored_result_of_other_layers_is_said_to_be_measured_anew(data, tmp_path, capsys):
    arguments = ["mnist", "--protocol", "paper", "--only", "paper", "--reduced", "--quiet", "--output", str(tmp_path)]
    command.main(arguments)
    (result,) = store.load(tmp_path / "mnist.json")
    store.save(tmp_path / "mnist.json", {"runs": [result | {"layers": ["channels=1"]}]})
    assert "of other layers" not in capsys.readouterr().out
    command.main(arguments)
    assert "mnist.json: paper, width 6, seed 0 is of other layers, and is measured anew\n" in capsys.readouterr().out
    assert store.load(tmp_path / "mnist.json")[0]["layers"] == result["layers"]


def test_learned_features_beat_chance(data):
    run = Run(width=8, protocol="stream", epochs=20)
    assert executing.execute(run, progress=False)["test_accuracy"]["3"] > 2 / CLASSES


def test_one_seed_gives_one_result(data):
    run = Run(width=8, samples=20, labels=40, tested=40, epochs=1, seed=3)
    first, second = (executing.execute(run, progress=False) for _ in range(2))
    assert first["test_accuracy"] == second["test_accuracy"]
    assert first["median_norm"] == second["median_norm"]


def test_data_that_is_not_there_is_named(data, capsys, tmp_path):
    assert command.main(["imagenet160", "--reduced", "--quiet", "--output", str(tmp_path)]) == 1
    assert "train: expected folders" in capsys.readouterr().err
    with pytest.raises(ConfigurationError, match="no data set 'cifar'"):
        load_task("cifar")


def test_reduced_runs_are_not_stored(capsys):
    with pytest.raises(SystemExit):
        command.main(["order", "--reduced", "--uncommitted"])
    assert (
        "--reduced: its figures mean nothing; expected an --output outside benchmarks/results"
        in capsys.readouterr().err
    )


def test_a_run_of_no_such_name_is_refused(capsys, tmp_path):
    assert command.main(["cifar10", "--only", "straem", "--quiet", "--output", str(tmp_path)]) == 1
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


def stored(folder, name, seed, accuracy):
    run = Run(width=96, seed=seed)
    result = {"name": name, "run": run.described(), "layers": run.layers(), "test_accuracy": {"3": accuracy}}
    store.add(folder / "paper" / "cifar10.json", result | {"r1_fraction": [0.5, 0, 0.25]})


def test_tables_show_measured_beside_published(tmp_path, capsys):
    stored(tmp_path, "paper", 0, 0.7)
    stored(tmp_path, "paper", 1, 0.72)
    table = tables.table("cifar10", tmp_path)
    assert "| paper | 96 | 2 | 71.00 ± 1.41 | 50 / 0 / 25 | 80.31 ± 0.14 |" in table
    missing = tables.table("mnist", tmp_path)
    assert "| backprop |  |  | not run |  | 99.45 ± 0.02 |\n\nTo run it: `python -m benchmarks.paper mnist`" in missing
    assert tables.table("order", tmp_path) == "Not run: `python -m benchmarks.paper order`."
    plots.plot(tmp_path / "paper" / "cifar10.json")
    picture = tmp_path / "paper" / "cifar10.png"
    assert capsys.readouterr().out == f"picture {picture}\n"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_r1_features_of_all_layers_count_neurons(tmp_path):
    run = Run(width=8, width_factor=2)
    result = {"name": "paper", "run": run.described(), "layers": run.layers(), "test_accuracy": {"3": 0.5}}
    store.add(tmp_path / "cifar10.json", result | {"r1_fraction": [1.0, 0.5, 0.0]})
    (row,) = tables.rows_of(tmp_path / "cifar10.json")
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


def test_pictures_of_a_kept_network(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(_report, "load_umap", lambda: None)  # which compiles for long
    monkeypatch.setattr(_report, "embed", lambda features, seed: features[:, :2].numpy())
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
