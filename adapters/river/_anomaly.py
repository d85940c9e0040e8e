"""`SoftHebbAnomaly`: how much of a sample a network does not explain, as river's anomaly score."""

from typing import Any, Self

from river import base

from hebbstream._turns import Turns, in_turn
from hebbstream.adapters.river._memory import CountsTensors
from hebbstream.adapters.river._transformer import SoftHebbTransformer
from hebbstream.errors import ConfigurationError
from hebbstream.inspection._explained import unusual
from hebbstream.inspection._neurons import check_layer

_NEURONS = 20  # of a layer for flat rows: with many, every row is explained


class SoftHebbAnomaly(CountsTensors, base.AnomalyDetector):
    """Scores how unusual each sample is, from 0 to 1, by what the winners of a layer do not explain of it.

    The network learns what it is shown, so what it has seldom seen scores high. To score a sample and then learn it
    costs one forward pass and one update.

    - Of an image it is the share that is not explained. A change of exposure does not show.
    - Of a row or a window it is ``e / (1 + e + e/n)`` after n of them: ``e`` is the mean square of what is not explained,
      in units of the columns' running variances. So it tells how far out a row lies, too. Rows that have all been the
      same score 0.

    Parameters
    ----------
    transformer
        The network, for images or flat rows; ``None`` takes a small dense layer, for flat rows.
    layer
        Index of the layer in ``net.layers``.

    Raises
    ------
    ConfigurationError
        If `transformer` is of another kind; when the first sample is scored, if there is no such layer.

    Examples
    --------
    >>> import numpy as np
    >>> import hebbstream as hs
    >>> spec = hs.LayerSpec(channels=8, kernel_size=3, learning_rate=0.05, radius=3.0, update_scale="running_max")
    >>> detector = SoftHebbAnomaly(SoftHebbTransformer(layers=[spec]))
    >>> ramp = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16, 1)
    >>> for shift in range(300):
    ...     detector.learn_one(np.roll(ramp, shift, axis=1))
    >>> noise = np.random.default_rng(0).random((16, 16, 1), dtype=np.float32)
    >>> detector.score_one(ramp) < detector.score_one(noise)
    True
    """

    def __init__(self, transformer: SoftHebbTransformer | None = None, layer: int = 0) -> None:
        if transformer is not None and not isinstance(transformer, SoftHebbTransformer):
            raise ConfigurationError(
                f"transformer of type {type(transformer).__name__}: expected a SoftHebbTransformer"
            )
        self.transformer = SoftHebbTransformer(neurons=_NEURONS) if transformer is None else transformer
        self.layer = layer

    @property
    def _turns(self) -> Turns:
        return self.transformer._turns  # whose next forward pass takes the memory of the one that is looked at

    def clone(self, new_params: dict[str, Any] | None = None, include_attributes: bool = False) -> Self:
        """Return a fresh detector that begins as this one began; with its attributes, as it is now."""
        clone: Self = super().clone(new_params, include_attributes)
        if include_attributes and "transformer" not in (new_params or {}):
            clone.transformer = self.transformer.clone(include_attributes=True)  # river begins parameters anew
        return clone

    def learn_one(self, x: Any) -> None:
        """Learn from an image or a flat row."""
        self.transformer.learn_one(x)

    @in_turn
    def score_one(self, x: Any) -> float:
        """Return how unusual a sample is; 0 before the first row that was learned."""
        passes = self.transformer.forward_one(x)
        net = self.transformer.net
        if passes is None or net is None:
            return 0.0
        check_layer(net, self.layer)
        return unusual(net, self.layer, passes.layers[self.layer][1])
