"""Whitening follows the exact second moments of a stream, in memory and out of it."""

import numpy as np
import pytest
import torch
from forge import contents

import hebbstream as hs
from hebbstream.errors import ConfigurationError
from hebbstream.rule import _fast as fast
from hebbstream.rule._normalize import StreamNorm
from hebbstream.rule._whiten import (
    ColorWhitening,
    PatchWhitening,
    StreamWhitening,
    _is_due,
    inverse_root,
    inverse_root_by_products,
)


def correlated(count, channels=6, seed=0):
    random = torch.Generator().manual_seed(seed)
    mixing = torch.randn(channels, channels, generator=random)
    x = torch.randn(count, channels, 5, 7, generator=random)
    return torch.einsum("dc,bchw->bdhw", mixing, x) + torch.arange(channels).view(-1, 1, 1)


def test_the_map_is_the_inverse_root_of_the_shrunk_correlations():
    norm, frames = StreamWhitening(6), correlated(40)
    for frame in frames:
        norm.learn(frame[None])
    pixels = frames.double().permute(1, 0, 2, 3).flatten(1)
    correlation = torch.corrcoef(pixels)
    values, vectors = torch.linalg.eigh((correlation + 0.1 * torch.eye(6, dtype=torch.float64)) / 1.1)
    matrix, shift = norm.affine()
    assert matrix.dtype == shift.dtype == torch.float64
    expected = vectors @ torch.diag(values**-0.5) @ vectors.T / pixels.std(dim=1)
    torch.testing.assert_close(matrix, expected, rtol=0.02, atol=0.02)  # the latest map is some samples old
    applied = torch.einsum("dc,bchw->bdhw", matrix, frames.double()) + shift.view(-1, 1, 1)
    torch.testing.assert_close(applied.float(), norm(frames))
    whitened = torch.corrcoef(norm(frames).permute(1, 0, 2, 3).flatten(1)) - torch.eye(6)
    assert whitened.abs().max() < 0.5 * (correlation - torch.eye(6)).abs().max()


@pytest.mark.parametrize("norm", [StreamNorm(2), StreamWhitening(2), PatchWhitening(2, (1, 1))])
def test_what_stays_far_from_0_has_no_variance(norm):
    x = torch.randn(2, 2, 7, 11, generator=torch.Generator().manual_seed(0))
    x[:, 1] = 98765.43
    moments = norm.moments(x)
    spread = torch.diag(moments.spread) if moments.spread.ndim == 1 else moments.spread
    assert moments.mean[1] == x[0, 1, 0, 0]
    assert not spread[1].any()
    torch.testing.assert_close(spread[0, 0], x[:, 0].var(correction=0))


