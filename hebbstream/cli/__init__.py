"""The `hebbstream` command."""

from hebbstream.cli._main import main

__all__ = ["main"]
