"""Which classifier on SoftHebb features? Three solvers of LinearProbe and river's own models, prequentially.

Prints one table: the accuracy and Cohen's kappa of each, predicting each label before learning it, and the seconds it
took. All see the same features, as one small network learns them from the same stream, once. The parameters are the
defaults. By default the stream is the bundled clip, whose label seldom changes from one frame to the next: there,
"no change", which repeats the last label, is what to beat. With --data mnist it is MNIST, from the folder that the
environment variable HEBBSTREAM_DATA names.
"""

import argparse
import os
import time
from itertools import islice
from operator import length_hint
from pathlib import Path

from river import dummy, forest, linear_model, metrics, naive_bayes, neighbors, preprocessing, tree
from tqdm import tqdm

import hebbstream as hs
from hebbstream.adapters.arrays import open_arrays
from hebbstream.adapters.river import LinearProbe
from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP, clip_label

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--data", default="clip", choices=("clip", "mnist"), help="default: clip")
parser.add_argument("--limit", type=int, default=1000, metavar="N", help="stop after N samples (default: 1000)")
options = parser.parse_args()

if options.data == "clip":
    side, channels = 32, 3
    source = open_video(CLIP, size=side, label=clip_label())
elif "HEBBSTREAM_DATA" in os.environ:
    side, channels = 28, 1
    folder = Path(os.environ["HEBBSTREAM_DATA"]) / "mnist"
    source = open_arrays(folder / "train-images-idx3-ubyte.gz", folder / "train-labels-idx1-ubyte.gz")
else:
    parser.error("HEBBSTREAM_DATA is not set: expected the folder that holds mnist/")

# Two layers, and a last pooling so wide that 2 × 2 places are left: 128 features, which river's models can bear.
layers = [
    hs.LayerSpec(channels=16, kernel_size=5, learning_rate=0.08, update_scale="running_max"),
    hs.LayerSpec(channels=32, update_scale="running_max", pool="avg", pool_size=side // 4, pool_stride=side // 4),
]
net = hs.SoftHebbNet(layers, channels, seed=0)

scaled = preprocessing.StandardScaler  # for the models that expect features of one scale
models = {
    "no change": dummy.NoChangeClassifier(),
    "LinearProbe gradient": LinearProbe("gradient"),
    "LinearProbe ridge": LinearProbe("ridge"),
    "LinearProbe slda": LinearProbe("slda"),
    "SoftmaxRegression": scaled() | linear_model.SoftmaxRegression(),
    "GaussianNB": naive_bayes.GaussianNB(),
    "HoeffdingTree": tree.HoeffdingTreeClassifier(),
    "ARF, 10 trees": forest.ARFClassifier(seed=0),
    "KNN, 5 of 1,000": scaled() | neighbors.KNNClassifier(),
}
scores = {name: metrics.Accuracy() + metrics.CohenKappa() for name in models}
seconds = dict.fromkeys([*models, "features"], 0.0)

with source:
    total = min(options.limit, length_hint(source))
    for sample in tqdm(islice(source, options.limit), total=total, unit=" samples"):
        started = time.perf_counter()
        features = net.learn_one(sample.x)
        seconds["features"] += time.perf_counter() - started
        row = dict(enumerate(features.tolist()))  # river's models read dicts, the probes tensors too
        for name, model in models.items():
            x = features if isinstance(model, LinearProbe) else row
            started = time.perf_counter()
            prediction = model.predict_one(x)
            model.learn_one(x, sample.y)
            seconds[name] += time.perf_counter() - started
            if prediction is not None:  # before the first label
                scores[name].update(sample.y, prediction)

print(f"{len(features)} features in {seconds['features']:.1f} s; then\n")
print(f"{'model':22} {'accuracy':>9} {'kappa':>7} {'seconds':>8}")
for name, (accuracy, kappa) in scores.items():
    print(f"{name:22} {accuracy.get():9.1%} {kappa.get():7.3f} {seconds[name]:8.1f}")
