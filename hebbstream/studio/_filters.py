"""`Filters`: the first layer's weights as pictures, and which of them are moving."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from hebbstream.errors import ConfigurationError
from hebbstream.inspection._fields import receptive_fields
from hebbstream.learning._turned import Turned
from hebbstream.network import SoftHebbNet
from hebbstream.studio._drawing import Kind

_MOST = 192  # filters shown
_MOVING = 5e-5  # 1 − cosine between two looks, a second apart
_SORT_EVERY = 5  # looks: pictures that changed places all the time could not be watched


class Filters:
    """Looks at the network from time to time.

    Parameters
    ----------
    net
        The network.
    kind
        Of what it sees.
    """

    def __init__(self, net: SoftHebbNet, kind: Kind = "pictures") -> None:
        self._net, self._kind = net, kind
        self._turned = Turned(net)
        self._first = net.layers[0].weight_matrix.clone()
        self._before = self._first.clone()
        self._order: Tensor | None = None
        self._looks = 0

    @torch.no_grad()
    def look(self) -> dict[str, Any]:
        """Return ``shape`` (K, h, w, C), ``pixels``, bytes in that order, ``moving`` and the layers' shares turned.

        Of signals they are ``curves``: h channels by w moments.

        The filters that have turned most since this began come first.
        """
        weights = self._net.layers[0].weight_matrix
        moved = 1 - torch.cosine_similarity(weights, self._before, dim=1)
        if self._order is None or self._looks % _SORT_EVERY == 0:
            away = 1 - torch.cosine_similarity(weights, self._first, dim=1)
            self._order = away.argsort(descending=True, stable=True)[:_MOST].cpu()
        self._looks += 1
        self._before.copy_(weights)
        moving = (moved > _MOVING).cpu()
        try:
            fields = receptive_fields(self._net)[self._order]
        except ConfigurationError:  # neither grey nor colour
            fields = torch.zeros(0, 1, 1, 1, device="cpu")
        if self._kind == "sound":
            fields = fields.flip(1)  # low bands at the bottom, as in what it hears
        pixels = (255 * fields.clamp(0, 1)).round().to(torch.uint8).numpy()
        return {
            "curves": self._kind == "signal",
            "shape": list(pixels.shape),
            "pixels": np.ascontiguousarray(pixels).tobytes(),
            "moving": [int(value) for value in moving[self._order]][: len(fields)],
            "moving_count": int(moving.sum()),
            "layers": [
                {"neurons": layer.spec.channels, "turned": round(share, 4), "fixed": layer.spec.learning_rate == 0}
                for layer, share in zip(self._net.layers, self._turned.shares(), strict=True)
            ],
        }
