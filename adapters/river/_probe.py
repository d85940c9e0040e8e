"""`LinearProbe`: a probe as a river classifier."""

from collections.abc import Hashable
from typing import Any, Self

from river import base

from hebbstream._choices import check_choice
from hebbstream._turns import in_turn
from hebbstream.adapters.river._columns import Columns, LearnsByName, as_pandas, is_frame
from hebbstream.adapters.river._memory import CountsTensors
from hebbstream.probe import OnlineProbe
from hebbstream.probe._inputs import checked_label
from hebbstream.probe._softmax import OptimizerName
from hebbstream.probe._solvers import SOLVERS


class LinearProbe(LearnsByName, CountsTensors, base.MiniBatchClassifier):
    """An online linear classifier that follows river's contract and is dense inside.

    Takes river's dicts of numbers as well as plain vectors (tensors or arrays), which cost a river model far more; as
    mini-batches data frames, or matrices. In dicts and frames, features may appear and disappear: one that is absent
    counts as 0. Classes appear as their first label arrives. The names of the features are part of what is learned, in
    a checkpoint as well.

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
        Labelled samples between two solutions; 1 is exact, and ``None`` is so up to 256 features (``"ridge"`` and
        ``"slda"``).
    calibrate
        Whether to fit a temperature to the labels as they come.
    min_confidence
        Least probability for which a class is predicted; below it, the prediction is ``None``.
    seed
        Of the projection.
    optimizer
        ``"sgd"``, normalised and averaged, or ``"adam"`` (``"gradient"``).
    half_life
        Labelled samples after which one counts half; ``None``: all count alike (``"ridge"`` and ``"slda"``).
    average_over
        Recent samples over which ``"sgd"`` averages the weights (``"gradient"``).

    Examples
    --------
    >>> from river import datasets, evaluate, metrics
    >>> evaluate.progressive_val_score(datasets.Phishing(), LinearProbe(), metrics.Accuracy())
    Accuracy: 88.47%
    >>> evaluate.progressive_val_score(datasets.Phishing(), LinearProbe("slda"), metrics.Accuracy())
    Accuracy: 89.67%
    """

    _model: OnlineProbe
    _checked = staticmethod(checked_label)

    def __init__(
        self,
        solver: str = "gradient",
        learning_rate: float | None = None,
        l2: float = 1.0,
        shrinkage: float = 0.1,
        dimensions: int = 1024,
        solve_every: int | None = None,
        calibrate: bool = False,
        min_confidence: float = 0.0,
        seed: int = 0,
        optimizer: OptimizerName = "sgd",
        half_life: float | None = None,
        average_over: int = 3000,
    ) -> None:
        check_choice("solver", solver, SOLVERS)
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
        made = {
            name: probe(**{option: getattr(self, option) for option in probe.option_names})
            for name, probe in SOLVERS.items()  # all of them: an option of another solver that cannot work is told, too
        }
        self._model = made[solver]
        self._columns = Columns(self._model)

    @classmethod
    def from_probe(cls, probe: OnlineProbe) -> Self:
        """Wrap a probe, for instance that of a saved run; it is shared, not copied."""
        linear = cls(probe.solver, **probe.options())
        linear._model, linear._columns = probe, Columns(probe)
        return linear

    def as_probe(self) -> OnlineProbe:
        """Return the probe inside, for a checkpoint or an ONNX model."""
        return self._model

    @property
    def _multiclass(self) -> bool:
        return True

    @in_turn
    def predict_proba_one(self, /, x: Any, **kwargs: Any) -> dict[Any, float]:  # noqa: ARG002  # river's signature
        """Return the probability of each class seen so far; ``{}`` before the first label."""
        return self._model.predict_proba_one(self._columns.vector(x)) if self._model.classes else {}

    @in_turn
    def predict_one(self, /, x: Any, **kwargs: Any) -> Any:  # noqa: ARG002  # river's signature
        """Return the likeliest class; ``None`` before the first label and below `min_confidence`."""
        return self._model.predict_one(self._columns.vector(x)) if self._model.classes else None

    @in_turn
    def predict_proba_many(self, X: Any) -> Any:
        """Return the probabilities of each row: of a data frame, a data frame; else a float64 tensor (n, classes)."""
        X = as_pandas(X)
        if not is_frame(X):
            return self._model.predict_proba_many(X)
        import pandas as pd

        found = self._model.predict_proba_many(self._columns.matrix(X)).cpu().numpy() if self._model.classes else None
        return pd.DataFrame(found, index=X.index, columns=self._model.classes)

    @in_turn
    def predict_many(self, X: Any) -> Any:
        """Return the likeliest class of each row, as `predict_one` does: of a data frame, a series; else a list."""
        X = as_pandas(X)
        if not is_frame(X):
            return self._model.predict_many(X)
        import pandas as pd

        found = self._model.predict_many(self._columns.matrix(X)) if self._model.classes else [None] * len(X)
        return pd.Series(found, index=X.index, dtype=object)

    def forget(self, label: Hashable) -> None:
        """Remove a class; see `OnlineProbe.forget`."""
        self._model.forget(label)

    def rename(self, label: Hashable, to: Hashable) -> None:
        """Call a class something else, or make it one with another; see `OnlineProbe.rename`."""
        self._model.rename(label, to)
