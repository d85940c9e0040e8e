"""A run: what drives a stream through a network, watches it, and saves what was learned."""

from hebbstream.learning._callback import Callback, Step
from hebbstream.learning._checkpoint import Checkpoint, Counters, load, load_checkpoint, save_checkpoint
from hebbstream.learning._continual import ContinualScores, class_incremental, domain_incremental, learn_continually
from hebbstream.learning._generations import load_latest_checkpoint
from hebbstream.learning._learner import learn
from hebbstream.learning._metrics import Metrics
from hebbstream.learning._report import Report

__all__ = [
    "Callback",
    "Checkpoint",
    "ContinualScores",
    "Counters",
    "Metrics",
    "Report",
    "Step",
    "class_incremental",
    "domain_incremental",
    "learn",
    "learn_continually",
    "load",
    "load_checkpoint",
    "load_latest_checkpoint",
    "save_checkpoint",
]
