"""A pickle is for the version that wrote it: another one says so before it fails, or gives something else."""

import warnings
from collections.abc import Mapping
from typing import Any

from hebbstream._version import __version__


def tell_if_of_another_version(state: Mapping[str, Any]) -> None:
    """Warn whoever unpickles what another version has pickled, by the `_made_by` of its state.

    Examples
    --------
    >>> tell_if_of_another_version({"_made_by": __version__})
    """
    version = state.get("_made_by", "of an earlier version")
    if version != __version__:
        warnings.warn(
            f"pickled by hebbstream {version}, opened by {__version__}: it may fail, or give something else; "
            "expected a pickle of this version, or a checkpoint",
            UserWarning,
            stacklevel=3,  # where it is unpickled
        )
