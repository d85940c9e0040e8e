import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import hebbstream as hs
from hebbstream import errors, inspection
from hebbstream.cli import main
from hebbstream.clip import CLIP
from hebbstream.inspection import _embedding as embedding
from hebbstream.inspection import _forward as forward

PNG = b"\x89PNG"


def small_net(**changes):
    """Return two layers, the first pooled, of every kind of arithmetic that inspection goes through."""
    first = {"channels": 6, "kernel_size": 5, "power": 0.7, "pool_size": 4, "pool_stride": 2, "pool_padding": 1}
    return hs.SoftHebbNet([hs.LayerSpec(**(first | changes)), hs.LayerSpec(channels=10, kernel_size=3)], 3, seed=0)


@pytest.fixture
def net(frames):
    net = small_net()
    for frame in frames[:20]:
        net.learn_one(frame)
    return net


def plant(net, layer, neuron, weights):
    net.layers[layer].weight_matrix[neuron] = weights


def state(net):
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}, net.samples_seen, net.frame_size


# summary


def test_duplicates_are_counted_in_one_direction_only(net):
    assert [layer.duplicates for layer in inspection.summarize(net)] == [0, 0]
    weights = net.layers[0].weight_matrix
    plant(net, 0, 3, 0.2 * weights[1])
    plant(net, 0, 5, 3 * weights[1])
    plant(net, 0, 4, -weights[0])  # the opposite is no copy
    assert [layer.duplicates for layer in inspection.summarize(net)] == [2, 0]


def test_duplicates_are_the_same_in_blocks(monkeypatch):
    weights = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    directions = weights / weights.norm(dim=1, keepdim=True)
    expected = sum(any(directions[i] @ directions[j] >= 0.95 for j in range(i)) for i in range(50))
    assert 0 < expected < 49
    for block in (1, 7, 1024):
        monkeypatch.setattr(inspection._summary, "_BLOCK", block)
        assert inspection.count_duplicates(weights) == expected
    assert inspection.count_duplicates(torch.zeros(4, 3)) == 0


