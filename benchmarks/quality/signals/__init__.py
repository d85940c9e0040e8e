"""Learned features of signals and sound against untrained ones, raw values, and MiniRocket."""
