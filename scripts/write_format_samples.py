"""Write a small checkpoint and model of today's formats to tests/data, and what they give; tests/test_formats.py reads them.

A format that was released never changes, so files that are there stay as they are.

    python scripts/write_format_samples.py
"""

import json
from dataclasses import asdict
from pathlib import Path

import torch

import hebbstream as hs
from hebbstream._upgrades import FORMAT
from hebbstream.adapters.river import DriftMonitor
from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP, clip_label
from hebbstream.export import OnnxExtractor, to_onnx
from hebbstream.export._contract import FORMAT as MODEL_FORMAT

FOLDER = Path(__file__).parent.parent / "tests" / "data"
SIDE, SAMPLES = 16, 60


def frame() -> torch.Tensor:
    return torch.linspace(0, 1, 3 * SIDE * SIDE).view(3, SIDE, SIDE)


def learned() -> hs.Learner:
    net = hs.SoftHebbNet.from_preset("cifar10", width=2, seed=3)
    learner = hs.Learner(net, hs.SoftmaxProbe(), replay=hs.Replay(8), callbacks=[DriftMonitor()])
    with open_video(CLIP, size=SIDE, label=clip_label()) as frames:
        learner.learn(frames, limit=SAMPLES, progress=False)
    return learner


def main() -> None:
    learner = learned()
    features = learner.net.transform_one(frame())
    given = {
        "features": features.tolist(),
        "probabilities": learner.probe.predict_proba_one(features),
        "counters": asdict(learner.counters),
    }
    checkpoint, model = FOLDER / f"format-{FORMAT}.safetensors", FOLDER / f"{MODEL_FORMAT}.onnx"
    if not checkpoint.exists():
        learner.save(checkpoint)
        checkpoint.with_suffix(".json").write_text(json.dumps(given) + "\n")
    if not model.exists():
        to_onnx(learner.net, model, learner.probe)
        extractor = OnnxExtractor(model)
        row = extractor.transform_one(frame().numpy())
        given |= {"features": row.tolist(), "label": extractor.predict_one(frame().numpy())}
        model.with_suffix(".json").write_text(json.dumps(given) + "\n")
    for path in (checkpoint, model):
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
