"""
From a camera to features
=========================

A network watches a video, one frame at a time, and learns as it watches, without labels. You need no
camera for this: the package brings a short clip.
"""

# %%
# A network that has learned
# --------------------------
#
# The package also brings a small network that has watched this clip. These are the weights of its first layer, one
# picture for each neuron. Some look for edges, some for colours.

import matplotlib.pyplot as plt

from hebbstream.clip import load_example


def show(net, title):
    weights = net.layers[0].weight.permute(0, 2, 3, 1).numpy()  # neurons, height, width, colours
    figure, axes = plt.subplots(2, len(weights) // 2, figsize=(7, 2.4), squeeze=False)
    for axis, weight in zip(axes.flat, weights, strict=False):
        low, high = weight.min(), weight.max()
        axis.imshow((weight - low) / (high - low))
        axis.axis("off")
    figure.suptitle(title)


example = load_example()
show(example.net, "first layer of the example")
plt.savefig("example.png")

# %%
# A network of your own
# ---------------------
#
# ``from_preset`` builds a network by name; ``"video"`` is for streams of video. ``width`` is the number of neurons in its
# first layer: fewer learn faster. The *probe* is a linear classifier on the features. It predicts the label of each frame,
# and then learns it. The network itself never sees a label.

import hebbstream as hs

net = hs.SoftHebbNet.from_preset("video", width=16, seed=0)
probe = hs.SoftmaxProbe()
print(net)

# %%
# Learn from a stream
# -------------------
#
# ``open_video`` reads a file, a webcam or a network stream. Here it reads the clip, and the label of each frame is the name
# of the photograph in view. For your own camera, write ``open_video(0, size=32)`` or
# ``open_video("rtsp://camera.local/live", size=32)``, without a label.

from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP, clip_label

right = []


def note(step):
    if step.right is not None:  # there is no prediction before the first label
        right.append(step.right)


with open_video(CLIP, size=32, label=clip_label()) as frames:
    report = hs.learn(net, frames, probe, limit=1500, checkpoint="first.safetensors", callbacks=[note], progress=False)
print(report)

# %%
# ``turned`` is the share of neurons whose weights have left their random start; ``converged`` neurons have settled. In this
# preset only the first layer learns.
#
# The network saw each frame once. How often was the probe right, in the last hundred frames? Do not read too much into the
# curve: neighbouring frames have the same label, so a guess that repeats the last one is often right, too.

import numpy as np

window = 100
plt.figure(figsize=(7, 3))
plt.plot(np.convolve(right, np.ones(window) / window, mode="valid"))
plt.xlabel("frames seen")
plt.ylabel("share that was right")
plt.ylim(0, 1)
plt.savefig("accuracy.png")

# %%
# Go on later
# -----------
#
# The *checkpoint* ``first.safetensors`` holds all that was learned. With ``resume=True`` the learner skips the frames that
# it knows, and goes on with the next one, as if it had never stopped.

learner = hs.Learner.load("first.safetensors")
with open_video(CLIP, size=32, label=clip_label()) as frames:
    report = learner.learn(frames, limit=500, resume=True, progress=False)
print(report.samples, "more frames,", learner.net.samples_seen, "in all")

# %%
# Use the features
# ----------------
#
# ``transform_one`` returns the features of a frame and changes nothing.

with open_video(CLIP, size=32) as frames:
    sample = next(iter(frames))
features = learner.net.transform_one(sample.x)
print(features.shape)
print(learner.probe.predict_one(features))

# %%
# The same on the command line
# ----------------------------
#
# .. code-block:: console
#
#    $ hebbstream learn webcam --width 16 --checkpoint camera.safetensors --resume
#    $ hebbstream inspect camera.safetensors --report pictures
#
# Press Ctrl-C to stop; type the same command to go on.
# Next: :doc:`cameras </guides/cameras>` that fail, and :doc:`labels </guides/labels>` of your own.
