"""What neurons find in a stream: the frames, and the patches of them, that excite each neuron most."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hebbstream._bar import progress_bar
from hebbstream._numbers import as_index
from hebbstream._quote import quote
from hebbstream.errors import ConfigurationError, EmptyStreamError
from hebbstream.inspection._fields import ReceptiveField, receptive_field
from hebbstream.inspection._forward import forward_frame
from hebbstream.inspection._neurons import check_neurons
from hebbstream.learning._arguments import checked_stream
from hebbstream.network._layer import SoftHebbLayer
from hebbstream.network._network import SoftHebbNet
from hebbstream.network._parts import Forward
from hebbstream.network._spec import LARGEST_SIZE
from hebbstream.rule._activation import prepare
from hebbstream.streams._sample import Sample

_OUTSIDE = 0.5  # what a patch shows beyond the frame


@dataclass(frozen=True, slots=True)
class BestPatches:
    """The frames that excited some neurons most, and where in them.

    Parameters
    ----------
    layer, neurons
        Index in ``net.layers``, and N indices in that layer.
    responses
        Shape (N, T), greatest first; −∞ where the stream had too few frames.
    frames
        Index in the stream of the frame of each response, shape (N, T); −1 where there is none.
    corners
        (top, left) of the receptive field in the frame, in pixels, shape (N, T, 2); it may reach over the border.
    field
        The receptive field.
    images
        The frames by their index, each of shape (H, W, C).

    Examples
    --------
    >>> frames = torch.rand(5, 32, 32, 3)
    >>> best = best_patches(SoftHebbNet.from_preset("cifar10", width=4), frames, 0, neurons=[2], top=3)
    >>> len(best.images) <= 3, best.corners.shape
    (True, torch.Size([1, 3, 2]))
    """

    layer: int
    neurons: list[int]
    responses: Tensor
    frames: Tensor
    corners: Tensor
    field: ReceptiveField
    images: "dict[int, np.ndarray[Any, Any]]"

    def patches(self) -> "np.ndarray[Any, Any]":
        """Return what the neurons saw, shape (N, T, h, w, C); grey beyond the border, and where there is no frame."""
        channels = next(iter(self.images.values())).shape[2]
        field = self.field
        cut = np.full((*self.frames.shape, field.height, field.width, channels), _OUTSIDE, dtype=np.float32)
        for place in np.ndindex(*self.frames.shape):
            if (frame := int(self.frames[place])) >= 0:
                image = self.images[frame]
                top, left = (int(corner) for corner in self.corners[place])
                seen = image[max(0, top) : top + field.height, max(0, left) : left + field.width]
                first_row, first_column = max(0, -top), max(0, -left)
                cut[place][first_row : first_row + len(seen), first_column : first_column + seen.shape[1]] = seen
        return cut


@torch.no_grad()
def best_patches(
    net: SoftHebbNet,
    frames: Iterable[Any],
    layer: int,
    neurons: Iterable[int] | None = None,
    *,
    top: int = 9,
    apart: int = 1,
    progress: bool = False,
) -> BestPatches:
    """Find the patches of a stream that excite each neuron most (Fig. 5 and appendix B.5).

    A neuron's response is what competes to become its output: the activation before rectification and pooling, so
    with Triangle the weighted input less its mean over the neurons. Of each frame only the best position counts.
    Memory holds the frames kept, N·T at most, however long the stream.

    Parameters
    ----------
    net
        The network, which does not change.
    frames
        Frames, or samples, as for `hebbstream.learn`; read once, one at a time.
    layer
        Index in ``net.layers``.
    neurons
        Indices in the layer; ``None`` for all.
    top
        T, frames to keep for each neuron.
    apart
        Least distance between two frames kept for a neuron. Neighbouring frames of a video are all but the same;
        of those closer than this only the best is kept.
    progress
        Whether to show a progress bar.

    Raises
    ------
    ConfigurationError
        If there is no such layer or neuron, or `top` or `apart` is not positive.
    InputError, EmptyStreamError
        If a frame is refused, or there is none.

    Examples
    --------
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> best = best_patches(net, torch.rand(5, 32, 32, 3), layer=1, neurons=[0, 7], top=3)
    >>> best.responses.shape, best.patches().shape
    (torch.Size([2, 3]), (2, 3, 12, 12, 3))
    """
    chosen = check_neurons(net, layer, neurons)
    if not all(1 <= as_index(value) < LARGEST_SIZE for value in (top, apart)):
        raise ConfigurationError(f"top={quote(top)}, apart={quote(apart)}: expected positive integers, below 2**31")
    kept = _Kept(len(chosen), top, apart)
    passes = None
    bar = progress_bar(checked_stream(frames), desc=f"best patches, layer {layer + 1}", unit="frames", shown=progress)
    for index, item in enumerate(bar):
        passes = forward_frame(net, Sample.of(item).x, layer + 1, passes)
        x, forward, _ = passes[layer]
        responses, places = _strongest(net.layers[layer], forward, chosen, x.shape[3])
        if kept.take(index, responses, places):
            kept.hold(index, passes[0][0])
    if not kept.images:
        raise EmptyStreamError("no frames to search: expected at least one")
    return kept.result(layer, chosen, receptive_field(net, layer))


def _strongest(layer: SoftHebbLayer, forward: Forward, neurons: list[int], width: int) -> tuple[Tensor, Tensor]:
    """Return the greatest response of each neuron, shape (N,), and its (row, column), shape (N, 2), on the CPU."""
    spec = layer.spec
    response = prepare(forward.weighted_input, spec.activation, spec.activation_inverse_temperature)[:, neurons].cpu()
    greatest, position = response.max(dim=0)
    width = 1 if spec.kernel_size is None else width
    return greatest, torch.stack((position // width, position % width), dim=1)


class _Kept:
    """The best `top` responses of each neuron so far, unordered, and the frames that gave them."""

    def __init__(self, neurons: int, top: int, apart: int) -> None:
        self.apart = apart
        self.responses = torch.full((neurons, top), -torch.inf, dtype=torch.float32, device="cpu")
        self.frames = torch.full((neurons, top), -1, dtype=torch.int64, device="cpu")
        self.places = torch.zeros((neurons, top, 2), dtype=torch.int64, device="cpu")
        self.images: dict[int, np.ndarray[Any, Any]] = {}

    def hold(self, frame: int, x: Tensor) -> None:
        """Keep the picture of a frame, shape (1, C, H, W), and only those that are still among the best."""
        self.images[frame] = x[0].permute(1, 2, 0).cpu().numpy().copy()
        held = set(self.frames.flatten().tolist())
        self.images = {index: image for index, image in self.images.items() if index in held}

    def result(self, layer: int, neurons: list[int], field: ReceptiveField) -> BestPatches:
        """Return what was kept, the best first."""
        order = self.responses.argsort(dim=1, descending=True)
        stride, start = (torch.tensor(each, device="cpu") for each in (field.stride, field.start))
        corners = self.places.gather(1, order.unsqueeze(2).expand(-1, -1, 2)) * stride + start
        responses, frames = self.responses.gather(1, order), self.frames.gather(1, order)
        return BestPatches(layer, neurons, responses, frames, corners, field, self.images)

    def take(self, frame: int, response: Tensor, place: Tensor) -> bool:
        """Keep a frame for those neurons that it excites enough; return whether there are any."""
        # A frame too close to this one is the only one that this one may replace; there is at most one.
        near = (self.frames >= 0) & (self.frames > frame - self.apart)
        slot = torch.where(near.any(dim=1), near.int().argmax(dim=1), self.responses.argmin(dim=1))
        better = response > self.responses.gather(1, slot.unsqueeze(1)).squeeze(1)
        neurons, slots = better.nonzero().squeeze(1), slot[better]
        self.responses[neurons, slots] = response[better]
        self.places[neurons, slots] = place[better]
        self.frames[neurons, slots] = frame
        return bool(better.any())