@pytest.mark.parametrize("channels", [1, 3, 100])
def test_both_ways_find_the_inverse_root(channels):
    x = torch.randn(channels, 2 * channels, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    matrix = x @ x.t() / channels + 0.1 * torch.eye(channels, dtype=torch.float64)
    for way in (inverse_root, inverse_root_by_products):
        inverse = way(matrix)
        torch.testing.assert_close(inverse @ matrix @ inverse, torch.eye(channels, dtype=torch.float64))
        torch.testing.assert_close(inverse, inverse.t())


@pytest.mark.parametrize(
    ("norm", "shrinkage"),
    [
        (StreamWhitening(64), 0.1),
        (StreamWhitening(164), 0.6),
        (PatchWhitening(4, (5, 5)), 0.1),  # 100 values of a patch
        (ColorWhitening(2), 0.1),
    ],
)
def test_shrinkage_grows_with_channels_but_not_with_neighbours(norm, shrinkage):
    norm.learn(correlated(4, len(norm.mean) // 25 if isinstance(norm, PatchWhitening) else len(norm.mean)))
    scale = norm.covariance.diagonal().double().rsqrt()
    identity = torch.eye(len(scale), dtype=torch.float64)
    wanted = (norm.covariance * scale * scale.view(-1, 1) + shrinkage * identity) / (1 + shrinkage)
    inverse = norm.matrix.double() / scale
    torch.testing.assert_close(inverse @ wanted @ inverse, identity, atol=1e-3, rtol=0.0)


def test_uncorrelated_channels_are_standardised():
    norm = StreamWhitening(3)
    x = torch.randn(1, 3, 200, 200, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 5.0, 0.2]).view(
        3, 1, 1
    )
    torch.testing.assert_close(norm.learn(x).std(dim=(0, 2, 3)), torch.ones(3), rtol=0.02, atol=0.0)


def test_maps_are_made_often_at_first_and_then_now_and_again():
    made = [count for count in range(1, 5001) if _is_due(count, 1)]
    assert made[:4] == [1, 2, 3, 4]
    assert max(np.diff(made)) <= 500
    assert len(made) < 60
    assert [count for count in range(50, 5001, 50) if _is_due(count, 50)][-2:] == [4500, 5000]


def test_a_dense_layer_cannot_whiten():
    with pytest.raises(ConfigurationError, match="normalization='whiten': expected"):
        hs.LayerSpec(channels=4, kernel_size=None, pool="none", normalization="whiten")


def test_patches_are_whitened_as_pixels_of_more_channels_are():
    patch, pixel, frames = PatchWhitening(2, (3, 5)), StreamWhitening(30), correlated(20, channels=2)
    for frame in frames:
        padded = torch.nn.functional.pad(frame[None], (2, 2, 1, 1), mode="reflect")
        cut = torch.stack([padded[0, :, i : i + 5, j : j + 7] for i in range(3) for j in range(5)]).flatten(0, 1)
        expected = pixel.learn(cut[None])
        torch.testing.assert_close(patch.learn(frame[None]), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(patch(frames), torch.cat([patch(frame[None]) for frame in frames]))


def test_colours_are_told_apart_as_in_natural_pictures_whatever_a_stream_shows():
    natural = torch.tensor([[1.0, 0.92, 0.8], [0.92, 1.0, 0.92], [0.8, 0.92, 1.0]], dtype=torch.float64)
    maps = []
    for mixing in (torch.eye(3), torch.tensor([[3.0, 0.0, 0.0], [2.9, 0.5, 0.0], [0.0, 0.0, 0.1]])):
        norm = ColorWhitening(3)
        x = torch.randn(1, 3, 200, 200, generator=torch.Generator().manual_seed(0))
        norm.learn(torch.einsum("dc,bchw->bdhw", mixing, x) + 5)
        maps.append(norm.matrix.double() * norm.var.double().mean().sqrt())  # one scale, which follows the stream
        assert norm(torch.full((1, 3, 1, 1), 5.0)).abs().max() < 0.1  # and so do the means
    torch.testing.assert_close(*maps, rtol=1e-4, atol=1e-4)
    identity = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(maps[0] @ maps[0] @ (natural + 0.1 * identity) / 1.1, identity, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("channels", [1, 4])
def test_other_channels_than_three_are_whitened_by_the_stream(channels):
    colors, stream = ColorWhitening(channels), StreamWhitening(channels)
    for frame in correlated(5, channels):
        assert torch.equal(colors.learn(frame[None]), stream.learn(frame[None]))


def test_a_kernel_that_sees_hardly_more_than_a_level_learns_what_else_there_is():
    """Without whitening a few neurons win everywhere on a smooth signal, and the others stay as they were drawn."""
    generator = torch.Generator().manual_seed(0)
    signals = torch.randn(300, 1, 100, generator=generator).cumsum(dim=2)
    turned = {}
    for normalization in ("stream", "whiten_patches"):
        spec = hs.LayerSpec(
            channels=16, kernel_size=(1, 9), inverse_temperature=2.0, learning_rate=0.4, radius=1.5, momentum=1e-4,
            update_scale="running_max", pool_size=(1, 4), normalization=normalization,
        )  # fmt: skip
        net = hs.SoftHebbNet([spec], 1, input_range=None)
        before = net.layers[0].weight_matrix.clone()
        for signal in signals:
            net.learn_one(signal)
        turned[normalization] = 1 - torch.cosine_similarity(before, net.layers[0].weight_matrix).median().item()
    assert turned["whiten_patches"] > 2 * turned["stream"], turned


@pytest.mark.parametrize("engine", ["eager", "pipelined"])
def test_a_whitening_network_resumes_bit_for_bit(tmp_path, labelled, engine):
    def start():
        return hs.SoftHebbNet.from_preset("video", width=8, engine=engine)

    whole, parts = start(), hs.Learner(start(), callbacks=[hs.Checkpoint(tmp_path / "run")])
    hs.learn(whole, labelled[:60], progress=False)
    parts.learn(labelled[:60], limit=37, progress=False)
    hs.Learner.load(tmp_path / "run", callbacks=[hs.Checkpoint(tmp_path / "run")]).learn(
        labelled[:60], resume=True, progress=False
    )
    found = contents(tmp_path / "run")[1]
    for name, tensor in whole.state_dict().items():
        assert torch.equal(found[f"network/tensors/{name}"], tensor), name


def test_features_hardly_depend_on_the_latest_frames(labelled):
    """What a stream shows last moves statistics of the latest hundred frames, and those of all hardly."""

    def moved(preset):
        net = hs.SoftHebbNet.from_preset(preset, width=8)
        still = hs.SoftHebbNet([spec(layer) for layer in net.layers], 3)
        for sample in labelled[:300]:
            still.learn_one(sample.x)
        before = still.transform_one(labelled[0].x)
        for _ in range(60):
            still.learn_one(np.full((32, 32, 3), 200, np.uint8))
        return float((still.transform_one(labelled[0].x) - before).norm() / before.norm())

    def spec(layer):
        return hs.LayerSpec.from_dict({**vars_of(layer.spec), "learning_rate": 0.0})

    assert moved("video") < 0.5 * moved("cifar10")


def vars_of(spec):
    return {name: getattr(spec, name) for name in spec.__dataclass_fields__}


@pytest.mark.skipif(bool(fast.reason()), reason=fast.reason())
@pytest.mark.parametrize(("channels", "pixels"), [(1, 7), (3, 9001), (20, 50)])
def test_kernels_follow_and_whiten_as_torch_does(channels, pixels):
    kernels, norm, by_kernels = fast.kernels(), StreamWhitening(channels), StreamWhitening(channels)
    x = torch.randn(4, channels, 1, pixels, generator=torch.Generator().manual_seed(0)).cumsum(dim=1) + 3
    for each in x:
        norm.follow(norm.moments(each[None]))
        rows = each[:, 0].t().contiguous()
        statistics = (by_kernels.mean, by_kernels.var, by_kernels.count.view(1), by_kernels.covariance)
        kernels.follow_together(rows.numpy(), *(tensor.numpy() for tensor in statistics), norm.momentum, 1)
    for name in ("mean", "var", "count", "covariance"):
        torch.testing.assert_close(getattr(by_kernels, name), getattr(norm, name), rtol=1e-5, atol=1e-5)
    out = torch.empty(pixels + kernels.SHAPE.positions, channels)
    kernels.whiten(rows.numpy(), norm.mean.numpy(), norm.matrix.numpy(), out.numpy())
    torch.testing.assert_close(out[:pixels], norm(each[None])[0, :, 0].t(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("norm", [StreamNorm(2), StreamWhitening(2)])
def test_moments_of_no_sample_are_asked_for_without_an_error(norm):
    assert norm.moments(torch.zeros(0, 2, 3, 3)).samples == 0


@pytest.mark.parametrize(("channels", "told"), [(227, 0), (228, 1)])
def test_patches_of_so_many_values_that_a_step_takes_minutes_are_told(channels, told, caplog):
    PatchWhitening(channels, (1, 9), device="meta")
    found = [record.message for record in caplog.records]
    assert len(found) == told
    assert not told or found[0].startswith("patches of 228 channels are whitened, 2052 values each")
