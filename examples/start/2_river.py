"""
Features in a river pipeline
============================

`river <https://riverml.xyz>`__ is a library for models that learn from one sample at a time. hebbstream brings it
features that learn in the same way, for images and for tables.
"""

# %%
# A table
# -------
#
# ``SoftHebbTransformer`` learns without labels, as a step before a classifier. ``LinearProbe`` is a classifier; any of
# river's classifiers works, too.

from river import datasets, evaluate, linear_model, metrics, preprocessing

from hebbstream.adapters.river import LinearProbe, SoftHebbTransformer

model = preprocessing.StandardScaler() | SoftHebbTransformer(neurons=50) | LinearProbe()
print(evaluate.progressive_val_score(datasets.Phishing(), model, metrics.Accuracy()))

# %%
# The same without SoftHebb. Compare before you choose: on some tables, a linear model on the raw columns is
# as good.

plain = preprocessing.StandardScaler() | linear_model.LogisticRegression()
print(evaluate.progressive_val_score(datasets.Phishing(), plain, metrics.Accuracy()))

# %%
# One sample at a time
# --------------------
#
# A pipeline has river's methods. Predict first, then learn.

x, y = next(iter(datasets.Phishing()))
print(model.predict_proba_one(x))
model.learn_one(x, y)

# %%
# Images
# ------
#
# A sample may be an image, as a NumPy array or a tensor. A preset builds a network for images.

from itertools import islice

from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP, clip_label

with open_video(CLIP, size=32, label=clip_label()) as frames:
    stream = [(sample.x, sample.y) for sample in islice(frames, 400)]

model = SoftHebbTransformer("video", width=8) | LinearProbe()
score = evaluate.progressive_val_score(stream, model, metrics.Accuracy(), print_every=100)

# %%
# Begin with a network that has learned
# -------------------------------------
#
# ``frozen=True`` stops the network from learning. Only the probe learns then.

from hebbstream.clip import load_example

model = SoftHebbTransformer(net=load_example().net, frozen=True) | LinearProbe()
print(evaluate.progressive_val_score(stream, model, metrics.Accuracy()))

# %%
# Notice a change
# ---------------
#
# ``SoftHebbAnomaly`` scores how unusual a sample is, from 0 to 1. Noise scores higher than the frames that the network
# knows.

import numpy as np

from hebbstream.adapters.river import SoftHebbAnomaly

detector = SoftHebbAnomaly(SoftHebbTransformer(net=load_example().net))
for frame, _ in stream[:100]:
    detector.learn_one(frame)
noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
print(f"a frame {detector.score_one(stream[300][0]):.2f}, noise {detector.score_one(noise):.2f}")

# %%
# The guide on :doc:`river </guides/river>` has more: sensors, regression, checkpoints, labels that come late.

# sphinx_gallery_thumbnail_path = "../benchmarks/results/quality/online-labels-mnist.png"
