"""Benchmarks and experiments: ``python -m benchmarks.NAME --help``."""

import sys
from types import TracebackType

import hebbstream  # noqa: F401  # before torch, so that threads wait as they do in hebbstream's own commands


def _say_in_a_line(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say that Ctrl-C came, without a traceback; the interpreter then ends as one that was interrupted, which shells call 130."""
    if issubclass(kind, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _say_in_a_line
