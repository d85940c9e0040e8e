"""Every probe by the name of its solver; a probe from its state, or from what holds it."""

from typing import Any

import torch

from hebbstream.errors import ConfigurationError
from hebbstream.probe._base import OnlineProbe
from hebbstream.probe._ridge import RidgeProbe
from hebbstream.probe._slda import SldaProbe
from hebbstream.probe._softmax import SoftmaxProbe
from hebbstream.probe._state import fitting

SOLVERS: dict[str, type[OnlineProbe]] = {probe.solver: probe for probe in (SoftmaxProbe, RidgeProbe, SldaProbe)}


def probe_from_state(state: dict[str, Any], device: str | torch.device = "cpu") -> OnlineProbe:
    """Return a probe that goes on where the one that gave its `state_dict` was, on a device, with copies of its tensors.

    Raises
    ------
    ValueError
        If the state does not fit together; the message says what of it.

    Examples
    --------
    >>> probe = RidgeProbe(l2=0.5)
    >>> probe.learn_one([1.0, 0.0], "left")
    >>> probe_from_state(probe.state_dict())
    RidgeProbe(l2=0.5, features=2, classes=1, labels=1)
    """
    with fitting("probe"):
        if state["solver"] not in SOLVERS:
            raise ValueError(f"solver={state['solver']!r}: expected one of {', '.join(map(repr, SOLVERS))}")
        probe = SOLVERS[state["solver"]](**state["options"])
        probe._load(state, torch.device(device))
        return probe


def as_online_probe(probe: Any, asked_by: str) -> OnlineProbe | None:
    """Return a probe itself, or the one inside a river adapter; ``None`` for ``None``.

    Raises
    ------
    ConfigurationError
        If it is of any other kind; the message begins with what asked for it.
    """
    if isinstance(probe, type):
        raise ConfigurationError(f"{asked_by} with the class {probe.__name__}: expected an object, {probe.__name__}()")
    found = probe.as_probe() if hasattr(probe, "as_probe") else probe
    if found is None or isinstance(found, OnlineProbe):
        return found
    raise ConfigurationError(f"{asked_by} with a {type(probe).__name__}: expected an OnlineProbe or a LinearProbe")


def savable_probe(probe: Any) -> OnlineProbe | None:
    """Return what a checkpoint can hold of a probe; errors as of `as_online_probe`.

    A class of one's own is refused: `probe_from_state` would make another of it, which does something else.

    Examples
    --------
    >>> savable_probe(RidgeProbe())
    RidgeProbe()
    >>> savable_probe(type("Mine", (RidgeProbe,), {})())
    Traceback (most recent call last):
    hebbstream.errors.ConfigurationError: checkpoint with a Mine: expected a RidgeProbe itself, which it would be when loaded
    """
    found = as_online_probe(probe, "checkpoint")
    if found is not None and type(found) is not SOLVERS[found.solver]:
        name = SOLVERS[found.solver].__name__
        raise ConfigurationError(
            f"checkpoint with a {type(found).__name__}: expected a {name} itself, which it would be when loaded"
        )
    return found
