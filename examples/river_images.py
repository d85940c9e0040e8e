"""A river pipeline on images: features that learn, and a classifier that learns on them, one frame at a time.

Prints the accuracy so far every 500 frames and at the end, each frame predicted before it is learned. The frames are
those of the bundled clip, a virtual camera over eight photographs; the label is the photograph in view. A camera stays
on a photograph for some frames, so that repeating the last label is right most of the time: that accuracy comes last.
"""

import argparse
from itertools import islice

from river import dummy, evaluate, metrics

import hebbstream as hs
from hebbstream.adapters.river import LinearProbe, SoftHebbTransformer
from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP, clip_label

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--limit", type=int, default=2000, metavar="N", help="stop after N frames (default: 2000)")
options = parser.parse_args()

# river wants pairs of a sample and its label; an image is passed on as it is, a uint8 array of shape (32, 32, 3).
with open_video(CLIP, size=32, label=clip_label()) as frames:
    stream = [(sample.x, sample.y) for sample in islice(frames, options.limit)]

# A small network: its last pooling leaves 2 × 2 places of 32 neurons, 128 features. SoftHebbTransformer("cifar10") is
# the paper's. It needs no labels: river lets it learn from every sample, too, before the classifier does.
layers = [
    hs.LayerSpec(channels=16, kernel_size=5, learning_rate=0.08, update_scale="running_max"),
    hs.LayerSpec(channels=32, update_scale="running_max", pool="avg", pool_size=8, pool_stride=8),
]
model = SoftHebbTransformer(layers=layers) | LinearProbe("slda")
print(model)
learned = evaluate.progressive_val_score(stream, model, metrics.Accuracy(), print_every=500, show_time=True)
repeating = evaluate.progressive_val_score(stream, dummy.NoChangeClassifier(), metrics.Accuracy())
print(f"the pipeline: {learned}")
print(f"repeating the last label: {repeating}")
