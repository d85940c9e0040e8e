"""`learn`: one call for a run that needs no object."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from hebbstream.learning._arguments import Probe, check_net
from hebbstream.learning._callback import Callback, Step, as_callbacks
from hebbstream.learning._checkpoint import Checkpoint
from hebbstream.learning._learner import Learner
from hebbstream.learning._report import Report
from hebbstream.network import SoftHebbNet
from hebbstream.probe import Replay


def learn(
    net: SoftHebbNet,
    stream: Iterable[Any],
    probe: Probe | None = None,
    *,
    replay: Replay | None = None,
    limit: int | None = None,
    batch_size: int | None = None,
    checkpoint: str | Path | Checkpoint | None = None,
    callbacks: Iterable[Callback | Callable[[Step], object]] = (),
    progress: bool = True,
) -> Report:
    """Let a network, and a probe if there is one, learn every sample of a stream; the short form of a `Learner`.

    Parameters
    ----------
    net, stream, probe, replay, limit, batch_size
        As of `Learner` and `Learner.learn`.
    checkpoint
        A path, to save every 1,000 samples and at the end; or a `Checkpoint`, which says when.
    callbacks, progress
        As of `Learner` and `Learner.learn`.

    Returns
    -------
    Report
        ``print(report)`` shows it in a few lines.

    Raises
    ------
    ConfigurationError, EmptyStreamError, InputError, OutputError
        As of `Learner.learn`.

    Examples
    --------
    >>> import torch
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> report = learn(net, torch.rand(10, 3, 32, 32), progress=False)
    >>> report.samples, report.stopped
    (10, 'end of stream')
    """
    check_net(net, then=" first, and then the stream")
    watching = [*as_callbacks(callbacks)]
    if checkpoint is not None:
        watching.append(checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint))
    return Learner(net, probe, replay=replay, callbacks=watching).learn(
        stream, limit=limit, batch_size=batch_size, progress=progress
    )
