"""The network as inference needs it: one convolution a layer, with everything linear folded into it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hebbstream.frames import merge_views, views
from hebbstream.layer import SoftHebbLayer
from hebbstream.network import SoftHebbNet
from hebbstream.probe import OnlineProbe
from hebbstream.spec import LayerSpec


class FoldedLayer(nn.Module):
    """A layer whose normalisation, and Triangle's mean subtraction, are part of its weights and bias.

    Both are exact. A per-channel affine map commutes with reflection padding, so ``conv(pad(x·s + b))`` is a
    convolution of ``pad(x)`` with scaled weights and a constant. Subtracting the mean over neurons is subtracting the
    mean of their weights.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, layer: SoftHebbLayer) -> None:
        super().__init__()
        self.spec = layer.spec
        weight = layer.weight.detach().double()
        bias = weight.new_zeros(weight.shape[0])
        if layer.norm is not None:
            scale, shift = (value.double().view(1, -1, 1, 1) for value in layer.norm.scale_and_shift())
            bias = (weight * shift).sum(dim=(1, 2, 3))
            weight = weight * scale
        if layer.spec.activation == "triangle":
            weight = weight - weight.mean(dim=0, keepdim=True)
            bias = bias - bias.mean()
        self.register_buffer("weight", weight.float().contiguous())
        self.register_buffer("bias", bias.float())

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, K, H', W')."""
        spec = self.spec
        if spec.kernel_size is None:
            x = x.flatten(1)[:, :, None, None]
        if p := spec.padding:
            x = F.pad(x, (p, p, p, p), mode="reflect")
        x = _activate(F.conv2d(x, self.weight, self.bias), spec)
        if spec.pool == "max":
            return F.max_pool2d(x, spec.pool_size, spec.pool_stride, spec.pool_padding)
        if spec.pool == "avg":
            return F.avg_pool2d(x, spec.pool_size, spec.pool_stride, spec.pool_padding)
        return x


class InferenceNet(nn.Module):
    """Frames to features, and to class probabilities where there is a probe; a frozen copy of both.

    Examples
    --------
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> frames = torch.rand(2, 3, 32, 32)
    >>> (features,) = InferenceNet(net)(frames)
    >>> expected = net.transform_many(frames)
    >>> bool((features - expected).abs().max() < 1e-4 * expected.max())
    True
    """

    def __init__(self, net: SoftHebbNet, probe: OnlineProbe | None = None) -> None:
        super().__init__()
        self.folded = nn.Sequential(*(FoldedLayer(layer) for layer in net.layers)).to(net.device)
        self.mirror = net.mirror
        self.head: nn.Linear | None = None
        if probe is not None:
            weight, bias = probe.affine()
            self.head = nn.Linear(weight.shape[1], weight.shape[0], device=weight.device)
            self.head.weight.data.copy_(weight)
            self.head.bias.data.copy_(bias)
        self.requires_grad_(False)

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        """(B, C, H, W) in [0, 1] to features (B, F), followed by probabilities (B, classes) if there is a probe."""
        features = merge_views(self.folded(views(frames, self.mirror)).flatten(1), self.mirror)
        if self.head is None:
            return (features,)
        return features, torch.softmax(self.head(features), dim=1)


def _activate(u: Tensor, spec: LayerSpec) -> Tensor:
    # Triangle is already centred, which leaves RePU.
    if spec.activation in ("triangle", "repu"):
        rectified = torch.relu(u)
        return rectified if spec.power == 1.0 else rectified**spec.power
    if spec.activation == "relu":
        return torch.relu(u)
    if spec.activation == "tanh":
        return torch.tanh(u)
    return torch.softmax(u * spec.activation_inverse_temperature, dim=1)
