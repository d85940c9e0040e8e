"""`Features`: a vector with a name for each feature, as river's models read it."""

from collections.abc import Hashable
from functools import lru_cache

from torch import Tensor


class Features(dict[Hashable, float]):
    """Features by name, and the same as a tensor for models that can read that.

    Attributes
    ----------
    tensor
        1-D, on the network's device.
    names
        In the order of the tensor.
    """

    tensor: Tensor
    names: tuple[str, ...]

    @classmethod
    def of(cls, tensor: Tensor, prefix: str) -> "Features":
        """Wrap a vector; see `feature_names`."""
        names = feature_names(prefix, len(tensor))
        features = cls(zip(names, tensor.tolist(), strict=True))
        features.tensor, features.names = tensor, names
        return features


@lru_cache(maxsize=8)
def feature_names(prefix: str, features: int) -> tuple[str, ...]:
    """Return the names of so many features: to make thousands of them for each sample takes as long as the dict.

    Examples
    --------
    >>> feature_names("softhebb", 2)
    ('softhebb_0', 'softhebb_1')
    """
    return tuple(f"{prefix}_{number}" for number in range(features))
