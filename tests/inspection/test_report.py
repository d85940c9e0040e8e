import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from small import small_net

import hebbstream as hs
from hebbstream import errors, inspection
from hebbstream.cli._main import main
from hebbstream.clip import CLIP
from hebbstream.inspection import _canvas, _embedding, _figures
from hebbstream.inspection._fields import receptive_field

PNG = b"\x89PNG"


def state(net):
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}, net.samples_seen, net.frame_size


def test_an_embedding_follows_its_seed_and_keeps_clusters(monkeypatch):
    generator = np.random.default_rng(0)
    features = np.concatenate([generator.normal(5 * centre, 0.1, size=(20, 6)) for centre in range(2)])
    points = _embedding.embed(features, seed=3)
    assert points.shape == (40, 2)
    np.testing.assert_array_equal(points, _embedding.embed(torch.from_numpy(features), seed=3))
    assert not np.array_equal(points, _embedding.embed(features, seed=4))
    spread = points[:20].std() + points[20:].std()
    assert np.linalg.norm(points[:20].mean(axis=0) - points[20:].mean(axis=0)) > spread
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(errors.MissingDependencyError, match=r"hebbstream\[inspect\]"):
        _embedding.embed(features)


def test_the_untrained_twin_has_seen_the_frames_and_learned_nothing(net, frames):
    twin = _embedding.untrained_twin(net, frames[:20])
    for layer, fresh, learned in zip(twin.layers, small_net().layers, net.layers, strict=True):
        assert torch.equal(layer.weight, fresh.weight)
        assert not torch.equal(layer.weight, learned.weight)
    assert torch.equal(twin.layers[0].norm.mean, net.layers[0].norm.mean)


def test_inspection_changes_nothing(net, frames, tmp_path):
    before, *counters = state(net)
    generator = torch.random.get_rng_state()
    samples = [hs.Sample(frame, y=index % 2) for index, frame in enumerate(frames[:6])]
    inspection.summarize(net)
    inspection.observe(net, samples)
    inspection.write_report(net, tmp_path, samples, neurons=2)
    after, *counters_after = state(net)
    assert counters == counters_after
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert not any(tensor.requires_grad for tensor in net.state_dict().values())
    assert torch.equal(generator, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net: receptive_field(net, 2), "layer=2: expected an index from 0 to 1"),
        (lambda net: inspection.optimal_inputs(net, -1), "layer=-1"),
        (lambda net: inspection.optimal_inputs(net, 0, [1, 6]), r"neurons=\[6\]: expected indices from 0 to 5"),
        (lambda net: inspection.optimal_inputs(net, 0, []), r"neurons=\[\]"),
        (lambda net: inspection.optimal_inputs(net, 0, steps=0), "steps=0"),
        (lambda net: inspection.optimal_inputs(net, 0, contrast=-1.0), r"contrast=-1\.0"),
        (lambda net: inspection.best_patches(net, [], 0, top=0), "top=0"),
        (lambda net: _embedding.embed(np.full((9, 2), np.nan)), r"features of shape \(9, 2\)"),
    ],
)
def test_a_wrong_argument_is_quoted(net, call, message):
    with pytest.raises(errors.ConfigurationError, match=message):
        call(net)


@pytest.mark.parametrize(("count", "labelled"), [(1, 1), (3, 3), (4, 4), (8, 4), (3, 0)])
def test_too_few_labels_leave_out_the_embedding_alone(net, frames, tmp_path, caplog, count, labelled):
    samples = [hs.Sample(frame, y="a" if place < labelled else None) for place, frame in enumerate(frames[:count])]
    names = {path.name for path in inspection.write_report(net, tmp_path, samples, neurons=2)}
    assert {"norms.png", "receptive-fields.png", "best-patches-layer-1.png", "best-images-layer-2.png"} < names
    assert "embedding.png" not in names
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["no embedding"] * (labelled > 0)


