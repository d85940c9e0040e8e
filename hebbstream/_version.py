"""The version, in one place for the package and its checkpoints."""

from importlib.metadata import version

__version__ = version("hebbstream")
