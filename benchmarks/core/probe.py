"""The paper's linear probe (appendix A.6.2), and Adam of the authors' code: dropout, a linear layer, cross-entropy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

import hebbstream as hs
from benchmarks.core.data import Split
from hebbstream.errors import ConfigurationError
from hebbstream.network._frames import merge_views, views

HALVINGS = (0.2, 0.35, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the epochs, where the rate halves
_HALF_MAX = torch.finfo(torch.float16).max
_CHUNK = 100  # images of one forward pass
# The 8 bits of a random byte, as factors of 8 features. F.dropout takes 6 to 20 times as long on a CPU.
_HALF_DROPPED = torch.tensor([[2.0 * (byte >> bit & 1) for bit in range(8)] for byte in range(256)])


@dataclass(frozen=True, slots=True)
class Protocol:
    """How the probe of a data set is trained."""

    epochs: int = 50
    batch: int = 64
    dropout: bool = True
    """Of half the features."""
    augment: bool = False
    """Crop after reflecting 4 pixels, and flip: features are then computed anew in each epoch."""


PROTOCOLS = {
    "cifar10": Protocol(),
    "mnist": Protocol(),
    "mnist-dense": Protocol(epochs=10, batch=32, dropout=False),
    "stl10": Protocol(epochs=100, augment=True),
    "imagenette": Protocol(epochs=200, augment=True),
    "imagenet160": Protocol(epochs=200, augment=True),
}


def as_input(images: Any) -> Tensor:
    """Return uint8 images (B, H, W, C) as a network's input (B, C, H, W) in [0, 1]."""
    return torch.tensor(images).permute(0, 3, 1, 2).float().div_(255)


Extractor = Callable[[Tensor], Sequence[Tensor]]
"""From an input (B, C, H, W) to every layer's output, flattened, (B, F) each."""


def extractor_of(net: hs.SoftHebbNet) -> Extractor:
    """Return what computes the outputs of a network's layers."""

    def outputs(x: Tensor) -> list[Tensor]:
        found = []
        x = views(x, net.mirror)
        for layer in net.layers:
            x = layer.forward(x).output
            found.append(merge_views(x.flatten(1), net.mirror))
        return found

    return outputs


@torch.no_grad()
def cached_features(
    extract: Extractor, split: Split, layers: Sequence[int], *, progress: bool = False
) -> dict[int, Tensor]:
    """Return the features that some layers (counted from 1) give every image, (N, F) each, in half precision.

    Features beyond its range, as weights that grow without bound give them, become its largest value.
    """
    stored: dict[int, Tensor] = {}
    with tqdm(total=len(split), desc="features", leave=False, disable=not progress) as bar:
        for start in range(0, len(split), _CHUNK):
            rows = extract(as_input(split.images[start : start + _CHUNK]))
            for layer in layers:
                if layer not in stored:
                    stored[layer] = torch.empty(len(split), rows[layer - 1].shape[1], dtype=torch.float16)
                if not rows[layer - 1].isfinite().all():
                    raise ConfigurationError(f"features of layer {layer}: expected finite values, the network diverged")
                stored[layer][start : start + _CHUNK] = rows[layer - 1].clamp(-_HALF_MAX, _HALF_MAX)
            bar.update(len(rows[-1]))
    return stored


def standardizer(features: Tensor) -> Callable[[Tensor], Tensor]:
    """Return what gives each feature the mean 0 and the deviation 1; those that hardly vary stay small."""
    parts = features.split(1_000)
    mean = torch.stack([part.float().sum(dim=0) for part in parts]).sum(dim=0) / len(features)
    squares = torch.stack([(part.float() - mean).square_().sum(dim=0) for part in parts]).sum(dim=0)
    deviation = (squares / len(features)).sqrt_()
    scale = 1 / (deviation + 0.05 * deviation.mean())
    return lambda x: (x.float() - mean).mul_(scale)


def augmented(images: Any, generator: np.random.Generator) -> Any:
    """Crop each image at random after reflecting 4 pixels, and flip every other one; (B, H, W, C) in and out."""
    height, width = images.shape[1:3]
    padded = np.pad(images, ((0, 0), (4, 4), (4, 4), (0, 0)), mode="reflect")
    result = np.empty_like(images)
    draws = generator.integers(0, (9, 9, 2), (len(images), 3))
    for index, (top, left, flip) in enumerate(draws):
        crop = padded[index, top : top + height, left : left + width]
        result[index] = crop[:, ::-1] if flip else crop
    return result


def half_dropped(x: Tensor) -> Tensor:
    """Zero half of the features at random and double the others, in place."""
    random = torch.randint(0, 256, (-(-x.numel() // 8),), dtype=torch.uint8)
    return x.mul_(_HALF_DROPPED[random.int()].flatten()[: x.numel()].view(x.shape))


def train_probe(
    batch_of: Callable[[Tensor], Tensor], labels: Any, protocol: Protocol, *, epochs: int, seed: int, progress: bool
) -> nn.Linear:
    """Train the classifier on ``batch_of(indices)``, the features (B, F) of some samples."""
    torch.manual_seed(seed)
    targets = torch.from_numpy(labels)
    model = nn.Linear(batch_of(torch.arange(2)).shape[1], int(targets.max()) + 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    scheduler = halving(optimizer, epochs)
    for _ in tqdm(range(epochs), desc="probe", leave=False, disable=not progress):
        for indices in torch.randperm(len(targets)).split(protocol.batch):
            x = batch_of(indices).float()
            optimizer.zero_grad()
            F.cross_entropy(model(half_dropped(x) if protocol.dropout else x), targets[indices]).backward()
            optimizer.step()
        scheduler.step()
    return model


def halving(optimizer: torch.optim.Optimizer, epochs: int) -> torch.optim.lr_scheduler.LRScheduler:
    """Return the paper's schedule of the rate."""
    return torch.optim.lr_scheduler.MultiStepLR(optimizer, [int(part * epochs) for part in HALVINGS], gamma=0.5)


@torch.no_grad()
def accuracy(model: Callable[[Tensor], Tensor], batch_of: Callable[[Tensor], Tensor], labels: Any) -> float:
    """Return the share of samples that the model gets right."""
    targets = torch.from_numpy(labels)
    hits = [
        (model(batch_of(indices).float()).argmax(dim=1) == targets[indices]).sum()
        for indices in torch.arange(len(targets)).split(500)
    ]
    return float(sum(hits)) / len(targets)


def probe_accuracy(net: hs.SoftHebbNet, train: Split, test: Split, epochs: int, seed: int) -> float:
    """Train the paper's linear probe on a network's features of CIFAR-10 and return its test accuracy."""
    extract, last = extractor_of(net), len(net.layers)
    features, test_features = (cached_features(extract, split, (last,))[last] for split in (train, test))
    scale = features[:5000].float().std()  # so that Adam's rate suits every set of features
    for values in (features, test_features):
        values.div_(scale)
    model = train_probe(
        features.__getitem__, train.labels, PROTOCOLS["cifar10"], epochs=epochs, seed=seed, progress=True
    )
    return accuracy(model, test_features.__getitem__, test.labels)
