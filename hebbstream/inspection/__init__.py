"""Looking inside a network: numbers per layer, and pictures."""

from hebbstream.inspection._canvas import check_picture as check_picture
from hebbstream.inspection._canvas import new_figure as new_figure
from hebbstream.inspection._canvas import save_figure as save_figure
from hebbstream.inspection._embedding import embed as embed
from hebbstream.inspection._embedding import untrained_twin as untrained_twin
from hebbstream.inspection._fields import OptimalInputs as OptimalInputs
from hebbstream.inspection._fields import optimal_inputs as optimal_inputs
from hebbstream.inspection._fields import receptive_fields as receptive_fields
from hebbstream.inspection._figures import plot_best_images as plot_best_images
from hebbstream.inspection._figures import plot_best_patches as plot_best_patches
from hebbstream.inspection._figures import plot_embedding as plot_embedding
from hebbstream.inspection._figures import plot_norms as plot_norms
from hebbstream.inspection._figures import plot_pictures as plot_pictures
from hebbstream.inspection._figures import plot_receptive_fields as plot_receptive_fields
from hebbstream.inspection._forward import ReceptiveField as ReceptiveField
from hebbstream.inspection._forward import receptive_field as receptive_field
from hebbstream.inspection._forward import some_neurons as some_neurons
from hebbstream.inspection._patches import BestPatches as BestPatches
from hebbstream.inspection._patches import best_patches as best_patches
from hebbstream.inspection._report import write_report as write_report
from hebbstream.inspection._summary import LayerActivity as LayerActivity
from hebbstream.inspection._summary import LayerSummary as LayerSummary
from hebbstream.inspection._summary import count_duplicates as count_duplicates
from hebbstream.inspection._summary import observe as observe
from hebbstream.inspection._summary import summarize as summarize
