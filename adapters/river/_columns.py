"""`Columns`: from river's features by name, whichever of them a sample has, to dense vectors and matrices."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Self, TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt
from torch import Tensor

from hebbstream._quote import quote
from hebbstream._turns import Turns, in_turn
from hebbstream.adapters.river._features import Features
from hebbstream.errors import DtypeError, InputError, NonFiniteError
from hebbstream.probe import OnlineProbe
from hebbstream.probe._inputs import checked_weight, feature_rows
from hebbstream.probe._regression import RidgeRegression

_Numbers: TypeAlias = npt.NDArray[np.float64]
_LARGEST = float(np.finfo(np.float32).max)
_NO_NUMBERS = (str, bytes, type(None))  # which NumPy takes for some


class Columns:
    """The columns of the names that a probe has learned. Tensors and arrays have no names, and stay as they are.

    A probe that has learned from these takes features of a `SoftHebbTransformer`, and data frames, of as many columns
    in their order; once it learns from one, it has its names.

    Parameters
    ----------
    probe
        Whose columns they are.

    Examples
    --------
    >>> from hebbstream import RidgeProbe
    >>> columns = Columns(RidgeProbe())
    >>> new = columns.unknown({"a": 1.0, "b": 2.0})
    >>> columns.vector({"b": 2.0}, new)
    array([0., 2.])
    """

    def __init__(self, probe: OnlineProbe | RidgeRegression) -> None:
        self._probe = probe
        self._order: tuple[Hashable, ...] = ()  # names last found to be those of all columns

    def unknown(self, x: Any) -> dict[Hashable, int]:
        """Return the columns that the names seen for the first time would get."""
        # A tensor first: to find out that it is none of the others takes long beside a step.
        if isinstance(x, Tensor) or (_has_tensor(x) and self._are_all(x.names)):
            return {}
        if not (isinstance(x, Mapping) or is_frame(x)):
            return {}
        known = self._probe.columns
        new = [name for name in (x.columns if is_frame(x) else x) if name not in known]
        if any(name != name for name in new):  # NaN: each would be another feature
            raise InputError("feature name that does not equal itself: expected one that can be found again")
        return {name: len(known) + offset for offset, name in enumerate(new)}

    def vector(self, x: Any, new: Mapping[Hashable, int] | None = None) -> Any:
        """Return the features of one sample, those of `new` names at the end; other names have no weight yet."""
        if not isinstance(x, Mapping):
            return x
        if _has_tensor(x) and (self._are_all(x.names) or not self._probe.columns):
            return x.tensor
        places, names = self._places(x, new or {})
        vector = np.zeros(len(self._probe.columns) + len(new or {}))
        vector[places] = _finite(_real_numbers([x[name] for name in names], names, ndim=1), names)
        return vector

    def matrix(self, X: Any, new: Mapping[Hashable, int] | None = None) -> Any:
        """Return the features of a mini-batch, as `vector` does those of a sample."""
        if not is_frame(X):
            return X
        if not X.columns.is_unique:
            raise InputError("data frame with two columns of one name: expected each name once")
        if self._has_no_names and X.shape[1] == self._probe.n_features:
            return _finite(_real_numbers(X.to_numpy(), names := list(X.columns), ndim=2), names)
        places, names = self._places(X.columns, new or {})
        matrix = np.zeros((len(X), len(self._probe.columns) + len(new or {})))
        matrix[:, places] = _finite(_real_numbers(X[names].to_numpy(), names, ndim=2), names)
        return matrix

    def make_room(self, x: Any, new: dict[Hashable, int], rows: Any, targets: Sequence[Any], weights: Any) -> None:
        """Take new names in, once nothing but the targets can be refused any more.

        Parameters
        ----------
        x
            What the names are of.
        new
            Their columns, from `unknown`.
        rows
            The features, from `vector` or `matrix`.
        targets
            One a row, checked.
        weights
            Of each row.
        """
        if not new:
            return
        length, ordered = self._probe.n_features, _has_tensor(x) or is_frame(x)
        positional = self._has_no_names and ordered and length == len(new)
        if not positional and length not in (None, len(self._probe.columns)):
            raise InputError(f"features by name: expected vectors of {length}, as learned before")
        feature_rows(rows, single=rows.ndim == 1, features=None, dtype=self._probe.dtype)
        checked, samples = [checked_weight(weight) for weight in weights], 1 if rows.ndim == 1 else len(rows)
        if not samples == len(targets) == len(checked):
            raise InputError(
                f"{samples} rows, {len(targets)} targets, {len(checked)} weights: expected as many of each"
            )
        self._probe.columns |= new
        self._probe.grow(0 if positional else len(new))

    @property
    def _has_no_names(self) -> bool:
        return not self._probe.columns and self._probe.n_features is not None

    def _are_all(self, names: tuple[Hashable, ...]) -> bool:
        """Return whether these are the names of all columns, in their order."""
        if len(names) != len(self._probe.columns):
            return False
        if names is not self._order and names == tuple(self._probe.columns):
            self._order = names
        return names is self._order

    def _places(self, names: Any, new: Mapping[Hashable, int]) -> tuple[list[int], list[Hashable]]:
        columns = self._probe.columns
        known = [name for name in names if name in columns or name in new]
        return [columns[name] if name in columns else new[name] for name in known], known


class LearnsByName:
    """The part of a river model that learns from features by name, by a dense model inside."""

    _model: Any
    _columns: Columns
    _checked: Callable[[Any], Any]
    """Refuses what is no label, or no number to predict."""

    @property
    def _turns(self) -> Turns:
        turns: Turns = self._model._turns  # no other thread may give the model columns between two looks at them
        return turns

    def clone(self, new_params: dict[str, Any] | None = None, include_attributes: bool = False) -> Self:
        """Return a fresh one with the same options; with its attributes, as it is now."""
        clone: Self = super().clone(new_params, include_attributes)  # type: ignore[misc]  # river's
        if include_attributes:
            clone._columns = Columns(clone._model)  # river has copied the two apart
        return clone

    @in_turn
    def learn_one(self, x: Any, y: Any, w: float = 1.0) -> None:
        """Learn from the features `x` with the label, or number, `y`, as from a sample of weight `w`.

        Raises
        ------
        InputError
            If it is refused: see `OnlineProbe.learn_one`. A number must be finite.
        """
        new = self._columns.unknown(x)
        vector = self._columns.vector(x, new)
        if new:
            self._columns.make_room(x, new, vector, [self._checked(y)], [w])
        self._model.learn_one(vector, y, w)

    @in_turn
    def learn_many(self, X: Any, y: Iterable[Any], w: Any = 1.0) -> None:
        """Learn from the rows of a data frame, array or tensor, to the same effect as one after another."""
        X = as_pandas(X)
        # Iteration over these gives names, letters or rows.
        if not isinstance(y, Iterable) or isinstance(y, str | bytes | Mapping) or getattr(y, "ndim", 1) != 1:
            raise InputError(
                f"targets of type {type(y).__name__}: expected one for each row, as a list, a series or an array (n,)"
            )
        new = self._columns.unknown(X)
        matrix, targets = self._columns.matrix(X, new), [self._checked(value) for value in y]
        weights = list(w) if isinstance(w, Iterable) else [w] * len(targets)
        if new:
            self._columns.make_room(X, new, matrix, targets, weights)
        self._model.learn_many(matrix, targets, weights)


def is_frame(x: Any) -> bool:
    """Return whether it is a data frame, without importing pandas."""
    return hasattr(x, "columns") and hasattr(x, "iloc")


def as_pandas(X: Any) -> Any:
    """Return a table of another library, such as polars or pyarrow, as a data frame; anything else as it is."""
    return X.to_pandas() if hasattr(X, "columns") and hasattr(X, "to_pandas") else X


def _has_tensor(x: Any) -> TypeGuard[Features]:
    return isinstance(x, Features) and x.tensor is not None


def _finite(values: _Numbers, names: Sequence[Hashable]) -> _Numbers:
    """Return numbers, the last axis by name; refuse what float32 has no room for."""
    fits = np.abs(values) <= _LARGEST
    if not fits.all():
        *_, column = place = tuple(np.argwhere(~fits)[0])
        raise NonFiniteError(
            f"feature {names[column]!r} is {float(values[place])!r}: expected a finite number of at most {_LARGEST:.2g}"
        )
    return values


def _real_numbers(values: Any, names: Sequence[Hashable], *, ndim: int) -> _Numbers:
    """Return numbers of any kind, the last axis by name, as float64; text that reads as a number is none, nor is None."""
    try:
        array = np.asarray(values if len(values) else np.zeros(np.shape(values)))
        other = array.dtype.kind not in "biufO" or any(isinstance(value, _NO_NUMBERS) for value in array.flat)
        if other or array.ndim != ndim:
            raise TypeError(f"found {array.dtype} of {array.ndim} dimensions")
        return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        for row in [values] if ndim == 1 else values:
            for name, value in zip(names, row, strict=True):
                if not _is_number(value):
                    raise DtypeError(f"feature {name!r} is {quote(value)}: expected a number") from None
        raise DtypeError(f"features by name: expected a real number for each ({error})") from None


def _is_number(value: Any) -> bool:
    try:
        if isinstance(value, _NO_NUMBERS) or np.ndim(value):
            return False
        float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return False
    return True
