"""Names of before `Learner`, which go on working: each warns, and says what to use now."""

import warnings
from collections.abc import Iterable
from pathlib import Path

import torch

from hebbstream.learning._callback import Callback
from hebbstream.learning._counters import Counters
from hebbstream.learning._learner import Learner
from hebbstream.network import SoftHebbNet
from hebbstream.probe import OnlineProbe, Replay


def load_checkpoint(path: str | Path, device: str | torch.device = "cpu") -> Learner:
    """Read a learner from a file: the earlier name of `Learner.load`.

    Parameters
    ----------
    path, device
        As of `Learner.load`, and the same errors.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "run.safetensors"
    >>> with warnings.catch_warnings(action="ignore"):
    ...     save_checkpoint(path, SoftHebbNet.from_preset("cifar10", width=4), counters=Counters(position=7))
    ...     load_checkpoint(path).counters.position
    7
    """
    _warn("load_checkpoint(path)", "Learner.load(path)")
    return Learner.load(path, device)


def save_checkpoint(
    path: str | Path,
    net: SoftHebbNet,
    probe: OnlineProbe | None = None,
    counters: Counters | None = None,
    callbacks: Iterable[Callback] = (),
    replay: Replay | None = None,
) -> None:
    """Write a learner to a file: the earlier name of `Learner.save`.

    It writes these parts only, not what else a checkpoint holds, such as which recordings were learned.

    Parameters
    ----------
    path
        As of `Learner.save`, and the same errors.
    net, probe
        As of `Learner`.
    counters
        How many samples are learned so far, and how they were predicted; ``None`` counts none.
    callbacks, replay
        As of `Learner`.

    Examples
    --------
    >>> import tempfile
    >>> with warnings.catch_warnings(action="ignore"):
    ...     save_checkpoint(Path(tempfile.mkdtemp()) / "run.safetensors", SoftHebbNet.from_preset("cifar10", width=4))
    """
    _warn("save_checkpoint(path, net, …)", "Learner(net, …).save(path)")
    learner = Learner(net, probe, replay=replay, callbacks=callbacks)
    learner.counters = counters or Counters()
    learner.save(path)


def _warn(before: str, now: str) -> None:
    warnings.warn(f"{before} goes in version 1.0: use {now}", DeprecationWarning, stacklevel=3)
