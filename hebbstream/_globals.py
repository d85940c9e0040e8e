"""What of torch is global, and may be set to anything by whoever runs us."""

from contextlib import AbstractContextManager, ExitStack, nullcontext

import torch

from hebbstream._quote import first_line
from hebbstream.errors import ConfigurationError


def outside_autocast() -> AbstractContextManager[object]:
    """Leave `torch.autocast` for a block that computes in float32: an engine's `precision` says which products do not.

    Examples
    --------
    >>> one = torch.ones(1, 1)
    >>> with torch.autocast("cpu", dtype=torch.bfloat16), outside_autocast():
    ...     (one @ one).dtype
    torch.float32
    """
    kinds = [kind for kind in ("cpu", "cuda") if torch.is_autocast_enabled(kind)]
    if not kinds:
        return nullcontext()
    stack = ExitStack()
    for kind in kinds:
        stack.enter_context(torch.autocast(kind, enabled=False))
    return stack


def outside_modes() -> AbstractContextManager[object]:
    """Leave `torch.inference_mode` and `torch.autocast` for a block that makes or changes state.

    A tensor made in inference mode can never be changed outside it: one step there would end all later ones.

    Examples
    --------
    >>> with torch.inference_mode(), outside_modes():
    ...     torch.zeros(1).is_inference()
    False
    """
    if not torch.is_inference_mode_enabled():
        return outside_autocast()
    stack = ExitStack()
    stack.enter_context(torch.inference_mode(False))
    stack.enter_context(torch.no_grad())  # as in inference mode; to leave it would turn gradients on
    stack.enter_context(outside_autocast())
    return stack


def usable_device(device: str | torch.device) -> torch.device:
    """Return a device on which tensors can hold values.

    Raises
    ------
    ConfigurationError
        If there is no such device here.

    Examples
    --------
    >>> usable_device("meta")
    Traceback (most recent call last):
    ...
    hebbstream.errors.ConfigurationError: device='meta': expected one that holds values, such as 'cpu' or 'cuda'
    """
    try:
        found = torch.device(device)
        torch.empty(0, dtype=torch.float32, device=found)
    except TypeError:
        raise ConfigurationError(f"device={device!r}: expected a name, such as 'cpu' or 'cuda'") from None
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigurationError(f"device={str(device)!r}: it cannot be used here ({first_line(error)})") from None
    if found.type == "meta":
        raise ConfigurationError("device='meta': expected one that holds values, such as 'cpu' or 'cuda'")
    return found
