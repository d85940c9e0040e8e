"""Looking inside a network: numbers per layer, and pictures."""

from hebbstream.inspection._activity import observe
from hebbstream.inspection._figures import plot_receptive_fields
from hebbstream.inspection._optimal import optimal_inputs
from hebbstream.inspection._patches import best_patches
from hebbstream.inspection._report import write_report
from hebbstream.inspection._summary import summarize

__all__ = [
    "best_patches",
    "observe",
    "optimal_inputs",
    "plot_receptive_fields",
    "summarize",
    "write_report",
]
