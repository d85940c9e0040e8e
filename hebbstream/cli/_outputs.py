"""What a command writes must not be what it reads, nor what else it writes."""

import argparse
import os
from collections.abc import Iterator

from hebbstream._credentials import mask_credentials
from hebbstream._files import expand_home
from hebbstream.errors import ConfigurationError

_READ = ("checkpoint", "source", "labels", "file")


def refuse_overwriting(options: argparse.Namespace) -> None:
    """Raise a `ConfigurationError` if one of the files that `options.writes` names is also read, named twice, or standard output."""
    read = [path for name in _READ if name not in options.writes for path in _paths(options, name)]
    named: dict[str, str] = {}
    for name in options.writes:
        for written in _paths(options, name):
            if written == "-":
                raise ConfigurationError(f"{name} -: expected the name of a file")
            if any(_are_same(written, path) for path in read):
                raise ConfigurationError(f"{mask_credentials(written)} is to be read and written: expected two files")
            file = os.path.realpath(expand_home(written))
            if file in named:
                raise ConfigurationError(f"--{named[file]} and --{name} are both {written}: expected two files")
            named[file] = name


def _paths(options: argparse.Namespace, name: str) -> Iterator[str]:
    value = getattr(options, name, None)
    for each in value if isinstance(value, list) else [value]:
        if each is not None:
            yield str(each)


def _are_same(one: str, other: str) -> bool:
    try:
        return os.path.isfile(one) and os.path.samefile(one, other)  # noqa: PTH113, PTH121  # an address is no path
    except (OSError, ValueError):
        return False
