"""Every released format of checkpoints and models is read, and gives what it gave; see docs/internals/compatibility.md."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import hebbstream as hs
from hebbstream._container import read_state, write_state
from hebbstream._upgrades import FORMAT, checksum_of_format_1
from hebbstream.export import OnnxExtractor, verify
from hebbstream.export._contract import FORMAT as MODEL_FORMAT

DATA = Path(__file__).parent / "data"
FRAME = torch.linspace(0, 1, 3 * 16 * 16).view(3, 16, 16)
ADD_ONE = "python scripts/write_format_samples.py writes a sample of the present format"


@pytest.mark.parametrize("number", range(1, FORMAT + 1))
def test_a_checkpoint_of_each_format_gives_what_it_gave(number):
    path = DATA / f"format-{number}.safetensors"
    assert path.exists(), ADD_ONE
    expected = json.loads(path.with_suffix(".json").read_text())
    learner = hs.Learner.load(path)
    features = learner.net.transform_one(FRAME)
    assert features.tolist() == pytest.approx(expected["features"], rel=1e-5, abs=1e-6)
    assert learner.probe.predict_proba_one(features) == pytest.approx(expected["probabilities"], rel=1e-5)
    assert asdict(learner.counters) == expected["counters"]
    pixels = (255 * FRAME).to(torch.uint8)  # of the type that its replay keeps
    assert learner.learn([(pixels, "coffee")] * 3, progress=False).samples == 3


def test_the_first_checkpoints_lacked_what_later_ones_of_their_format_have(tmp_path):
    """No mirror, preset, opening, callbacks or replay, and one kind of probe."""
    with safe_open(DATA / "format-1.safetensors", "pt") as file:
        header = json.loads(file.metadata()["hebbstream"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping
    missing = ("opening", "replay.", "probe.age", "probe.average", "probe.losses", "probe.count")
    tensors = {name: tensor for name, tensor in tensors.items() if not any(part in name for part in missing)}
    for name in ("first_moment", "second_moment"):
        tensors[f"probe.{name}"] = torch.zeros_like(tensors["probe.weight"])
    header = {name: header[name] for name in header.keys() - {"mirror", "preset", "callbacks", "replay"}}
    header["probe"] = {"learning_rate": 0.001, **{name: header["probe"][name] for name in ("steps", "classes")}}
    header["crc32"] = checksum_of_format_1(tensors)
    path = tmp_path / "first.safetensors"
    save_file(tensors, path, metadata={"hebbstream": json.dumps(header)})
    learner, later = hs.Learner.load(path), hs.Learner.load(DATA / "format-1.safetensors")
    assert torch.equal(learner.net.transform_one(FRAME), later.net.transform_one(FRAME))
    assert (learner.net.preset, learner.net.mirror, learner.replay) == (None, False, None)
    assert learner.probe.options()["optimizer"] == "adam"
    assert learner.learn([(FRAME, "coffee")] * 3, progress=False).samples == 3


def test_the_first_checkpoints_of_format_2_have_no_names_of_features(tmp_path):
    state = read_state(DATA / "format-2.safetensors")
    del state["probe"]["names"]
    write_state(path := tmp_path / "first.safetensors", state)
    features = hs.SoftHebbNet.load(path).transform_one(FRAME)
    probe, later = hs.Learner.load(path).probe, hs.Learner.load(DATA / "format-2.safetensors").probe
    assert probe.predict_proba_one(features) == later.predict_proba_one(features)


@pytest.mark.parametrize("number", range(1, int(MODEL_FORMAT.rpartition("-")[2]) + 1))
def test_a_model_of_each_format_gives_what_it_gave(number):
    path = DATA / f"hebbstream-model-{number}.onnx"
    assert path.exists(), ADD_ONE
    expected = json.loads(path.with_suffix(".json").read_text())
    extractor = OnnxExtractor(path)
    assert extractor.transform_one(FRAME.numpy()).tolist() == pytest.approx(expected["features"], rel=1e-4, abs=1e-5)
    assert extractor.predict_one(FRAME.numpy()) == expected["label"]
    assert verify(path, [FRAME.numpy()], seconds=0.01).contract.samples_seen == 60


def test_the_example_of_the_package_is_read_and_has_learned():
    from hebbstream.clip import clip_label, load_example
    from hebbstream.clip._clip import clip_frames

    learner = load_example()
    assert learner.net.samples_seen == 9000
    assert min(learner.net.r1_fraction()) > 0
    assert len(learner.probe.classes) == 8
    features = learner.net.transform_many(clip_frames(32, 100))
    label = clip_label()
    right = [learner.probe.predict_one(row) == label(60 * index / 25) for index, row in enumerate(features)]
    assert sum(right) > 75  # the probe that learned along named six of ten
    assert learner.recordings == {}
    assert learner.replay is None
