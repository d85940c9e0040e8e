"""river estimators: `SoftHebbTransformer`, features that learn, and `LinearProbe`, a classifier on them."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from river import base

from hebbstream.adapters.transformer import Features
from hebbstream.adapters.transformer import SoftHebbTransformer as SoftHebbTransformer
from hebbstream.errors import ConfigurationError
from hebbstream.probe import SoftmaxProbe


class LinearProbe(base.Classifier):
    """An online linear classifier that follows river's contract and is dense inside.

    Takes river's dicts of numbers as well as plain vectors (tensors or arrays), which cost a river model far more.
    In dicts, features may appear and disappear: one that is absent counts as 0. Classes appear as their first label
    arrives.

    Parameters
    ----------
    solver
        ``"gradient"``: softmax regression by Adam on standardised features.
    learning_rate
        Of Adam.

    Examples
    --------
    >>> from river import datasets, evaluate, metrics
    >>> evaluate.progressive_val_score(datasets.Phishing(), LinearProbe(learning_rate=0.01), metrics.Accuracy())
    Accuracy: 89.99%
    """

    def __init__(self, solver: str = "gradient", learning_rate: float = 1e-3) -> None:
        if solver != "gradient":
            raise ConfigurationError(f"solver={solver!r}: expected 'gradient'")
        self.solver = solver
        self.learning_rate = learning_rate
        self._probe = SoftmaxProbe(learning_rate)
        self._column: dict[Hashable, int] = {}

    @property
    def _multiclass(self) -> bool:
        return True

    def learn_one(self, x: Any, y: Hashable) -> None:
        """Learn from the features `x` with label `y`."""
        if isinstance(x, Mapping) and not isinstance(x, Features):
            new = [name for name in x if name not in self._column]
            self._column |= {name: len(self._column) + offset for offset, name in enumerate(new)}
            self._probe.grow(len(new))
        self._probe.learn_one(self._vector(x), y)

    def predict_proba_one(self, x: Any, **kwargs: Any) -> dict[Any, float]:  # noqa: ARG002  # river's signature
        """Return the probability of each class seen so far; ``{}`` before the first label."""
        return self._probe.predict_proba_one(self._vector(x)) if self._probe.classes else {}

    def predict_one(self, x: Any, **kwargs: Any) -> Any:  # noqa: ARG002  # river's signature
        """Return the likeliest class; ``None`` before the first label."""
        return self._probe.predict_one(self._vector(x)) if self._probe.classes else None

    def as_softmax_probe(self) -> SoftmaxProbe:
        """Return the probe inside, for a checkpoint or an ONNX model."""
        return self._probe

    @classmethod
    def from_softmax_probe(cls, probe: SoftmaxProbe) -> "LinearProbe":
        """Wrap a probe, for instance one that `hebbstream.load_checkpoint` returned; it is shared, not copied."""
        linear = cls(learning_rate=probe.learning_rate)
        linear._probe = probe
        return linear

    def _vector(self, x: Any) -> Any:
        if isinstance(x, Features):
            return x.tensor
        if not isinstance(x, Mapping):
            return x
        vector = np.zeros(len(self._column), dtype=np.float32)
        for name, value in x.items():
            if name in self._column:  # unknown ones have no weight yet
                vector[self._column[name]] = value
        return vector
