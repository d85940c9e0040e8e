import pytest
import torch
from small import pixels, small_net, weighted_input

import hebbstream as hs
from hebbstream import inspection
from hebbstream.errors import ConfigurationError
from hebbstream.inspection._fields import ReceptiveField, receptive_field
from hebbstream.inspection._forward import differentiable_forward, forward_frame


@pytest.mark.parametrize("average", [1, (2, 3)])
@pytest.mark.parametrize("kernel", [3, (1, 5)])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_the_receptive_field_is_where_the_gradient_is_not_zero(layer, kernel, average):
    pools = [(kernel, 4, 2, 1), (3, (3, 2), (3, 1), 0), ((1, 3), (2, 4), 1, (0, 2))]
    specs = [
        hs.LayerSpec(
            channels=3,
            kernel_size=k,
            activation="tanh",
            radius=0.1,
            pool="avg",
            pool_size=n,
            pool_stride=s,
            pool_padding=p,
            average_size=average if at == 0 else 1,
        )
        for at, (k, n, s, p) in enumerate(pools)
    ]
    net = hs.SoftHebbNet(specs, 2, seed=0)
    x = torch.rand(1, 2, 60, 60, requires_grad=True)
    u = weighted_input(net, x, layer)
    row, column = u.shape[2] // 2, u.shape[3] // 2 + 1
    (gradient,) = torch.autograd.grad(u[0, 0, row, column], x)
    rows, columns = gradient.abs().sum(dim=(0, 1)).nonzero().T
    field = receptive_field(net, layer)
    top, left = field.corner(row, column)
    assert (int(rows.min()), int(columns.min())) == (top, left)
    assert (int(rows.max()) + 1, int(columns.max()) + 1) == (top + field.height, left + field.width)


def test_a_dense_layer_sees_the_whole_frame():
    specs = [hs.LayerSpec(channels=3), hs.LayerSpec(channels=4, kernel_size=None, pool="none")]
    net = hs.SoftHebbNet(specs, 1, input_size=(8, 10))
    assert receptive_field(net, 1) == ReceptiveField(8, 10, (1, 1), (0, 0))
    found = inspection.optimal_inputs(net, 1, [2], steps=3)
    assert found.pictures.shape == (1, 8, 10, 1)


@pytest.mark.parametrize("activation", ["triangle", "repu", "relu", "tanh", "softmax"])
@pytest.mark.parametrize("pool", ["max", "avg", "none"])
def test_the_differentiable_forward_pass_is_the_networks_own(frames, activation, pool):
    net = small_net(activation=activation, pool=pool)
    net.layers[0].weight_matrix[2] = 0.0  # exactly zero, where the derivative of a power below 1 is infinite
    expected = net.transform_one(frames[0])
    x = pixels(frames[:1]).requires_grad_()
    features = differentiable_forward(net.layers, x).flatten()
    assert float((features.detach() - expected).abs().max()) < 1e-5 * float(expected.abs().max())
    assert torch.autograd.grad(features.sum(), x)[0].isfinite().all()


def test_the_differentiable_forward_pass_averages_over_time_and_scales(frames):
    first = hs.LayerSpec(channels=6, average_size=(1, 2), unit_length=True)
    net = hs.SoftHebbNet([first, hs.LayerSpec(channels=6, pool="time_avg", pool_size=4, unit_length=True)], 3)
    features = differentiable_forward(net.layers, pixels(frames[:1])).flatten()
    torch.testing.assert_close(features, net.transform_one(frames[0]), rtol=1e-4, atol=1e-5)


def test_above_an_average_over_time_a_neuron_sees_the_whole_width():
    specs = [hs.LayerSpec(channels=3, pool="time_avg"), hs.LayerSpec(channels=4, kernel_size=(3, 1), pool="none")]
    assert receptive_field(hs.SoftHebbNet(specs, 1, input_size=(8, 10)), 1) == ReceptiveField(8, 10, (1, 1), (0, 0))
    assert receptive_field(hs.SoftHebbNet(specs, 1), 0).width == 3
    with pytest.raises(ConfigurationError, match="layer 2 sees frames of any width"):
        receptive_field(hs.SoftHebbNet(specs, 1), 1)


def test_the_forward_pass_of_a_frame_is_the_networks_own(net, frames):
    passes = forward_frame(net, frames[0])
    assert torch.equal(passes[-1][1].output.flatten(), net.transform_one(frames[0]))
    again = forward_frame(net, frames[1], 1, passes)
    assert len(again) == 1
    assert again[0][2] is passes[0][2]  # its memory


def test_the_optimal_input_of_a_first_layer_neuron_is_its_weights(net):
    found = inspection.optimal_inputs(net, 0)
    assert 0 <= float(found.pictures.min()) < float(found.pictures.max()) <= 1
    for neuron, picture in zip(found.neurons, found.pictures, strict=True):
        # the normalisation divides each channel by its deviation
        weights = (net.layers[0].weight[neuron] * net.layers[0].norm.affine()[0].diagonal().view(-1, 1, 1)).flatten()
        deviation = picture.permute(2, 0, 1) - net.layers[0].norm.mean.view(-1, 1, 1)
        assert float(torch.cosine_similarity(weights, deviation.flatten(), dim=0)) > 0.9


def test_optimal_inputs_excite_their_neurons_more_than_any_patch_of_the_stream(net, frames):
    found = inspection.optimal_inputs(net, 1, [0, 3, 7])
    field = receptive_field(net, 1)
    pad = 2 * field.height
    for neuron, picture, response in zip(found.neurons, found.pictures, found.responses, strict=True):
        # somewhere in a large frame a position sees just the picture
        position = (pad - field.start[0]) // field.stride[0]
        top, _ = field.corner(position, position)
        frame = torch.rand(5 * field.height, 5 * field.height, 3)
        frame[top : top + field.height, top : top + field.height] = picture
        u = weighted_input(net, frame.permute(2, 0, 1)[None], 1)
        assert float(u[0, neuron, position, position]) == pytest.approx(float(response), rel=1e-3)
        assert response > weighted_input(net, pixels(frames[:10]), 1)[:, neuron].max()


def test_optimal_inputs_follow_the_seed_and_the_contrast(net):
    found = [inspection.optimal_inputs(net, 1, [4], steps=5, seed=seed).pictures for seed in (0, 0, 1)]
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    faint = inspection.optimal_inputs(net, 1, [4], steps=5, contrast=0.05).pictures - net.layers[0].norm.mean
    assert float(faint.square().mean().sqrt()) == pytest.approx(0.05, rel=1e-3)
