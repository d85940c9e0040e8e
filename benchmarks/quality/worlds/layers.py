"""Measure what each layer's learning is worth: the same network, some of whose layers learn, in every world.

Frames, readouts and worlds are those of `benchmarks.quality.worlds`.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import hebbstream as hs
from benchmarks.core import store
from benchmarks.quality.worlds.__main__ import learned, measure_worlds
from benchmarks.quality.worlds.readout import World

LEARNING = {"none": (), "1": (0,), "1 and 2": (0, 1), "all": (0, 1, 2), "2 and 3": (1, 2)}
# The preset for streams leaves them out. These are a start from which they turn within some thousand samples.
_RADIUS, _RATE_SCALE = 5.0, 3.0


def specs(preset: str, learning: tuple[int, ...], width: int) -> list[hs.LayerSpec]:
    """Return the layers of a preset, the deeper ones of a stream's with rates, some of which learn."""
    layers, published = (hs.PRESETS[name].resolve(width=width) for name in (preset, "cifar10"))
    if not layers[1].learning_rate:
        layers[1:] = [
            replace(layer, learning_rate=_RATE_SCALE * paper.learning_rate, radius=_RADIUS)
            for layer, paper in zip(layers[1:], published[1:], strict=True)
        ]
    # What the preset adds to the rule is left out: averages, natural colours, and features of one length.
    layers[0] = replace(layers[0], averaging_samples=None, normalization=layers[1].normalization)
    layers[-1] = replace(layers[-1], unit_length=False)
    return [layer if at in learning else replace(layer, learning_rate=0.0) for at, layer in enumerate(layers)]


def jobs(world: World, cropped: bool, width: int, seed: int) -> Iterator[store.Job]:
    """Yield a row for each preset, and each choice of layers that learn."""
    for preset in ("cifar10", "video"):
        for name, learning in LEARNING.items():
            net = hs.SoftHebbNet(specs(preset, learning, width), world.train.shape[-1], seed=seed)
            yield {"row": name, "preset": preset}, partial(learned, world, cropped, net, seed)


if __name__ == "__main__":
    measure_worlds("quality/layers", __doc__, jobs)
