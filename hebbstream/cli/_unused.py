"""Options that go with another one, which is not there."""

import argparse
from collections.abc import Callable

from hebbstream.errors import ConfigurationError


def refuse_unused(options: argparse.Namespace, needed: str, add: Callable[[argparse.ArgumentParser], None]) -> None:
    """Raise a `ConfigurationError` if the user gave one of the options that `add` adds, without the one that is needed."""
    parser = argparse.ArgumentParser()
    add(parser)
    for action in parser._actions:
        if action.option_strings and getattr(options, action.dest, action.default) != action.default:
            raise ConfigurationError(f"{action.option_strings[0]}: expected {needed}, with which it goes")
