import copy
import math
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from river import (
    checks,
    compose,
    datasets,
    evaluate,
    linear_model,
    metrics,
    naive_bayes,
    neighbors,
    preprocessing,
    tree,
)

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.river import LinearProbe, SoftHebbTransformer
from hebbstream.adapters.river import _transformer as transformer

CHECKS = list(checks.yield_checks(SoftHebbTransformer()))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_rivers_own_checks(check):
    check(SoftHebbTransformer(neurons=20))


def test_no_check_is_skipped_or_dropped():
    assert len(CHECKS) == 28  # with pandas and scikit-learn; the mini-batch checks among them
    assert SoftHebbTransformer()._unit_test_skips() == set()


def images(count, seed=0):
    return list(np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8))


def test_a_prequential_sample_is_one_forward_pass_and_one_update(monkeypatch):
    monkeypatch.setattr(transformer, "_WARM_UP", 2)
    calls = []
    for name in ("forward", "learn_forward", "update"):
        method = getattr(hs.SoftHebbLayer, name)
        monkeypatch.setattr(
            hs.SoftHebbLayer,
            name,
            lambda self, *a, _method=method, _name=name, **k: (calls.append(_name), _method(self, *a, **k))[1],
        )
    model = SoftHebbTransformer("cifar10", width=4) | LinearProbe()
    for index, x in enumerate(images(6)):
        calls.clear()
        model.predict_one(x)
        model.learn_one(x, index % 2)
        if index > 2:
            assert sorted(calls) == ["forward"] * 3 + ["update"] * 3
    assert model["SoftHebbTransformer"].net.samples_seen == 6


def test_the_probe_learns_from_the_features_it_predicted_from():
    model = SoftHebbTransformer("cifar10", width=4)
    for x in images(120):
        before = model.transform_one(x)
        model.learn_one(x)
        assert model.transform_one(x) is before or model.net.samples_seen <= 101
        assert model.transform_one(x.copy()) == model.transform_one(x)


def test_a_frame_whose_memory_is_used_again_is_a_new_frame():
    model, buffer = SoftHebbTransformer("cifar10", width=4), np.zeros((32, 32, 3), np.uint8)
    first = model.transform_one(buffer)
    buffer[:] = images(1)[0]
    assert model.transform_one(buffer) != first
    tensor = torch.zeros(3, 32, 32)
    first = model.transform_one(tensor)
    tensor += 0.5
    tensor[:, :9] = 0
    assert model.transform_one(tensor) != first


@pytest.mark.parametrize("learns", [False, True])
def test_features_are_those_of_the_network_that_it_has_now(learns):
    model = SoftHebbTransformer("cifar10", width=4, standardise=False)
    x, (one, other) = images(1)[0], [hs.SoftHebbNet.from_preset("cifar10", width=4, seed=seed) for seed in (1, 2)]
    deeper = hs.SoftHebbNet([hs.LayerSpec(channels=4)] * 4, 3)
    for become in (
        lambda: setattr(model, "net", one),
        lambda: model.net.load_state_dict(other.state_dict()),
        lambda: setattr(model, "net", deeper),
    ):
        model.transform_one(x)
        if learns:
            model.learn_one(x)
        become()
        assert torch.equal(model.transform_one(x).tensor, model.net.transform_one(x))


@pytest.mark.parametrize("activation", ["triangle", "relu", "tanh", "softmax", "repu"])
def test_features_handed_out_stay_as_they_were(activation):
    step = SoftHebbTransformer(layers=[hs.LayerSpec(channels=5, kernel_size=1, activation=activation, pool="none")])
    first, second = np.random.default_rng(0).random((2, 6, 6, 3), dtype=np.float32)
    features = step.transform_one(first)
    kept = features.tensor.clone()
    step.learn_one(first)
    step.transform_one(second)
    assert torch.equal(features.tensor, kept)


