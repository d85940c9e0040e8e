import pytest
import torch

from benchmarks.quality.readouts import Sums


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
