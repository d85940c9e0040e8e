"""`Callback`: what may watch a run, or has something to do between its samples."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from hebbstream._numbers import check_number, quantity
from hebbstream._quote import quote
from hebbstream.errors import ConfigurationError
from hebbstream.streams._sample import Sample

if TYPE_CHECKING:
    from hebbstream.learning._learner import Learner


@dataclass(frozen=True, slots=True)
class Step:
    """What a callback sees after each sample.

    Parameters
    ----------
    index
        Samples that the learner had learned before.
    sample
        The sample.
    features
        Its features, as returned by `SoftHebbNet.learn_one`.
    prediction
        The probe's, made before it learned the label; ``None`` without a probe or a label, and where the probe abstains.
    right
        Whether the prediction was the label; ``None`` where there was none.

    Examples
    --------
    >>> import torch
    >>> import hebbstream as hs
    >>> steps = []
    >>> net = hs.SoftHebbNet.from_preset("cifar10", width=4)
    >>> _ = hs.learn(net, torch.rand(3, 3, 32, 32), callbacks=[steps.append], progress=False)
    >>> [step.index for step in steps], tuple(steps[0].features.shape)
    ([0, 1, 2], (1024,))
    """

    index: int
    sample: Sample
    features: Tensor
    prediction: Any = None
    right: bool | None = None


class Callback:
    """Base class for what watches a run: override the methods that you need. A function that takes a `Step` works, too.

    Every method gets the `Learner` that runs. If one raises, the run ends, but nothing learned is lost: the samples under way
    are learned to their end, and `on_end` of the other callbacks, such as a `Checkpoint`, is called.

    Examples
    --------
    >>> import torch
    >>> import hebbstream as hs
    >>> class Announce(Callback):
    ...     every_samples = 2
    ...     def on_pause(self, learner):
    ...         print(learner.counters.position, "samples")
    ...     def on_end(self, learner):
    ...         print("until", learner.report.stopped)
    >>> net = hs.SoftHebbNet.from_preset("cifar10", width=4)
    >>> _ = hs.learn(net, torch.rand(3, 3, 32, 32), callbacks=[Announce()], progress=False)
    2 samples
    until end of stream
    """

    every_samples: int | None = None
    """Samples between calls of `on_pause`; ``None`` for none."""
    every_seconds: float | None = None
    """Most seconds between calls of `on_pause`; ``None`` for no limit."""

    def on_start(self, learner: "Learner") -> None:
        """Before the first sample."""

    def on_sample(self, learner: "Learner", sample: Sample) -> None:
        """Before a sample is learned. An error here refuses it before anything changes, and ends the run."""

    def on_step(self, learner: "Learner", step: Step) -> None:
        """After each sample."""

    def on_pause(self, learner: "Learner") -> None:
        """When it is due, while no sample passes through the network: its weights are all of one time."""

    def on_signal(self, learner: "Learner") -> None:
        """When the process gets SIGUSR1, as soon as no sample passes through the network; the run goes on."""

    def on_end(self, learner: "Learner") -> None:
        """At the end, whatever ended the run: ``learner.report.stopped`` says what."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint is to keep of this callback, in JSON terms and tensors by str; empty for nothing.

        The file knows it by the name of the class, so give yours a name of its own. A tuple comes back as a list.
        """
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned; `Learner.load` calls it, if the file has something for this class."""

    def samples_left(self, position: int) -> int | None:
        """Return after how many more samples `is_due` is to be asked, at the latest; ``None`` for never."""
        return None if self.every_samples is None else self.every_samples - position % self.every_samples

    def is_due(self, position: int) -> bool:
        """Whether, after so many samples, `on_pause` is due."""
        return self.every_samples is not None and position % self.every_samples == 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _Function(Callback):
    def __init__(self, function: Callable[[Step], object]) -> None:
        self._function = function

    def on_step(self, learner: "Learner", step: Step) -> None:  # noqa: ARG002  # the function asks for the step alone
        self._function(step)

    def __repr__(self) -> str:
        return str(getattr(self._function, "__name__", repr(self._function)))


def as_callbacks(callbacks: Iterable[Callback | Callable[[Step], object]]) -> tuple[Callback, ...]:
    """Return callbacks as they are, and each function of a `Step` as one.

    Raises
    ------
    ConfigurationError
        If there is no list of them, one is neither, its periods cannot work, or it saves what it does not read.
    """
    if not isinstance(callbacks, Iterable):
        raise ConfigurationError(f"callbacks={quote(callbacks)}: expected a list of callbacks")
    return tuple(map(_as_callback, callbacks))


def _as_callback(callback: Callback | Callable[[Step], object]) -> Callback:
    if not isinstance(callback, Callback):
        if isinstance(callback, type) or not callable(callback):
            raise ConfigurationError(f"callback {callback!r}: expected a Callback, or a function of a Step")
        return _Function(callback)
    kind = type(callback)
    if kind.state_dict is not Callback.state_dict and kind.load_state_dict is Callback.load_state_dict:
        raise ConfigurationError(
            f"callback {callback!r} with state_dict alone: expected load_state_dict, too, or nothing reads what is saved"
        )
    check_number("every_samples", callback.every_samples, optional=True)
    seconds = callback.every_seconds
    if seconds is not None and not quantity(seconds) >= 0:
        raise ConfigurationError(f"every_seconds={quote(seconds)}: expected 0 or a positive number, or None")
    return callback
