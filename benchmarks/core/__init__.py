"""What every benchmark shares: run, store, page; timings, data sets, the probe and the contenders."""
