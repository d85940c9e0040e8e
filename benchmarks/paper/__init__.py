"""The paper's experiments, and the same from single samples: `python -m benchmarks.paper --help`."""
