"""Benchmarks and experiments: ``python -m benchmarks.NAME --help``."""

import hebbstream  # noqa: F401  # before torch, so that threads wait as they do in hebbstream's own commands