def test_learning_from_a_forward_pass_is_learning_with_the_statistics_of_before():
    """By hand, one layer: the same update as from a network whose statistics were held at those before the frame."""
    net = hs.SoftHebbNet.from_preset("cifar10", width=4)
    for x in images(30):
        net.learn_one(x)
    frame = images(1, seed=9)[0]
    held = copy.deepcopy(net)
    for layer in held.layers:
        layer.norm.momentum = 0.0
        layer.norm.count += 10**12  # what comes now weighs nothing
    features = held.learn_one(frame)
    passes = net._forward_one(frame)
    assert torch.equal(passes.features, net.transform_one(frame))
    assert torch.allclose(passes.features, features, rtol=1e-4, atol=1e-6)
    means = [layer.norm.mean.clone() for layer in net.layers]
    net._learn_from(passes)
    for layer, other, mean in zip(net.layers, held.layers, means, strict=True):
        assert torch.allclose(layer.weight, other.weight, rtol=1e-4, atol=1e-6)
        assert not torch.equal(layer.norm.mean, mean)
        assert int(layer.samples_learned) == 31
    with pytest.raises(errors.ConfigurationError, match="forward pass after 30 samples"):
        net._learn_from(passes)


def test_a_forward_pass_that_is_out_of_date_is_not_learned_from(monkeypatch):
    monkeypatch.setattr(transformer, "_WARM_UP", 0)
    model, (x, other) = SoftHebbTransformer("cifar10", width=4), images(2)
    model.transform_one(x)
    model.net.learn_one(other)
    expected = copy.deepcopy(model.net)
    expected.learn_one(x)
    model.learn_one(x)
    assert torch.equal(model.net.layers[0].weight, expected.layers[0].weight)


def test_with_the_statistics_of_each_sample_it_learns_as_the_network_does(monkeypatch):
    monkeypatch.setattr(transformer, "_WARM_UP", 0)
    model = SoftHebbTransformer(layers=(hs.LayerSpec(channels=4, normalization="batch"),))
    net = hs.SoftHebbNet([hs.LayerSpec(channels=4, normalization="batch")], 3, seed=0)
    for x in images(5):
        model.transform_one(x)
        model.learn_one(x)
        net.learn_one(x)
    assert torch.equal(model.net.layers[0].weight, net.layers[0].weight)


def test_images_come_bare_or_as_the_one_value_of_a_dict():
    one, other = SoftHebbTransformer("mnist", width=4), SoftHebbTransformer("mnist", width=4)
    for frame in np.random.default_rng(0).random((5, 28, 28), np.float32):
        one.learn_one(frame)
        other.learn_one({"picture": frame})
    assert one.transform_one(frame) == other.transform_one({"picture": frame})
    assert one.transform_many(frame[None, None]).shape == (1, len(one.transform_one(frame)))


def test_an_image_that_is_refused_does_not_decide_on_the_channels():
    model = SoftHebbTransformer(layers=[hs.LayerSpec(channels=4)])
    with pytest.raises(errors.RankError):
        model.learn_one(np.zeros((1, 32, 32, 3), np.uint8))
    model.learn_one(images(1)[0])
    assert model.net.in_channels == 3


def test_layers_of_your_own():
    model = SoftHebbTransformer(layers=(hs.LayerSpec(channels=4, pool="max"),))
    model.learn_one(np.zeros((8, 8, 3), np.uint8))
    assert len(model.transform_one(np.zeros((8, 8, 3), np.uint8))) == 4 * 4 * 4


def test_a_dense_layer_of_your_own_is_for_rows():
    spec = hs.LayerSpec(channels=7, kernel_size=None, pool="none", learning_rate=0.05)
    model = SoftHebbTransformer(layers=[spec])
    assert len(model.transform_one({"a": 1.0})) == 7
    for row in ({"a": 1.0, "b": 2.0}, {"c": 1.0}):
        model.learn_one(row)
    assert len(model.transform_one(row)) == 7
    assert model.net.layers[0].spec == spec
    assert model.net.in_channels == 3


def test_a_row_without_features_changes_nothing():
    model = SoftHebbTransformer(neurons=5)
    model.learn_one({})
    assert model.net is None
    model.learn_one({"a": 1.0})
    model.learn_one({})
    assert model.net.in_channels == 1


