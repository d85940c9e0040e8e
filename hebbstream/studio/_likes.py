"""`Likes`: the neurons that answer most to a frame, with the patches that they have liked best."""

from typing import Any

import numpy as np
import torch

from hebbstream.inspection._fields import receptive_field
from hebbstream.inspection._forward import forward_frame
from hebbstream.inspection._patches import _strongest
from hebbstream.network import SoftHebbNet
from hebbstream.network._forward import LayerPasses
from hebbstream.studio._drawing import Portrait, curves, picture
from hebbstream.studio._picture import Pixels, scaled

_NEURONS = 6
_PATCHES = 4
_MOST_CUT = 16  # patches cut out of one frame
_SIDE = 40  # pixels of a patch as it is shown
_GREY = 128


class Likes:
    """Remembers, for every neuron of a layer, a few patches that excited it most.

    Parameters
    ----------
    net
        The network.
    layer
        Index in ``net.layers``.
    portrait
        Draws a piece of what the network sees.
    """

    def __init__(self, net: SoftHebbNet, layer: int, portrait: Portrait = picture) -> None:
        self._portrait = portrait
        self.layer = layer
        self._net = net
        self._field = receptive_field(net, layer)
        self._best: dict[int, list[tuple[float, Pixels]]] = {}
        self._neurons = list(range(net.layers[layer].spec.channels))
        self._passes: LayerPasses | None = None

    @torch.no_grad()
    def look(self, frame: Pixels) -> dict[str, Any]:
        """Return the neurons, their answers, and their patches side by side as pixels, a row for each neuron."""
        self._passes = forward_frame(self._net, frame, self.layer + 1, self._passes)
        x, forward, _ = self._passes[self.layer]
        responses, places = _strongest(self._net.layers[self.layer], forward, self._neurons, x.shape[3])
        order = responses.argsort(descending=True).tolist()
        cut = 0
        for neuron in order:
            best = self._best.setdefault(neuron, [])
            if cut < _MOST_CUT and self._is_better(float(responses[neuron]), best):
                best.append((float(responses[neuron]), self._patch(frame, places[neuron].tolist())))
                best.sort(key=lambda known: -known[0])
                del best[_PATCHES:]
                cut += 1
        shown = order[:_NEURONS]
        largest = max(1e-6, float(responses[shown[0]]))
        return {
            "layer": self.layer,
            "neurons": shown,
            "answers": [round(max(0.0, float(responses[neuron]) / largest), 3) for neuron in shown],
            "pixels": np.concatenate([self._row(neuron) for neuron in shown]),
        }

    def _is_better(self, response: float, best: list[tuple[float, Pixels]]) -> bool:
        if len(best) < _PATCHES:
            return all(abs(response - known) > 1e-3 * abs(known) for known, _ in best)
        return response > 1.02 * best[-1][0]  # neighbouring frames are all but the same

    def _patch(self, frame: Pixels, place: list[int]) -> Pixels:
        top, left = self._field.corner(*place)
        height, width = self._field.height, self._field.width
        signal = self._net.one_dimensional
        if signal:  # all channels, whatever the row
            top, height = 0, frame.shape[0]
        beyond = _GREY if frame.dtype == np.uint8 else np.nan if signal else 0
        patch = np.full((height, width, *frame.shape[2:]), beyond, frame.dtype)
        seen = frame[max(0, top) : top + height, max(0, left) : left + width]
        row, column = max(0, -top), max(0, -left)
        patch[row : row + seen.shape[0], column : column + seen.shape[1]] = seen
        # Lines that are drawn large and made small would all but vanish.
        return curves(patch, (_SIDE, _SIDE)) if signal else scaled(self._portrait(patch), (_SIDE, _SIDE))

    def _row(self, neuron: int) -> Pixels:
        patches = [patch for _, patch in self._best.get(neuron, [])]
        blank = np.full((_SIDE, _SIDE, 3), _GREY, np.uint8)
        return np.concatenate([*patches, *[blank] * (_PATCHES - len(patches))], axis=1)
