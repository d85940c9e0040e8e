"""A run: what drives a stream through a network, watches it, and saves what was learned."""

from hebbstream.learning._arguments import Probe
from hebbstream.learning._callback import Callback, Step
from hebbstream.learning._checkpoint import Checkpoint
from hebbstream.learning._earlier import load_checkpoint, save_checkpoint
from hebbstream.learning._learn import learn
from hebbstream.learning._learner import Learner
from hebbstream.learning._metrics import Metrics
from hebbstream.learning._report import Report
from hebbstream.learning._snapshot import Snapshot

__all__ = [
    "Callback",
    "Checkpoint",
    "Learner",
    "Metrics",
    "Probe",
    "Report",
    "Snapshot",
    "Step",
    "learn",
    "load_checkpoint",
    "save_checkpoint",
]
