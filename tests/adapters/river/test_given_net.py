"""A network to begin with; copies as river makes them; memory as river reports it."""

import copy
import pickle

import numpy as np
import pytest
import torch
from river import checks, compose

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.river import LinearProbe, LinearRegressorProbe, SoftHebbAnomaly, SoftHebbTransformer
from hebbstream.adapters.river._memory import CountsTensors

FRAMES = list(np.random.default_rng(0).integers(0, 256, (6, 28, 28), np.uint8))
GENERAL = [check for check in checks.yield_checks(SoftHebbTransformer()) if not hasattr(check, "keywords")]


def net():
    made = hs.SoftHebbNet.from_preset("mnist", width=2, seed=5)
    for frame in FRAMES:
        made.learn_one(frame)
    return made


@pytest.mark.parametrize("check", GENERAL, ids=lambda check: check.__name__)
def test_rivers_checks_with_a_network(check):
    check(SoftHebbTransformer(net=net()))


def test_a_clone_begins_with_the_network_again_and_a_copy_goes_on():
    given = net()
    model = SoftHebbTransformer(net=given, frozen=False)
    for frame in FRAMES:
        model.learn_one(frame)
    assert (given.samples_seen, model.net.samples_seen) == (6, 12)
    fresh = model.clone()
    assert fresh.net.samples_seen == 6
    assert torch.equal(fresh.net.layers[0].weight, given.layers[0].weight)
    assert model.clone({"frozen": True}).frozen
    for same in (
        model.clone(include_attributes=True),
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),  # noqa: S301  # our own
        compose.TransformerUnion(model).transformers["SoftHebbTransformer"],
    ):
        assert same.net.samples_seen == 12
        assert same.transform_one(FRAMES[0]) == model.transform_one(FRAMES[0])
        same.learn_one(FRAMES[0])
        assert model.net.samples_seen == 12
    assert (compose.Select("x") | SoftHebbTransformer(net=given)).clone()["SoftHebbTransformer"].net.samples_seen == 6


def test_from_a_checkpoint_of_a_network_or_of_a_run(tmp_path):
    given = net()
    given.save(tmp_path / "net")
    hs.Learner(given, LinearProbe()).save(tmp_path / "run")
    for name in ("net", "run"):
        model = SoftHebbTransformer.from_checkpoint(tmp_path / name, frozen=True, prefix="x")
        assert torch.equal(model.transform_one(FRAMES[0]).tensor, given.transform_one(FRAMES[0]))
        assert "x_0" in model.clone().transform_one(FRAMES[0])
    with pytest.raises(errors.CheckpointNotFoundError):
        SoftHebbTransformer.from_checkpoint(tmp_path / "none")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"net": "net.safetensors"}, "net of type str: expected a SoftHebbNet"),
        ({"net": net(), "preset": "mnist"}, "preset='mnist' and a net: expected one of them"),
        ({"net": net(), "layers": ()}, "layers of your own and a net: expected one of them"),
        ({"net": net(), "seed": 3}, "seed=3, device='cpu' with a net: expected neither"),
        ({"width": 10}, "width=10 without preset"),
        ({"width": 10, "layers": [hs.LayerSpec(channels=4)]}, "width=10 without preset"),
        ({"width": 10, "net": net()}, "width=10 without preset"),
        ({"mirror": True}, "mirror=True for rows"),
        ({"mirror": True, "net": net()}, "a net that does not"),
        ({"neurons": "many"}, "neurons='many': expected a positive integer"),
        ({"seed": None}, "seed=None: expected an integer"),
        ({"layers": hs.LayerSpec(channels=4)}, r"layers=LayerSpec\(.* expected at least one LayerSpec, in a list"),
        ({"layers": [4]}, r"layers=\[4\]: expected at least one LayerSpec, in a list"),
    ],
)
def test_options_that_do_not_go_together_or_would_be_passed_over_are_refused(options, message):
    with pytest.raises(errors.ConfigurationError, match=message):
        SoftHebbTransformer(**options)


def test_rows_for_a_network_of_images_are_refused():
    with pytest.raises(errors.InputError, match="dict of 'a': expected an image"):
        SoftHebbTransformer(net=net()).learn_one({"a": 1.0})


@pytest.mark.parametrize(
    ("make", "tensors"),
    [
        (lambda: SoftHebbTransformer("cifar10", width=16), lambda m: sum(b.nbytes for b in m.net.buffers())),
        (lambda: SoftHebbTransformer(net=net()), lambda m: 2 * sum(b.nbytes for b in m.net.buffers())),
        (lambda: fitted(LinearProbe("slda")), lambda m: m.as_probe().state_dict()["tensors"]["gram"].nbytes),
        (lambda: fitted(LinearProbe()), lambda m: sum(t.nbytes for t in m.as_probe().state_dict()["tensors"].values())),
        (lambda: fitted(LinearRegressorProbe()), lambda m: 302 * 302 * 8),
        (lambda: SoftHebbAnomaly(SoftHebbTransformer("cifar10", width=16)), lambda m: 600_000),
    ],
    ids=["network", "given network", "slda", "gradient", "regression", "anomaly"],
)
def test_memory_counts_tensors_in_a_pipeline_too(make, tensors):
    model = make()
    least = tensors(model)
    most = 1.3 * least + 400_000  # with the memory in which kernels work
    assert least < model._raw_memory_usage < most
    assert least < (compose.Select("x") | model)._raw_memory_usage < most + 10_000


def test_memory_is_none_less_than_that_of_the_object_itself():
    class Views(CountsTensors):
        def __init__(self):
            self.view = np.zeros(1000)[1:]  # of an array, of which Python counts the bytes once more

    assert Views().__sizeof__() >= object().__sizeof__()


def fitted(probe):
    for row in np.random.default_rng(0).normal(size=(3, 300)):
        probe.learn_one(row, bool(row[0] > 0))
    return probe


@pytest.mark.parametrize("take", ["learn_one", "transform_one", "transform_many"])
def test_an_image_of_another_size_is_refused_before_it_is_learned(take):
    transformer = SoftHebbTransformer("video", width=2)
    transformer.learn_one(np.zeros((32, 32, 3), np.uint8))
    x, seen = np.zeros((48, 40, 3), np.uint8), transformer.net.samples_seen
    with pytest.raises(
        errors.ImageSizeError, match="image of 48×40 pixels, which has 960 features: expected one that has 512"
    ):
        getattr(transformer, take)(x[None] if take == "transform_many" else x)
    assert transformer.net.samples_seen == seen
    assert len(transformer.transform_one(np.zeros((3, 32, 32), np.uint8))) == 512
