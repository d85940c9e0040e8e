"""`Engine`: the interface between a network and the way its steps are executed."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Sequence
from functools import partial
from typing import Any, ClassVar, get_args

from torch import Tensor

from hebbstream._choices import check_choice
from hebbstream._globals import outside_modes
from hebbstream.network._layer import SoftHebbLayer
from hebbstream.rule._precision import PrecisionName, Product, product


class Engine(ABC):
    """Executes learning steps. It holds memory and workers, but nothing learned; each network has its own.

    Parameters
    ----------
    precision
        Precision of matrix products while learning: ``"float32"``, ``"tf32"``, ``"bfloat16"``, ``"float16"`` or ``"auto"``.
        Weights, statistics and sums are float32 in every case, and so is everything when features are computed
        without learning; but ``"tf32"`` also rounds what a whitening multiplies as it learns. ``"auto"`` is bfloat16, for
        learning and for features, where numba is installed (extra ``fast``) and the processor multiplies bfloat16, in
        layers where it gains anything; float32 elsewhere.

    Raises
    ------
    ConfigurationError
        If there is no such precision.

    Examples
    --------
    It is the base class. A network takes an engine, or one of their names:

    >>> import hebbstream as hs
    >>> net = hs.SoftHebbNet.from_preset("cifar10", width=4, engine=hs.EagerEngine("bfloat16"))
    >>> isinstance(net.engine, hs.Engine)
    True
    """

    overlaps: ClassVar[bool] = False
    """Whether it takes in further frames of a stream before it is done with one."""

    def __init__(self, precision: PrecisionName = "float32") -> None:
        check_choice("precision", precision, get_args(PrecisionName))
        self.precision: PrecisionName = precision
        self.multiply: Product = product(precision)

    @abstractmethod
    def learn(self, layers: Sequence[SoftHebbLayer], frames: Tensor) -> Tensor:
        """Let every layer learn from one step.

        Parameters
        ----------
        layers
            First to last.
        frames
            A checked batch (`hebbstream.network._frames.check_frames`), shape (B, C, H, W), on the host or on a device.

        Returns
        -------
        Tensor
            Features of the weights before this update, shape (B, F), on the last layer's device.
        """

    def samples_of(self, frames: Tensor) -> int:
        """Return the number of samples in the step that these frames, shape (B, C, H, W), are about to be learned in."""
        return frames.shape[0]

    def learn_stream(self, layers: Sequence[SoftHebbLayer], batches: Iterable[Tensor]) -> Generator[Tensor, None, None]:
        """Let every layer learn from one step after another, and yield the features of each, in order.

        A network asks for it where steps overlap; else it asks for one at a time, so that other threads have their turn.
        """
        for frames in batches:
            with outside_modes():
                features = self.learn(layers, frames)
            yield features

    def _settings(self) -> dict[str, Any]:
        return {"precision": self.precision}

    # A copy or a pickle of an engine is a fresh one with the same settings.
    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), **self._settings()), ()

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self._settings().items())
        return f"{type(self).__name__}({settings})"
