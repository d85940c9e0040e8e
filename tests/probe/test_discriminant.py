"""`Discriminant`: what is solved through products of samples is what the covariance of features gives."""

import pytest
import torch

from hebbstream.probe._discriminant import Discriminant


@pytest.mark.parametrize(("features", "shrinkage"), [(6, 0.3), (60, 0.3), (60, 0.8)])
def test_it_is_the_solution_by_the_covariance(features, shrinkage):
    generator = torch.Generator().manual_seed(0)
    x = 3 + torch.randn(40, features, generator=generator, dtype=torch.float64)
    classes, weights = torch.randint(0, 4, (40,), generator=generator), 0.5 + torch.rand(40, generator=generator)
    rows = torch.arange(5, 40)
    rows = rows[classes[rows] != 2]  # a class without a sample
    found_weight, found_bias = Discriminant(x, classes, weights).solve(rows, shrinkage)

    apart, own = (x - x.mean(dim=0))[rows], classes[rows]
    counts = torch.stack([(own == number).sum() for number in (0, 1, 3)])
    means = torch.stack([apart[own == number].mean(dim=0) for number in (0, 1, 3)])
    within = apart - means[torch.searchsorted(torch.tensor([0, 1, 3]), own)]
    share = weights[rows].double() / weights[rows].double().sum()
    covariance = within.T @ (within * share.unsqueeze(1))
    variance = apart.square().mean()
    inverse = ((1 - shrinkage) * covariance + shrinkage * variance * torch.eye(features)).inverse()
    weight = means @ inverse
    bias = 0.5 * ((inverse @ covariance).trace() / counts - (weight * means).sum(dim=1)) - weight @ x.mean(dim=0)
    assert torch.allclose(found_weight, weight)
    assert torch.allclose(found_bias, bias)


def test_samples_that_are_all_the_same_lie_nowhere():
    features = 100 * torch.rand(1, 60, generator=torch.Generator().manual_seed(0)).repeat(20, 1)
    solver = Discriminant(features, torch.arange(20) % 2, torch.ones(20))
    weight, _ = solver.solve(torch.arange(20), 0.3)
    assert not weight.any()  # of the mean's rounding it would be in the millions
