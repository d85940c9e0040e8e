"""river estimators: `SoftHebbTransformer`, features that learn, and `LinearProbe`, a classifier on them."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Self

import numpy as np
from river import base
from torch import Tensor

from hebbstream.adapters.river._transformer import Features
from hebbstream.adapters.river._transformer import SoftHebbTransformer as SoftHebbTransformer
from hebbstream.errors import ConfigurationError, DtypeError, InputError
from hebbstream.probe import OnlineProbe
from hebbstream.probe._inputs import checked_label, checked_weight, feature_rows
from hebbstream.probe._softmax import OptimizerName
from hebbstream.probe._solvers import SOLVERS


class LinearProbe(base.MiniBatchClassifier):
    """An online linear classifier that follows river's contract and is dense inside.

    Takes river's dicts of numbers as well as plain vectors (tensors or arrays), which cost a river model far more; as
    mini-batches data frames, or matrices. In dicts and frames, features may appear and disappear: one that is absent
    counts as 0. Classes appear as their first label arrives.

    Parameters
    ----------
    solver
        ``"gradient"``: softmax regression, see `SoftmaxProbe`. ``"ridge"``: least squares, the exact solution
        in whatever order the samples come, see `RidgeProbe`. ``"slda"``: streaming linear discriminant analysis, see
        `SldaProbe`.
    learning_rate
        ``None`` takes the optimizer's (``"gradient"``).
    l2
        Penalty (``"ridge"``).
    shrinkage
        Of the covariance (``"slda"``).
    dimensions
        Most features to keep products of; more are projected (``"ridge"`` and ``"slda"``).
    solve_every
        Labelled samples between two solutions; 1 is exact (``"ridge"`` and ``"slda"``).
    half_life
        Labelled samples after which one counts half; ``None``: all count alike (``"ridge"`` and ``"slda"``).
    calibrate
        Whether to fit a temperature to the labels as they come.
    min_confidence
        Least probability for which a class is predicted; below it, the prediction is ``None``.
    seed
        Of the projection.
    optimizer
        ``"sgd"``, normalised and averaged, or ``"adam"`` (``"gradient"``).
    average_over
        Samples of late over which ``"sgd"`` averages the weights (``"gradient"``).

    Examples
    --------
    >>> from river import datasets, evaluate, metrics
    >>> evaluate.progressive_val_score(datasets.Phishing(), LinearProbe(), metrics.Accuracy())
    Accuracy: 88.47%
    >>> evaluate.progressive_val_score(datasets.Phishing(), LinearProbe("slda"), metrics.Accuracy())
    Accuracy: 89.67%
    """

    def __init__(
        self,
        solver: str = "gradient",
        learning_rate: float | None = None,
        l2: float = 1.0,
        shrinkage: float = 0.1,
        dimensions: int = 1024,
        solve_every: int = 1,
        calibrate: bool = False,
        min_confidence: float = 0.0,
        seed: int = 0,
        optimizer: OptimizerName = "sgd",
        half_life: float | None = None,
        average_over: int = 3000,
    ) -> None:
        if solver not in SOLVERS:
            raise ConfigurationError(f"solver={solver!r}: expected one of {', '.join(map(repr, SOLVERS))}")
        self.solver = solver
        self.learning_rate = learning_rate
        self.l2 = l2
        self.shrinkage = shrinkage
        self.dimensions = dimensions
        self.solve_every = solve_every
        self.half_life = half_life
        self.calibrate = calibrate
        self.min_confidence = min_confidence
        self.seed = seed
        self.optimizer = optimizer
        self.average_over = average_over
        self._probe = SOLVERS[solver](**{name: getattr(self, name) for name in SOLVERS[solver].option_names})
        self._column: dict[Hashable, int] = {}

    @property
    def _multiclass(self) -> bool:
        return True

    def learn_one(self, x: Any, y: Hashable, w: float = 1.0) -> None:
        """Learn from the features `x` with label `y`, as from a sample of weight `w`; see `OnlineProbe.learn_one`."""
        new = self._unknown(x)
        vector = self._vector(x, new)
        if new:
            self._add_columns(new, vector, [y], [w])
        self._probe.learn_one(vector, y, w)

    def learn_many(self, X: Any, y: Iterable[Hashable], w: Any = 1.0) -> None:
        """Learn from the rows of a data frame, array or tensor, to the same effect as one after another."""
        new = self._unknown(X)
        matrix, labels = self._matrix(X, new), list(y)
        weights = list(w) if isinstance(w, Iterable) else [w] * len(labels)
        if new:
            self._add_columns(new, matrix, labels, weights)
        self._probe.learn_many(matrix, labels, weights)

    def predict_proba_one(self, x: Any, **kwargs: Any) -> dict[Any, float]:  # noqa: ARG002  # river's signature
        """Return the probability of each class seen so far; ``{}`` before the first label."""
        return self._probe.predict_proba_one(self._vector(x)) if self._probe.classes else {}

    def predict_one(self, x: Any, **kwargs: Any) -> Any:  # noqa: ARG002  # river's signature
        """Return the likeliest class; ``None`` before the first label and below `min_confidence`."""
        return self._probe.predict_one(self._vector(x)) if self._probe.classes else None

    def predict_proba_many(self, X: Any) -> Any:
        """Return the probabilities of each row: of a data frame, a data frame; else a float64 tensor (n, classes)."""
        if not _is_frame(X):
            return self._probe.predict_proba_many(X)
        import pandas as pd

        found = self._probe.predict_proba_many(self._matrix(X)).cpu().numpy() if self._probe.classes else None
        return pd.DataFrame(found, index=X.index, columns=self._probe.classes)

    def predict_many(self, X: Any) -> Any:
        """Return the likeliest class of each row, as `predict_one` does: of a data frame, a series; else a list."""
        if not _is_frame(X):
            return self._probe.predict_many(X)
        import pandas as pd

        found = self._probe.predict_many(self._matrix(X)) if self._probe.classes else [None] * len(X)
        return pd.Series(found, index=X.index, dtype=object)

    def forget(self, label: Hashable) -> None:
        """Remove a class; see `OnlineProbe.forget`."""
        self._probe.forget(label)

    def as_probe(self) -> OnlineProbe:
        """Return the probe inside, for a checkpoint or an ONNX model."""
        return self._probe

    @classmethod
    def from_probe(cls, probe: OnlineProbe) -> Self:
        """Wrap a probe, for instance one that `hebbstream.load_checkpoint` returned; it is shared, not copied."""
        linear = cls(probe.solver, **probe.options())
        linear._probe = probe
        return linear

    def _unknown(self, x: Any) -> dict[Hashable, int]:
        """Return the columns that the names seen for the first time would get."""
        # A tensor first: to find out that it is none of the others takes long beside a step.
        if isinstance(x, Tensor | Features) or not (isinstance(x, Mapping) or _is_frame(x)):
            return {}
        names = x.columns if _is_frame(x) else x
        new = [name for name in names if name not in self._column]
        if any(name != name for name in new):  # NaN: each would be another feature
            raise InputError("feature name that does not equal itself: expected one that can be found again")
        return {name: len(self._column) + offset for offset, name in enumerate(new)}

    def _vector(self, x: Any, new: dict[Hashable, int] | None = None) -> Any:
        if isinstance(x, Features):
            return x.tensor
        if not isinstance(x, Mapping):
            return x
        column = self._column | (new or {})
        known = [name for name in x if name in column]  # others have no weight yet
        vector = np.zeros(len(column))
        vector[[column[name] for name in known]] = _real_numbers([x[name] for name in known], ndim=1)
        return vector

    def _matrix(self, X: Any, new: dict[Hashable, int] | None = None) -> Any:
        if not _is_frame(X):
            return X
        if not X.columns.is_unique:
            raise InputError("data frame with two columns of one name: expected each name once")
        column = self._column | (new or {})
        known = [name for name in X.columns if name in column]
        matrix = np.zeros((len(X), len(column)))
        matrix[:, [column[name] for name in known]] = _real_numbers(X[known].to_numpy(), ndim=2)
        return matrix

    def _add_columns(self, new: dict[Hashable, int], rows: Any, labels: list[Hashable], weights: list[Any]) -> None:
        """Make room for new names, once nothing can be refused any more."""
        length = self._probe.n_features
        if length not in (None, len(self._column)):
            raise InputError(f"features by name: expected vectors of {length}, as learned before")
        feature_rows(rows, single=rows.ndim == 1, features=None, dtype=self._probe.dtype)
        checked = [checked_label(label) for label in labels], [checked_weight(weight) for weight in weights]
        if not len(np.atleast_2d(rows)) == len(checked[0]) == len(checked[1]):
            return  # the probe refuses it
        self._column |= new
        self._probe.grow(len(new))


def _is_frame(x: Any) -> bool:
    return hasattr(x, "columns")


def _real_numbers(values: Any, *, ndim: int) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Return numbers of any kind as float64; text that reads as a number is none."""
    try:
        array = np.asarray(values if len(values) else np.zeros(np.shape(values)))
        text = array.dtype.kind not in "biufO" or any(isinstance(value, str | bytes) for value in array.flat)
        if text or array.ndim != ndim:
            raise TypeError(f"found {array.dtype} of {array.ndim} dimensions")
        return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise DtypeError(f"features by name: expected a real number for each ({error})") from None
