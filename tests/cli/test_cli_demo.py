from pathlib import Path

import numpy as np

import hebbstream as hs


def test_the_demo_writes_everything_it_names(run):
    code, out, _ = run("demo", "--limit", 1, "--quiet", "--output", "out")
    assert code == 0
    for name in ("receptive-fields.png", "accuracy.png", "demo.safetensors", "demo.onnx"):
        assert f"out/{name}" in out
        assert (Path("out") / name).stat().st_size > 1000
    for words in (
        "learned by hebbstream",
        "untrained weights",
        "chance",
        "pixels",
        "learning gained",
        "have turned",
        "frames a second",
        "ONNX Runtime against torch",
    ):
        assert words in out
    learner = hs.Learner.load("out/demo.safetensors")
    assert (learner.net.samples_seen, learner.probe.steps) == (1, 240)
    before = learner.net.layers[0].weight.clone()
    learner.net.learn_one(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    assert not learner.net.layers[0].weight.equal(before)
