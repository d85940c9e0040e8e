"""What a SoftHebb step is measured against: backpropagation on the same network, and the authors' public demo."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import hebbstream as hs


class BackpropNet(nn.Module):
    """The same layers, trained by backpropagation: batch norm, convolution, activation, pooling; a linear classifier."""

    def __init__(self, net: hs.SoftHebbNet, side: int, classes: int = 10, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.specs = [layer.spec for layer in net.layers]
        self.norms = nn.ModuleList(nn.BatchNorm2d(layer.in_channels, affine=False) for layer in net.layers)
        self.weights = nn.ParameterList(
            nn.Parameter(layer.weight.detach().clone(memory_format=torch.channels_last)) for layer in net.layers
        )
        channels, height, width = net.output_shape(side, side)
        self.classifier = nn.Linear(channels * height * width, classes)
        self.to(net.device)

    def forward(self, x: Tensor) -> Tensor:
        for spec, norm, weight in zip(self.specs, self.norms, self.weights, strict=True):
            if spec.kernel_size is None:
                x = x.flatten(1)[:, :, None, None]
            if spec.normalization != "none":
                x = norm(x)
            above, left = spec.padding
            if above or left:
                x = F.pad(x, (left, left, above, above), mode="reflect")
            u = F.conv2d(x, weight)
            if spec.activation == "softmax":
                x = torch.softmax(spec.activation_inverse_temperature * u, dim=1)
            elif spec.activation == "relu":
                x = torch.relu(u)
            else:  # Triangle; a power below 1 has an infinite slope at 0
                x = torch.relu(u - u.mean(dim=1, keepdim=True))
                x = x if spec.power == 1.0 else (x + 1e-6) ** spec.power
            if spec.pool == "max":
                x = F.max_pool2d(x, spec.pool_size, spec.pool_stride, spec.pool_padding)
            elif spec.pool == "avg":
                x = F.avg_pool2d(x, spec.pool_size, spec.pool_stride, spec.pool_padding)
        x = F.dropout(x.flatten(1), self.dropout, self.training)
        return self.classifier(x)  # type: ignore[no-any-return]


class BackpropStep:
    """One training step: forward, cross-entropy, backward, SGD."""

    def __init__(self, net: hs.SoftHebbNet, side: int) -> None:
        self.model = BackpropNet(net, side)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-4)

    def __call__(self, x: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        labels = torch.arange(len(x), device=x.device) % 10
        F.cross_entropy(self.model(x), labels).backward()
        self.optimizer.step()


class PeerStep:
    """The layers of the authors' demo (NeuromorphicComputing/SoftHebb, demo.py), with its rate rule applied by hand.

    Its own scheduler no longer runs on a current torch. The demo is for 3 channels; for another number the first block
    is made again with it.
    """

    rates = (0.08, 0.005, 0.01)

    def __init__(self, clone: Path, channels: int = 3) -> None:
        demo: Any = _load(clone / "demo.py")
        self.model: Any = demo.DeepSoftHebb().train()
        self.model.classifier = self.model.dropout = nn.Identity()
        if channels != 3:
            first = {"in_channels": channels, "out_channels": 96, "kernel_size": 5, "padding": 2, "t_invert": 1}
            self.model.bn1, self.model.conv1 = nn.BatchNorm2d(channels, affine=False), demo.SoftHebbConv2d(**first)

    @torch.no_grad()
    def __call__(self, x: Tensor) -> None:
        self.model(x)
        for convolution, rate in zip((self.model.conv1, self.model.conv2, self.model.conv3), self.rates, strict=True):
            weight = convolution.weight
            norms = weight.flatten(1).norm(dim=1)
            weight.add_((rate * ((norms - 1).abs() + 1e-10).sqrt()).view(-1, 1, 1, 1) * weight.grad)


def _load(path: Path) -> ModuleType:
    if not path.is_file():
        sys.exit(f"no {path}: --peer expects a clone of NeuromorphicComputing/SoftHebb")
    stub: Any = ModuleType("torchvision")  # which the demo needs only to read CIFAR-10
    stub.datasets = SimpleNamespace(CIFAR10=object)
    spec = importlib.util.spec_from_file_location("softhebb_demo", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with patch.dict(sys.modules, {"torchvision": stub}):
        spec.loader.exec_module(module)
    return module
