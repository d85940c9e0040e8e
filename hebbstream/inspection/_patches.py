"""What neurons find in a stream: the frames, and the patches of them, that excite each neuron most."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from hebbstream.errors import ConfigurationError, EmptyStreamError
from hebbstream.inspection._forward import ReceptiveField, check_neurons, read_frame, receptive_field, run_before, weigh
from hebbstream.network._network import SoftHebbNet
from hebbstream.rule._activation import prepare
from hebbstream.streams._sample import Sample

_OUTSIDE = 0.5  # what a patch shows beyond the frame


@dataclass(frozen=True, slots=True)
class BestPatches:
    """The frames that excited some neurons most, and where in them.

    Parameters
    ----------
    layer
        Index in ``net.layers``.
    neurons
        Their indices in the layer, N of them.
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
    InputError
        If a frame is refused.
    EmptyStreamError
        If there is no frame.

    Examples
    --------
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> best = best_patches(net, torch.rand(5, 32, 32, 3), layer=1, neurons=[0, 7], top=3)
    >>> best.responses.shape, best.patches().shape
    (torch.Size([2, 3]), (2, 3, 12, 12, 3))
    """
    chosen = check_neurons(net, layer, neurons)
    if top < 1 or apart < 1:
        raise ConfigurationError(f"top={top}, apart={apart}: expected positive integers")
    kept = _Kept(len(chosen), top, apart)
    images: dict[int, np.ndarray[Any, Any]] = {}
    for index, item in enumerate(
        tqdm(frames, desc=f"best patches, layer {layer + 1}", unit=" frames", disable=not progress)
    ):
        x = read_frame(net, Sample.of(item).x)
        spec = net.layers[layer].spec
        u = weigh(net.layers[layer], run_before(net, x, layer))
        response = prepare(u, spec.activation, spec.activation_inverse_temperature)[0, chosen].cpu()
        best, place = response.flatten(1).max(dim=1)
        rows, columns = torch.unravel_index(place, response.shape[1:])
        if kept.take(index, best, torch.stack((rows, columns), dim=1)):
            images[index] = x[0].permute(1, 2, 0).cpu().numpy().copy()
            held = set(kept.frames.flatten().tolist())
            images = {frame: image for frame, image in images.items() if frame in held}
    if not images:
        raise EmptyStreamError("no frames to search: expected at least one")
    order = kept.responses.argsort(dim=1, descending=True)
    frames_kept = kept.frames.gather(1, order)
    field = receptive_field(net, layer)
    corners = field.start + field.stride * kept.places.gather(1, order.unsqueeze(2).expand(-1, -1, 2))
    return BestPatches(layer, chosen, kept.responses.gather(1, order), frames_kept, corners, field, images)


class _Kept:
    """The best `top` responses of each neuron so far, unordered."""

    def __init__(self, neurons: int, top: int, apart: int) -> None:
        self.apart = apart
        self.responses = torch.full((neurons, top), -torch.inf)
        self.frames = torch.full((neurons, top), -1)
        self.places = torch.zeros((neurons, top, 2), dtype=torch.int64)

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