def test_features_beyond_float32_leave_out_the_embedding_alone(frames, tmp_path, caplog):
    net = hs.SoftHebbNet([hs.LayerSpec(channels=4), hs.LayerSpec(channels=4, power=60.0)], 3)
    samples = [hs.Sample(frame, y=0) for frame in frames[:6]]
    assert not torch.isfinite(net.transform_many(frames[:6])).all()
    names = {path.name for path in inspection.write_report(net, tmp_path, samples, neurons=2)}
    assert {"norms.png", "best-images-layer-1.png"} < names
    assert "all finite" in caplog.text


def test_a_layer_that_does_not_learn_has_no_optimal_inputs(tmp_path):
    names = {
        path.name for path in inspection.write_report(hs.SoftHebbNet.from_preset("video", width=2), tmp_path, neurons=2)
    }
    assert {name for name in names if "optimal" in name} == {"optimal-inputs-layer-1.png"}


def test_a_net_of_plain_vectors_has_only_norms_to_draw(tmp_path):
    net = hs.SoftHebbNet([hs.LayerSpec(channels=4, kernel_size=None, pool="none")], 7, input_size=1, input_range=None)
    assert [path.name for path in inspection.write_report(net, tmp_path)] == ["norms.png"]
    assert inspection.optimal_inputs(net, 0, steps=30).pictures.shape == (4, 1, 1, 7)


def test_the_command_writes_what_it_names(net, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    net.layers[1].weight_matrix[9] = net.layers[1].weight_matrix[0]
    net.save("run.safetensors")
    labels = str(CLIP.with_suffix(".json"))
    arguments = ["--source", str(CLIP), "--stride", "40", "--limit", "12", "--labels", labels, "--quiet"]
    assert main(["inspect", "run.safetensors", *arguments, "--report", "out", "--neurons", "4"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[3].split()[:5] == ["2", "10", "54", "0.0%", "1"]  # one duplicate
    assert "on 12 frames" in out
    assert "silent" in out
    layers = [
        f"{kind}-layer-{layer}.png" for layer in (1, 2) for kind in ("optimal-inputs", "best-patches", "best-images")
    ]
    names = ["norms.png", "embedding.png", "receptive-fields.png", *layers]
    assert [line for line in out.splitlines() if line.startswith("picture")] == [
        f"picture out/{name}" for name in names
    ]
    assert sorted(path.name for path in Path("out").iterdir()) == sorted(names)
    assert all((Path("out") / name).read_bytes().startswith(PNG) for name in names)

    arguments[arguments.index("--limit") + 1] = "3"
    assert main(["inspect", "run.safetensors", *arguments, "--report", "few", "--neurons", "4"]) == 0
    assert sorted(path.name for path in Path("few").iterdir()) == sorted(set(names) - {"embedding.png"})
    told = capsys.readouterr()
    assert "embedding" not in told.out
    assert "no embedding: features of shape (3, " in told.err

    assert main(["inspect", "run.safetensors"]) == 0
    assert capsys.readouterr().out.endswith("nothing was written\n")
    assert main(["inspect", "run.safetensors", "--labels", labels]) == 1
    assert "expected --source" in capsys.readouterr().err


def test_a_legend_shows_labels_as_they_are(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(_figures, "save_figure", lambda figure, path: drawn.append(figure) or path)
    labels = ["$\\frac{$", "_hidden", "a\nb"]
    _figures.plot_embedding([("after", np.zeros((3, 2)))], labels, tmp_path / "e.png")
    drawn[0].canvas.draw()  # what is no formula would be an error
    (legend,) = drawn[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["$\\frac{$", "_hidden", "a\\nb"]


def test_labels_in_other_scripts_are_drawn_with_a_font_that_has_them(tmp_path, monkeypatch):
    monkeypatch.setattr(_canvas, "_OTHER_SCRIPTS", ("not installed", "STIXGeneral"))
    # Matplotlib's own font lacks the second, and a warning, which is an error here, would say so.
    _figures.plot_embedding([("after", np.zeros((2, 2)))], ["a", "\u20dd"], tmp_path / "e.png")
    assert _canvas.families() == ["sans-serif", "STIXGeneral"]