def test_what_it_cannot_read_is_refused():
    with pytest.raises(errors.ConfigurationError, match="expected a preset"):
        SoftHebbTransformer().learn_one(np.zeros((8, 8, 3)))
    with pytest.raises(errors.InputError, match="dict of 'a', 'b': expected an image"):
        SoftHebbTransformer("cifar10", width=4).learn_one({"a": 1.0, "b": 2.0})
    with pytest.raises(errors.InputError, match="feature 'a' is 'red': expected a number"):
        SoftHebbTransformer().learn_one({"a": "red"})
    with pytest.raises(errors.InputError, match="feature 'a' is None: expected a number"):
        SoftHebbTransformer().learn_one({"a": None})
    with pytest.raises(errors.InputError, match="feature 'a' is <int that is too long to show>: expected a number"):
        SoftHebbTransformer().learn_one({"a": 10**5000})
    with pytest.raises(errors.InputError, match="mini-batch of type int: expected a data frame, rows or images"):
        SoftHebbTransformer().learn_many(5)
    with pytest.raises(errors.InputError, match="sample of type float: expected a dict of numbers"):
        SoftHebbTransformer().learn_many(pd.Series([1.0, 2.0]))
    with pytest.raises(errors.InputError, match="sample of type str"):
        SoftHebbTransformer().transform_one("red")
    with pytest.raises(errors.ConfigurationError, match="neurons=0"):
        SoftHebbTransformer(neurons=0)
    with pytest.raises(errors.ConfigurationError, match="expected one of them"):
        SoftHebbTransformer("mnist", layers=(hs.LayerSpec(channels=4),))


def test_features_appear_and_disappear_and_what_was_learned_stays():
    model = SoftHebbTransformer(neurons=10, seed=3)
    for _ in range(20):
        model.learn_one({"a": 1.0, "b": -1.0})
        model.learn_one({"a": -1.0, "b": 2.0})
    weights, norm = model.net.layers[0].weight_matrix.clone(), model.net.layers[0].norm.mean.clone()
    column = dict(model._column)
    model.transform_one({"c": 5.0, "a": 1.0})  # never learned: ignored
    assert model._column == column
    model.learn_one({"c": 5.0})
    layer = model.net.layers[0]
    assert layer.weight_matrix.shape == (10, 3)
    assert model.net.samples_seen == 41
    assert int(layer.samples_learned) == 41
    assert torch.allclose(layer.norm.mean[:2], norm, atol=0.1)
    assert torch.allclose(layer.weight_matrix[:, :2], weights, atol=0.5)


def test_initial_weights_belong_to_names():
    models = [SoftHebbTransformer(neurons=5, seed=1) for _ in range(2)]
    models[0]._grow(["a", "b"])
    models[1]._grow(["b", "a"])
    one, other = (model.net.layers[0].weight_matrix for model in models)
    assert torch.equal(one, other.flip(1))
    assert not torch.equal(one[:, 0], one[:, 1])


def test_it_feeds_rivers_models_and_ours():
    for downstream in (
        LinearProbe(),
        preprocessing.StandardScaler() | linear_model.SoftmaxRegression(),
        tree.HoeffdingTreeClassifier(),
        naive_bayes.GaussianNB(),
        neighbors.KNNClassifier(),
    ):
        model = SoftHebbTransformer(neurons=10) | downstream
        score = evaluate.progressive_val_score(datasets.ImageSegments().take(800), model, metrics.Accuracy())
        assert score.get() > 0.3  # seven classes


def test_features_of_rows_tell_near_from_far():
    """Classes that no line tells apart; features that only grow with the row are right for seven rows in ten."""
    model = SoftHebbTransformer(neurons=50) | LinearProbe("slda")
    accuracy = evaluate.progressive_val_score(datasets.Bananas().take(800), model, metrics.Accuracy())
    assert accuracy.get() > 0.75


def test_beside_the_raw_features():
    model = compose.TransformerUnion(SoftHebbTransformer(neurons=10), compose.FuncTransformer(dict)) | LinearProbe()
    for x, y in datasets.Phishing().take(20):
        model.predict_one(x)
        model.learn_one(x, y)
    assert model["LinearProbe"].as_probe().n_features == 19


