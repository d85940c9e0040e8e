"""`LinearRegressorProbe`: least squares as a river regressor."""

from typing import Any

from river import base

from hebbstream._turns import in_turn
from hebbstream.adapters.river._columns import Columns, LearnsByName, as_pandas, is_frame
from hebbstream.adapters.river._memory import CountsTensors
from hebbstream.probe._regression import RidgeRegression, checked_target


class LinearRegressorProbe(LearnsByName, CountsTensors, base.MiniBatchRegressor):
    """An online linear regression that follows river's contract and is dense inside.

    Ridge regression on standardised features: the exact solution for all samples so far, in whatever order they came.
    Takes what `LinearProbe` takes; features may appear and disappear, and one that is absent counts as 0.

    Parameters
    ----------
    l2
        Penalty on the squared weights of standardised features, divided by their number.
    dimensions
        Most features to keep products of; more are projected.
    solve_every
        Samples between two solutions; 1 is exact, and ``None`` is so up to 256 features; see `RidgeProbe`.
    half_life
        Samples after which one counts half; ``None``: all count alike.
    seed
        Of the projection.

    Examples
    --------
    >>> from river import datasets, evaluate, metrics
    >>> evaluate.progressive_val_score(datasets.TrumpApproval(), LinearRegressorProbe(), metrics.MAE())
    MAE: 0.506069
    """

    _model: RidgeRegression
    _checked = staticmethod(checked_target)

    def __init__(
        self,
        l2: float = 1.0,
        dimensions: int = 1024,
        solve_every: int | None = None,
        half_life: float | None = None,
        seed: int = 0,
    ) -> None:
        self.l2 = l2
        self.dimensions = dimensions
        self.solve_every = solve_every
        self.half_life = half_life
        self.seed = seed
        self._model = RidgeRegression(
            l2, dimensions=dimensions, seed=seed, solve_every=solve_every, half_life=half_life
        )
        self._columns = Columns(self._model)

    @in_turn
    def predict_one(self, x: Any) -> float:
        """Return the number expected; 0 before the first sample."""
        return self._model.predict_one(self._columns.vector(x)) if self._model.steps else 0.0

    @in_turn
    def predict_many(self, X: Any) -> Any:
        """Return the number expected for each row: of a data frame, a series; else a list."""
        X = as_pandas(X)
        if not is_frame(X):
            return self._model.predict_many(X)
        import pandas as pd

        found = self._model.predict_many(self._columns.matrix(X)) if self._model.steps else [0.0] * len(X)
        return pd.Series(found, index=X.index, dtype=float)
