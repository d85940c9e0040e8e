"""What is learned: `python -m benchmarks.quality.NAME --help`."""