def test_frozen_nothing_is_learned():
    model = SoftHebbTransformer("cifar10", width=4, frozen=True)
    before = model.net.layers[0].weight.clone()
    for x in images(3):
        model.learn_one(x)
    assert torch.equal(model.net.layers[0].weight, before)
    assert model.net.samples_seen == 0


def test_frozen_rows_have_the_features_of_random_weights_for_the_columns_of_the_first():
    frozen, fresh = SoftHebbTransformer(neurons=4, frozen=True), SoftHebbTransformer(neurons=4)
    frozen.learn_one({"a": 1.0, "b": -1.0})
    fresh._grow(["a", "b"])
    assert torch.equal(frozen.net.layers[0].weight, fresh.net.layers[0].weight)
    before = frozen.transform_one({"a": 2.0, "b": 3.0})
    assert any(before.values())
    frozen.learn_one({"a": 1.0, "b": -1.0, "c": 5.0})
    assert list(frozen._column) == ["a", "b"]
    assert frozen.net.samples_seen == 0


@pytest.mark.parametrize(
    ("make", "samples", "bad"),
    [
        (lambda: SoftHebbTransformer(neurons=4), [{"a": 1.0}, {"b": 2.0}], {"a": math.nan}),
        (lambda: SoftHebbTransformer("cifar10", width=2), images(2), np.zeros((3, 3))),
    ],
    ids=["rows", "images"],
)
def test_a_list_is_a_mini_batch_and_a_bad_sample_is_found_before_the_first_is_learned(make, samples, bad):
    one, many = make(), make()
    with pytest.raises(errors.InputError):
        many.learn_many([*samples, bad])
    assert many.net is None or many.net.samples_seen == 0
    many.learn_many(iter(samples))
    for x in samples:
        one.learn_one(x)
    found = many.transform_many(samples)
    expected = [list(one.transform_one(x).values()) for x in samples]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(errors.InputError):
        many.transform_many([*samples, bad])


def test_a_dataframe_is_its_rows():
    rows = [x for x, _ in datasets.Phishing().take(30)]
    frame = pd.DataFrame(rows, index=range(100, 130))
    one, many = SoftHebbTransformer(neurons=10), SoftHebbTransformer(neurons=10)
    for row in rows:
        one.learn_one(row)
    many.learn_many(frame)
    result = many.transform_many(frame)
    assert list(result.index) == list(frame.index)
    assert result.iloc[3].to_numpy() == pytest.approx(list(one.transform_one(rows[3]).values()), rel=1e-4, abs=1e-5)
    assert SoftHebbTransformer(neurons=4).transform_many(frame).shape == (30, 4)


def test_a_pickled_one_goes_on_the_same():
    model = SoftHebbTransformer("cifar10", width=4)
    for x in images(3):
        model.learn_one(x)
    again = pickle.loads(pickle.dumps(model))  # noqa: S301  # our own
    for x in images(3, seed=1):
        model.learn_one(x)
        again.learn_one(x)
    assert model.transform_one(x) == again.transform_one(x)
    assert model.clone().net.samples_seen == 0


@settings(derandomize=True, deadline=None, max_examples=30)
@given(
    st.dictionaries(
        st.one_of(st.text(max_size=3), st.integers(-3, 3)),
        st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.integers(-(10**20), 10**20), st.booleans()),
        max_size=4,
    )
)
def test_any_dict_of_numbers_is_learned_or_refused(row):
    model = SoftHebbTransformer(neurons=4)
    model.learn_one({"a": 1.0, 2: 0.5})
    before = model.net.samples_seen
    columns = dict(model._column)
    if all(math.isfinite(value) and abs(value) <= 1e15 for value in row.values()):
        model.learn_one(row)
        assert model.net.samples_seen == before + 1
    else:
        with pytest.raises(errors.InputError, match=r"^feature .* is .*: expected a finite number"):
            model.learn_one(row)
        assert model.net.samples_seen == before
        assert model._column == columns
    assert all(np.isfinite(list(model.transform_one({"a": 1.0}).values())))
