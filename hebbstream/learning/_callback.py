"""`Callback`: what may watch a run of `learn`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from hebbstream.streams._sample import Sample

if TYPE_CHECKING:
    from hebbstream.learning._report import Report


@dataclass(frozen=True, slots=True)
class Step:
    """What a callback sees after each sample.

    Parameters
    ----------
    index
        Position of the sample in the stream, from 0.
    sample
        The sample.
    features
        Its features, as returned by `SoftHebbNet.learn_one`.
    prediction
        The probe's, made before it learned the label; ``None`` without a probe or a label.
    """

    index: int
    sample: Sample
    features: Tensor
    prediction: Any = None


class Callback:
    """Base class for what watches a run; override what is of interest. A plain function of a `Step` will do as well.

    Examples
    --------
    >>> import torch
    >>> from hebbstream import SoftHebbNet, learn
    >>> class Announce(Callback):
    ...     def on_end(self, report):
    ...         print(report.samples, "samples until", report.stopped)
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> _ = learn(net, torch.rand(3, 3, 32, 32), callbacks=[Announce()], progress=False)
    3 samples until end of stream
    """

    every_samples: int | None = None
    """Samples between calls of `on_pause`; ``None`` for none."""

    def on_start(self, learner: Any) -> None:
        """Before the first sample."""

    def on_step(self, learner: Any, step: Step) -> None:  # noqa: ARG002
        """After each sample."""
        self(step)

    def __call__(self, step: Step) -> None:
        """After each sample."""

    def on_pause(self) -> None:
        """Every `every_samples` samples, while no sample is passing through the network: its weights are all of one time."""

    def on_checkpoint(self, path: Path) -> None:
        """After a checkpoint was written."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint is to keep of this callback, in terms that JSON knows; empty for nothing.

        `Checkpoint.callbacks` has it under the name of the class.
        """
        return {}

    def on_end(self, report: "Report") -> None:
        """At the end, whatever ended the run: ``report.stopped`` says what."""
