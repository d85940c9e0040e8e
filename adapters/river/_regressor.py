"""`LinearRegressorProbe`: least squares as a river regressor."""

from collections.abc import Iterable
from typing import Any, Self

from river import base

from hebbstream.adapters.river._columns import Columns, as_pandas, is_frame
from hebbstream.adapters.river._memory import CountsTensors
from hebbstream.probe._regression import RidgeRegression, checked_target


class LinearRegressorProbe(CountsTensors, base.MiniBatchRegressor):
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
        Samples between two solutions; 1 is exact.
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

    def __init__(
        self,
        l2: float = 1.0,
        dimensions: int = 1024,
        solve_every: int = 1,
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

    def clone(self, new_params: dict[str, Any] | None = None, include_attributes: bool = False) -> Self:
        """Return a fresh regression with the same options; with its attributes, as it is now."""
        clone: Self = super().clone(new_params, include_attributes)
        if include_attributes:
            clone._columns = Columns(clone._model)  # river has copied the two apart
        return clone

    def learn_one(self, x: Any, y: Any, w: float = 1.0) -> None:
        """Learn from the features `x` with the number `y`, as from a sample of weight `w`.

        Raises
        ------
        InputError
            If the features are refused, as by `OnlineProbe.learn_one`, or `y` is no finite number.
        """
        new = self._columns.unknown(x)
        vector = self._columns.vector(x, new)
        if new:
            self._columns.make_room(x, new, vector, [checked_target(y)], [w])
        self._model.learn_one(vector, y, w)

    def learn_many(self, X: Any, y: Iterable[Any], w: Any = 1.0) -> None:
        """Learn from the rows of a data frame, array or tensor, to the same effect as one after another."""
        X = as_pandas(X)
        new = self._columns.unknown(X)
        matrix, targets = self._columns.matrix(X, new), [checked_target(value) for value in y]
        weights = list(w) if isinstance(w, Iterable) else [w] * len(targets)
        if new:
            self._columns.make_room(X, new, matrix, targets, weights)
        self._model.learn_many(matrix, targets, weights)

    def predict_one(self, x: Any) -> float:
        """Return the number expected; 0 before the first sample."""
        return self._model.predict_one(self._columns.vector(x)) if self._model.steps else 0.0

    def predict_many(self, X: Any) -> Any:
        """Return the number expected for each row: of a data frame, a series; else a list."""
        X = as_pandas(X)
        if not is_frame(X):
            return self._model.predict_many(X)
        import pandas as pd

        found = self._model.predict_many(self._columns.matrix(X)) if self._model.steps else [0.0] * len(X)
        return pd.Series(found, index=X.index, dtype=float)
