"""A river pipeline on tables: does a classifier gain from features that learn?

Prints, for three data sets that come with river, the prequential accuracy and the seconds of a linear classifier on
the standardised columns, and of the same classifier on these and SoftHebb features of them. The features are not linear
in the columns, which helps a linear classifier whether or not they learn; nothing is tuned.
"""

import argparse
import time
from itertools import islice

from river import datasets, evaluate, metrics, preprocessing

from hebbstream.adapters.river import LinearProbe, SoftHebbTransformer

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--limit", type=int, default=1000, metavar="N", help="stop after N rows of each (default: 1000)")
parser.add_argument("--neurons", type=int, default=100, metavar="N", help="features (default: 100)")
parser.add_argument("--solver", default="slda", help="of the classifier: gradient, ridge or slda (default)")
options = parser.parse_args()

print(f"{'data set':14} {'rows':>6} {'columns alone':>20} {f'and {options.neurons} features':>24}")
for dataset in (datasets.ImageSegments(), datasets.Phishing(), datasets.Bananas()):
    rows = list(islice(dataset, options.limit))
    models = (
        preprocessing.StandardScaler() | LinearProbe(options.solver),
        (preprocessing.StandardScaler() + SoftHebbTransformer(neurons=options.neurons)) | LinearProbe(options.solver),
    )
    cells = []
    for model in models:
        started = time.perf_counter()
        accuracy = evaluate.progressive_val_score(rows, model, metrics.Accuracy()).get()
        cells.append(f"{accuracy:.1%} in {time.perf_counter() - started:.1f} s")
    print(f"{type(dataset).__name__:14} {len(rows):6,} {cells[0]:>20} {cells[1]:>24}", flush=True)
