"""
From a network to a program
===========================

A network that has learned becomes one ONNX file. The program that uses it needs neither PyTorch nor hebbstream. It
runs on a server, on a small board or in a browser.
"""

# %%
# Write the model
# ---------------
#
# The example network comes with the package; load your own with ``hs.Learner.load("run.safetensors")``.
# The model reads pixels as cameras give them: bytes, height × width × colours.

from hebbstream.clip import load_example
from hebbstream.export import to_onnx

example = load_example()
path = to_onnx(example.net, "features.onnx", example.probe, size=32, input_dtype="uint8", layout="NHWC")
print(path, path.stat().st_size // 1000, "kB")

# %%
# Check it
# --------
#
# ``verify`` compares the model with the network on your frames, and times both.

from itertools import islice

from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP
from hebbstream.export import verify

with open_video(CLIP, size=32, stride=50) as video:
    frames = [sample.x for sample in islice(video, 100)]
print(verify("features.onnx", frames, example.net, example.probe))

# %%
# Use it
# ------
#
# ``OnnxExtractor`` runs the model in ONNX Runtime.

from hebbstream.export import OnnxExtractor

extractor = OnnxExtractor("features.onnx")
print(extractor.transform_one(frames[1]).shape, extractor.predict_one(frames[1]))

# %%
# It is a plain ONNX file. A program without hebbstream reads it like this:

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("features.onnx")
features, scores, probabilities = session.run(None, {"frames": np.stack(frames[:4])})
print(features.shape, probabilities.argmax(axis=1))

# %%
# Make it smaller
# ---------------
#
# ``int8`` stores the weights of the network in a quarter of the space. It needs some frames to set its scales. If the
# features differ too much from the network's, it is refused.

from pathlib import Path

to_onnx(example.net, "small.onnx", example.probe, precision="int8", frames=frames, input_dtype="uint8", layout="NHWC")
for name in ("features.onnx", "small.onnx"):
    print(name, Path(name).stat().st_size // 1000, "kB")

# %%
# Publish while learning goes on
# ------------------------------
#
# ``ExportEvery`` writes a new model after a number of frames. ``follow`` loads each one, between two frames, while your
# program runs.

import hebbstream as hs
from hebbstream.export import ExportEvery, follow

export = ExportEvery("site/net.json", every_samples=100, input_dtype="uint8", layout="NHWC")
with open_video(CLIP, size=32) as video:
    hs.learn(example.net, video, limit=200, callbacks=[export], progress=False)
with follow("site/net.json") as extractor:
    print(extractor.transform_one(frames[0]).shape)
print(sorted(path.name for path in Path("site").iterdir()))

# %%
# The guide on :doc:`deployment </guides/deploy>` covers graphics cards, browsers and OpenVINO.

# sphinx_gallery_thumbnail_path = "../benchmarks/results/speed/deploy.png"
