"""`Features`: a vector with a name for each feature, as river's models read it."""

from collections.abc import Callable, Hashable
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from torch import Tensor

from hebbstream.errors import MissingDependencyError

if TYPE_CHECKING:
    import pandas as pd


class Features(dict[Hashable, float]):
    """Features by name, and the same as a tensor for models that can read that.

    Attributes
    ----------
    tensor
        1-D, on the network's device; ``None`` once a step of a pipeline has changed these features in place.
    names
        In the order of the tensor.
    """

    tensor: Tensor | None
    names: tuple[str, ...]
    _made_of: Tensor

    @classmethod
    def of(cls, tensor: Tensor, prefix: str) -> Self:
        """Wrap a vector; see `feature_names`."""
        return cls._named(tensor, feature_names(prefix, len(tensor)))

    @classmethod
    def _named(cls, tensor: Tensor, names: tuple[str, ...]) -> Self:
        features = cls(zip(names, tensor.tolist(), strict=True))
        features.tensor = features._made_of = tensor
        features.names = names
        return features

    def unchanged(self) -> Self:
        """Return these features as they were made, for whoever keeps what it has handed out."""
        return self if self.tensor is not None else self._named(self._made_of, self.names)

    @classmethod
    def _restored(cls, made_of: Tensor, names: tuple[str, ...], changed: dict[Hashable, float] | None) -> Self:
        features = cls._named(made_of, names)
        if changed is not None:
            features.clear()
            features.update(changed)
        return features

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy as what it is: a copy that is filled name by name would count as changed."""
        return self._restored, (self._made_of, self.names, dict(self) if self.tensor is None else None)


def _noticed(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of a dict that changes it, and drops the tensor."""

    @wraps(method)
    def change(features: Features, *args: Any, **kwargs: Any) -> Any:
        features.tensor = None
        return method(features, *args, **kwargs)

    return change


for _name in ("__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem", "setdefault", "update"):
    setattr(Features, _name, _noticed(getattr(dict, _name)))


@lru_cache(maxsize=8)
def feature_names(prefix: str, features: int) -> tuple[str, ...]:
    """Return the names of so many features: to make thousands of them for each sample takes as long as the dict.

    Examples
    --------
    >>> feature_names("softhebb", 2)
    ('softhebb_0', 'softhebb_1')
    """
    return tuple(f"{prefix}_{number}" for number in range(features))


def data_frame(features: npt.NDArray[np.float64], prefix: str, index: Any = None) -> "pd.DataFrame":
    """Return the features of several samples, (n, F), as a data frame; see `feature_names`.

    Raises
    ------
    MissingDependencyError
        If pandas is not installed, which river needs for its mini-batches alone.

    Examples
    --------
    >>> list(data_frame(np.zeros((3, 2)), "softhebb").columns)
    ['softhebb_0', 'softhebb_1']
    """
    try:
        import pandas as pd
    except ImportError:
        raise MissingDependencyError("pandas is not installed: pip install 'river[pandas]'") from None
    return pd.DataFrame(features, index=index, columns=feature_names(prefix, features.shape[1]))
