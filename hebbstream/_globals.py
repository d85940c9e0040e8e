"""What of torch is global, and may be set to anything by whoever runs us."""

from contextlib import AbstractContextManager, nullcontext

import torch

from hebbstream.errors import ConfigurationError


def outside_inference_mode() -> AbstractContextManager[object]:
    """Leave `torch.inference_mode` for a block that makes or changes state.

    A tensor made inside that mode can never be changed outside it: one step there would end all later ones.

    Examples
    --------
    >>> with torch.inference_mode(), outside_inference_mode():
    ...     torch.zeros(1).is_inference()
    False
    """
    return torch.inference_mode(False) if torch.is_inference_mode_enabled() else nullcontext()


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
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ConfigurationError(f"device={str(device)!r}: it cannot be used here ({reason})") from None
    if found.type == "meta":
        raise ConfigurationError("device='meta': expected one that holds values, such as 'cpu' or 'cuda'")
    return found
