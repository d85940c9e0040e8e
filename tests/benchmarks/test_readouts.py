import inspect

import numpy as np
import pytest
import torch

import hebbstream as hs
from benchmarks.core import run, store
from benchmarks.quality import readouts
from benchmarks.quality.readouts import KERNEL_PENALTY, Sums, kernel_scores, moved, pooled


@pytest.mark.parametrize("first", [0, 2])
def test_ridge_by_sums_is_ridge_by_least_squares(first):
    generator = torch.Generator().manual_seed(0)
    x = 1 + torch.randn(50, 6, generator=generator)
    y = torch.eye(3)[torch.randint(0, 3, (50,), generator=generator)]
    sums = Sums.nothing(6, 3)
    for part in (slice(20), slice(20, 50)):
        sums.add(x[part], y[part])
    weights, bias = sums.fitted(first, 0.1)
    kept = x[:, first:]
    rows = torch.cat([kept - kept.mean(0), (0.1 * 50) ** 0.5 * torch.eye(kept.shape[1])])
    targets = torch.cat([y - y.mean(0), torch.zeros(kept.shape[1], 3)])
    assert torch.allclose(weights, torch.linalg.lstsq(rows, targets).solution, atol=1e-5)
    assert torch.allclose((kept @ weights + bias).mean(0), y.mean(0), atol=1e-5)


def test_kernel_ridge_is_that_of_its_equation():
    rng = np.random.default_rng(0)
    x, test, labels = rng.normal(3, 1, (700, 30)), rng.normal(3, 1, (40, 30)), rng.integers(0, 3, 700)
    scores = kernel_scores(*(torch.tensor(part, dtype=torch.float32) for part in (x, np.eye(3)[labels], test)))
    apart = ((x[:, None] - x) ** 2).sum(2)
    targets = np.eye(3)[labels]
    kernel = np.exp(-apart / apart.mean())
    dual = np.linalg.solve(kernel + 700 * KERNEL_PENALTY * np.eye(700), targets - targets.mean(0))
    wanted = np.exp(-((test[:, None] - x) ** 2).sum(2) / apart.mean()) @ dual + targets.mean(0)
    assert np.abs(scores.numpy() - wanted).max() < 0.001


def test_features_are_averages_over_views():
    x = torch.arange(36.0).view(1, 1, 6, 6)
    assert [len(moved(x, shift)) for shift in (0, 2)] == [2, 8]
    assert torch.equal(moved(x, 0)[1], x.flip(3))
    assert torch.equal(moved(x, 2)[0][0, 0, 2:, 2:], x[0, 0, :4, :4])
    net = hs.SoftHebbNet.from_preset("pictures", width=4)
    picture = np.random.default_rng(0).integers(0, 255, (1, 32, 32, 3), dtype=np.uint8)
    first, mirrored = pooled(net, picture, 2), pooled(net, picture[:, :, ::-1].copy(), 2)
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(first, mirrored, strict=True))


def test_what_is_stored_goes_on():
    stored = [store.read(path)["settings"] for path in (run.RESULTS / "quality").glob("readouts*.json")]
    wanted = inspect.signature(readouts.measure).parameters.keys() - {"preset", "seed"}
    assert len(stored) > 1
    assert all(settings.keys() == wanted for settings in stored)
