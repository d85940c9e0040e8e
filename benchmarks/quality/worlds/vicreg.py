"""VICReg (Bardes et al. 2022) by backpropagation: two views of a frame should have like features, and frames unlike ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.core.probe import as_input

BATCH, _PROJECTED, _SETTLING = 32, 256, 3200
_LEAST = 0.3  # of a frame's area, in a view


@dataclass(frozen=True, slots=True)
class Settings:
    """How it learns; chosen on development worlds.

    Parameters
    ----------
    rate
        Of Adam.
    apart
        Frames between the two views: 0 for the same frame.
    spread, covariance
        Weights of the terms for deviations and for covariances; that of likeness is 25.
    """

    rate: float = 1e-4
    apart: int = 0
    spread: float = 25.0
    covariance: float = 1.0


def network(width: int, channels: int) -> nn.Sequential:
    """Return the architecture of the presets, with batch normalisation and ReLU."""
    stack: list[nn.Module] = []
    for index, (size, pool) in enumerate(
        ((5, nn.MaxPool2d(4, 2, 1)), (3, nn.MaxPool2d(4, 2, 1)), (3, nn.AvgPool2d(2)))
    ):
        out = width * 4**index
        conv = nn.Conv2d(channels, out, size, padding=size // 2, padding_mode="reflect", bias=False)
        stack += [conv, nn.BatchNorm2d(out), nn.ReLU(), pool]
        channels = out
    return nn.Sequential(*stack)


def view(x: Tensor, side: int) -> Tensor:
    """Return a random part of each frame, half of them mirrored, with another brightness, contrast and tint."""
    count, channels = x.shape[:2]
    scale = (_LEAST + (1 - _LEAST) * torch.rand(count)).sqrt()
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = scale * (2 * torch.randint(0, 2, (count,)) - 1), scale
    theta[:, :, 2] = (1 - scale).unsqueeze(1) * (2 * torch.rand(count, 2) - 1)
    grid = F.affine_grid(theta, [count, channels, side, side], align_corners=False)
    x = F.grid_sample(x, grid, align_corners=False, padding_mode="reflection")
    mean, light, contrast = x.mean((1, 2, 3), keepdim=True), torch.rand(count, 1, 1, 1), torch.rand(count, 1, 1, 1)
    tint = 0.2 * (torch.rand(count, channels, 1, 1) - 0.5)
    return ((x - mean) * (0.7 + 0.6 * contrast) + mean + 0.3 * (light - 0.5) + tint).clamp(0, 1)


def loss(a: Tensor, b: Tensor, settings: Settings) -> Tensor:
    """Return the three terms of equation 6 for the projections (B, P) of two views."""
    total = 25 * F.mse_loss(a, b)
    for z in (a, b):
        centred = z - z.mean(0)
        covariance = centred.t() @ centred / (len(z) - 1)
        off = covariance.square().sum() - covariance.diagonal().square().sum()
        total = total + settings.spread / 2 * F.relu(1 - (covariance.diagonal() + 1e-4).sqrt()).mean()
        total = total + settings.covariance * off / z.shape[1]
    return total


def batches(frames: np.ndarray[Any, Any], order: np.ndarray[Any, Any], apart: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield frames in an order, each with one that is so many frames later in the stream."""
    for start in range(0, len(order) - BATCH + 1, BATCH):
        at = order[start : start + BATCH]
        first = as_input(frames[at])
        yield first, as_input(frames[np.minimum(at + apart, len(frames) - 1)]) if apart else first


def learn(
    frames: np.ndarray[Any, Any], order: np.ndarray[Any, Any], side: int, width: int, seed: int, settings: Settings
) -> nn.Sequential:
    """Return a network that has learned from frames once."""
    torch.manual_seed(seed)
    net = network(width, frames.shape[-1])
    norm = nn.BatchNorm1d(_PROJECTED)
    head = nn.Sequential(nn.Linear(16 * width, _PROJECTED), norm, nn.ReLU(), nn.Linear(_PROJECTED, _PROJECTED))
    adam = torch.optim.Adam([*net.parameters(), *head.parameters()], settings.rate)
    for pair in batches(frames, order, settings.apart):
        a, b = (head(net(view(x, side)).mean((2, 3))) for x in pair)
        adam.zero_grad()
        loss(a, b, settings).backward()
        adam.step()
    return net


@torch.no_grad()
def settle(net: nn.Sequential, frames: np.ndarray[Any, Any]) -> None:
    """Give normalisation the statistics of the whole stream instead of what came last."""
    norms = [module for module in net if isinstance(module, nn.BatchNorm2d)]
    for module in norms:
        module.reset_running_stats()
        module.momentum = None  # an average over all batches
    at = np.random.default_rng(0).permutation(len(frames))[:_SETTLING]
    net.train()
    for start in range(0, len(at), BATCH):
        net(as_input(frames[at[start : start + BATCH]]))
    net.eval()


@torch.no_grad()
def features(net: nn.Sequential, frames: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return features of many frames."""
    parts = [net(as_input(frames[i : i + 50])).flatten(1) for i in range(0, len(frames), 50)]
    return torch.cat(parts).numpy()
