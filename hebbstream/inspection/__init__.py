"""Looking inside a network: numbers per layer, and pictures."""

from hebbstream.inspection._activity import LayerActivity, observe
from hebbstream.inspection._figures import plot_receptive_fields
from hebbstream.inspection._optimal import OptimalInputs, optimal_inputs
from hebbstream.inspection._patches import BestPatches, best_patches
from hebbstream.inspection._report import write_report
from hebbstream.inspection._summary import LayerSummary, summarize

__all__ = [
    "BestPatches",
    "LayerActivity",
    "LayerSummary",
    "OptimalInputs",
    "best_patches",
    "observe",
    "optimal_inputs",
    "plot_receptive_fields",
    "summarize",
    "write_report",
]