@pytest.mark.parametrize("layer", [0, 1])
def test_activity_against_a_count_by_hand(net, frames, layer):
    x = torch.from_numpy(frames[:3]).permute(0, 3, 1, 2) / 255
    for before in net.layers[:layer]:
        x = before.forward(x).output
    neurons = net.layers[layer].spec.channels
    u = forward.weigh(net.layers[layer], x).permute(0, 2, 3, 1).reshape(-1, neurons)
    activity = inspection.observe(net, frames[:3])[layer]
    assert activity.positions == 3 * (32 // 2**layer) ** 2
    assert activity.wins.tolist() == [int((u.argmax(dim=1) == k).sum()) for k in range(neurons)]
    assert activity.active.tolist() == pytest.approx((u > u.mean(dim=1, keepdim=True)).float().mean(dim=0).tolist())
    assert activity.winner_share == pytest.approx(float(torch.softmax(u, dim=1).max(dim=1).values.mean()), rel=1e-4)
    share = (activity.wins.double() / activity.positions).clamp(min=1e-300)
    assert activity.win_entropy == pytest.approx(float(-(share * share.log()).sum() / np.log(neurons)), rel=1e-5)


def test_a_neuron_that_always_loses_is_dead_and_one_without_weights_is_silent_too(frames):
    net = small_net(activation="repu", normalization="none")
    weights = net.layers[0].weight_matrix
    plant(net, 0, 1, -weights[0])  # one of these two is above zero wherever there is light
    plant(net, 0, 4, 0.0)
    plant(net, 0, 5, 0.5 * weights[0])
    activity = inspection.observe(net, frames[:5])[0]
    assert activity.wins[4] == activity.wins[5] == 0
    assert activity.active[4] == 0
    assert activity.active[5] > 0
    assert activity.dead == int((activity.wins == 0).sum()) < 6
    assert activity.silent == 1


def test_an_empty_stream_is_refused(net):
    with pytest.raises(errors.EmptyStreamError):
        inspection.observe(net, [])
    with pytest.raises(errors.EmptyStreamError):
        inspection.best_patches(net, [], 0)


# receptive fields and optimal inputs


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_the_receptive_field_is_where_the_gradient_is_not_zero(layer):
    pools = [(4, 2, 1), (3, 3, 0), (2, 1, 0)]
    specs = [
        hs.LayerSpec(channels=3, activation="tanh", radius=0.1, pool="avg", pool_size=n, pool_stride=s, pool_padding=p)
        for n, s, p in pools
    ]
    net = hs.SoftHebbNet(specs, 2, seed=0)
    x = torch.rand(1, 2, 60, 60, requires_grad=True)
    u = forward.weigh(net.layers[layer], forward.run_before(net, x, layer))
    row, column = u.shape[2] // 2, u.shape[3] // 2 + 1
    (gradient,) = torch.autograd.grad(u[0, 0, row, column], x)
    rows, columns = gradient.abs().sum(dim=(0, 1)).nonzero().T
    field = inspection.receptive_field(net, layer)
    top, left = field.corner(row, column)
    assert (int(rows.min()), int(columns.min())) == (top, left)
    assert (int(rows.max()) + 1, int(columns.max()) + 1) == (top + field.height, left + field.width)


def test_a_dense_layer_sees_the_whole_frame():
    specs = [hs.LayerSpec(channels=3), hs.LayerSpec(channels=4, kernel_size=None, pool="none")]
    net = hs.SoftHebbNet(specs, 1, input_size=(8, 10))
    assert inspection.receptive_field(net, 1) == inspection.ReceptiveField(8, 10, 1, 0)
    found = inspection.optimal_inputs(net, 1, [2], steps=3)
    assert found.pictures.shape == (1, 8, 10, 1)


@pytest.mark.parametrize("activation", ["triangle", "repu", "relu", "tanh", "softmax"])
@pytest.mark.parametrize("pool", ["max", "avg", "none"])
def test_the_open_forward_pass_is_the_networks_own(frames, activation, pool):
    net = small_net(activation=activation, pool=pool)
    plant(net, 0, 2, 0.0)  # exactly zero, where the derivative of a power below 1 is infinite
    x = forward.read_frame(net, frames[0])
    expected = net.transform_one(frames[0])
    largest = float(expected.abs().max())
    for gradients in (True, False):
        with torch.set_grad_enabled(gradients):
            features = forward.run_before(net, x.requires_grad_(gradients), 2).flatten()
        assert float((features.detach() - expected).abs().max()) < 1e-5 * largest
        if gradients:
            assert torch.autograd.grad(features.sum(), x)[0].isfinite().all()


def test_the_optimal_input_of_a_first_layer_neuron_is_its_weights(net):
    found = inspection.optimal_inputs(net, 0)
    assert 0 <= float(found.pictures.min()) < float(found.pictures.max()) <= 1
    for neuron, picture in zip(found.neurons, found.pictures, strict=True):
        # the normalisation divides each channel by its deviation
        weights = (net.layers[0].weight[neuron] * net.layers[0].norm.scale_and_shift()[0].view(-1, 1, 1)).flatten()
        deviation = picture.permute(2, 0, 1) - net.layers[0].norm.mean.view(-1, 1, 1)
        assert float(torch.cosine_similarity(weights, deviation.flatten(), dim=0)) > 0.9


def test_optimal_inputs_excite_their_neurons_more_than_any_patch_of_the_stream(net, frames):
    found = inspection.optimal_inputs(net, 1, [0, 3, 7])
    field = inspection.receptive_field(net, 1)
    pad = 2 * field.height
    for neuron, picture, response in zip(found.neurons, found.pictures, found.responses, strict=True):
        # somewhere in a large frame a position sees just the picture
        position = (pad - field.start) // field.stride
        top, _ = field.corner(position, position)
        frame = torch.rand(5 * field.height, 5 * field.height, 3)
        frame[top : top + field.height, top : top + field.height] = picture
        u = forward.weigh(net.layers[1], forward.run_before(net, forward.read_frame(net, frame), 1))
        assert float(u[0, neuron, position, position]) == pytest.approx(float(response), rel=1e-3)
        natural = max(
            float(
                forward.weigh(net.layers[1], forward.run_before(net, forward.read_frame(net, frame), 1))[
                    0, neuron
                ].max()
            )
            for frame in frames[:10]
        )
        assert float(response) > natural


def test_optimal_inputs_follow_the_seed_and_the_contrast(net):
    found = [inspection.optimal_inputs(net, 1, [4], steps=5, seed=seed).pictures for seed in (0, 0, 1)]
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    faint = inspection.optimal_inputs(net, 1, [4], steps=5, contrast=0.05).pictures - net.layers[0].norm.mean
    assert float(faint.square().mean().sqrt()) == pytest.approx(0.05, rel=1e-3)


# best patches


def test_best_patches_against_brute_force(net, frames):
    neurons, top = [1, 8], 4
    best = inspection.best_patches(net, frames[:30], 1, neurons, top=top)
    field = best.field
    for row, neuron in enumerate(neurons):
        found = []
        for index, frame in enumerate(frames[:30]):
            u = forward.weigh(net.layers[1], forward.run_before(net, forward.read_frame(net, frame), 1))[0]
            response = (u - u.mean(dim=0))[neuron]
            place = int(response.argmax())
            found.append((float(response.max()), index, place // 16, place % 16))
        found.sort(reverse=True)
        assert best.responses[row].tolist() == pytest.approx([value for value, *_ in found[:top]], rel=1e-4)
        assert best.frames[row].tolist() == [index for _, index, *_ in found[:top]]
        assert best.corners[row].tolist() == [list(field.corner(y, x)) for *_, y, x in found[:top]]
        for column, (_, index, y, x) in enumerate(found[:top]):
            top_row, left = field.corner(y, x)
            framed = np.pad(frames[index] / 255, ((20, 20), (20, 20), (0, 0)), constant_values=0.5)
            expected = framed[top_row + 20 :, left + 20 :][: field.height, : field.width]
            np.testing.assert_allclose(best.patches()[row, column], expected, atol=1e-6)
    assert set(best.images) == set(best.frames.flatten().tolist())  # nothing else is held


def test_best_frames_lie_apart(net):
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(40, 12, 12, 3, generator=generator)
    best = inspection.best_patches(net, frames, 0, top=3, apart=10)
    for row in best.frames:
        assert np.diff(sorted(row.tolist())).min() >= 10
    single = inspection.best_patches(net, frames, 0, top=1)
    assert torch.equal(best.responses[:, 0], single.responses[:, 0])  # the very best is never lost


def test_a_short_stream_leaves_places_empty(net, frames):
    best = inspection.best_patches(net, frames[:2], 0, [0], top=4)
    assert best.frames[0, 2:].tolist() == [-1, -1]
    assert (best.patches()[0, 2:] == 0.5).all()


# embedding


def test_an_embedding_follows_its_seed_and_keeps_clusters(monkeypatch):
    generator = np.random.default_rng(0)
    features = np.concatenate([generator.normal(5 * centre, 0.1, size=(20, 6)) for centre in range(2)])
    points = inspection.embed(features, seed=3)
    assert points.shape == (40, 2)
    np.testing.assert_array_equal(points, inspection.embed(torch.from_numpy(features), seed=3))
    assert not np.array_equal(points, inspection.embed(features, seed=4))
    spread = points[:20].std() + points[20:].std()
    assert np.linalg.norm(points[:20].mean(axis=0) - points[20:].mean(axis=0)) > spread
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(errors.MissingDependencyError, match=r"hebbstream\[inspect\]"):
        embedding.embed(features)


def test_the_untrained_twin_has_seen_the_frames_and_learned_nothing(net, frames):
    twin = inspection.untrained_twin(net, frames[:20])
    for layer, fresh, learned in zip(twin.layers, small_net().layers, net.layers, strict=True):
        assert torch.equal(layer.weight, fresh.weight)
        assert not torch.equal(layer.weight, learned.weight)
    assert torch.equal(twin.layers[0].norm.mean, net.layers[0].norm.mean)


# everything together


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
        (lambda net: inspection.receptive_field(net, 2), "layer=2: expected an index from 0 to 1"),
        (lambda net: inspection.optimal_inputs(net, -1), "layer=-1"),
        (lambda net: inspection.optimal_inputs(net, 0, [1, 6]), r"neurons=\[6\]: expected indices from 0 to 5"),
        (lambda net: inspection.optimal_inputs(net, 0, []), r"neurons=\[\]"),
        (lambda net: inspection.optimal_inputs(net, 0, steps=0), "steps=0"),
        (lambda net: inspection.optimal_inputs(net, 0, contrast=-1.0), r"contrast=-1\.0"),
        (lambda net: inspection.best_patches(net, [], 0, top=0), "top=0"),
        (lambda net: inspection.count_duplicates(torch.eye(2), 1.5), r"cosine=1\.5"),
        (lambda net: inspection.embed(np.full((9, 2), np.nan)), r"features of shape \(9, 2\)"),
    ],
)
def test_a_wrong_argument_is_quoted(net, call, message):
    with pytest.raises(errors.ConfigurationError, match=message):
        call(net)


def test_a_net_of_plain_vectors_has_only_norms_to_draw(tmp_path):
    net = hs.SoftHebbNet([hs.LayerSpec(channels=4, kernel_size=None, pool="none")], 7, input_size=1, input_range=None)
    assert [path.name for path in inspection.write_report(net, tmp_path)] == ["norms.png"]
    assert inspection.optimal_inputs(net, 0, steps=30).pictures.shape == (4, 1, 1, 7)


def test_the_command_writes_what_it_names(net, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    plant(net, 1, 9, net.layers[1].weight_matrix[0])
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

    assert main(["inspect", "run.safetensors"]) == 0
    assert capsys.readouterr().out.endswith("nothing was written\n")
    assert main(["inspect", "run.safetensors", "--labels", labels]) == 1
    assert "expected --source" in capsys.readouterr().err
