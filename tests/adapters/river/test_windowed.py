"""A transformer that sees windows of rows: river's checks, the window of each signal, and bounded memory."""

import math
import pickle

import numpy as np
import pandas as pd
import pytest
from river import checks, compose, metrics, preprocessing

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.river import LinearProbe, SoftHebbTransformer
from hebbstream.streams import windows

LAYERS = [
    hs.LayerSpec(channels=6, kernel_size=(1, 5), pool_size=(1, 4), pool_stride=(1, 4), update_scale="running_max")
]


def make(**options):
    return SoftHebbTransformer(layers=LAYERS, **({"window": 16} | options))


CHECKS = list(checks.yield_checks(make()))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_rivers_own_checks(check):
    check(make())


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_so_they_pass_with_a_hop_and_the_preset(check):
    check(SoftHebbTransformer(window=16, hop=3, width=4))


def rows(count, seed=0):
    generator = np.random.default_rng(seed)
    return [{"x": float(x), "y": float(y)} for x, y in generator.standard_normal((count, 2))]


def test_features_are_those_of_the_window_that_ends_with_the_row():
    model, data = make(standardise=False), rows(40)
    for x in data[:30]:
        model.learn_one(x)
    found = list(model.transform_one(data[30]).values())
    window = np.array([[x["x"], x["y"]] for x in data[15:31]], np.float32).T
    assert found == model.net.transform_one(window).tolist()
    assert found == list(model.transform_one(data[30]).values())  # asking changes nothing


def test_values_out_of_the_valid_range_are_missing():
    whole, far, missing = make(valid_range=(-10, 10)), rows(40), rows(40)
    for at in (20, 33):
        far[at]["y"], missing[at]["y"] = -9999.0, None
    holes = make()
    for one, other in zip(far, missing, strict=True):
        assert whole.transform_one(one) == holes.transform_one(other)
        whole.learn_one(one)
        holes.learn_one(other)
    assert whole.clone().valid_range == (-10, 10)
    assert whole.transform_many(pd.DataFrame(far)).equals(holes.transform_many(pd.DataFrame(missing)))


def test_a_mini_batch_that_comes_again_later_is_of_the_windows_of_then():
    def after(learn_batch):
        model = make(frozen=True, standardise=False)
        learn_batch(model)
        for x in rows(5, seed=1):
            model.learn_one(x)
        return model.transform_many(batch)

    batch = pd.DataFrame(rows(20))
    assert after(lambda model: model.learn_many(batch)).equals(
        after(lambda model: [model.learn_one(x) for x in rows(20)])
    )


def test_the_probe_learns_from_the_features_it_predicted_from():
    model = make()
    for x in rows(120):
        before = model.transform_one(x)
        model.learn_one(x)
        after = model.transform_one(x)
        assert model.net.samples_seen <= 101 or after is before
    assert model.net.samples_seen == 120


def test_a_row_that_comes_twice_is_two_rows():
    model = make(standardise=False)
    for x in [*rows(20), *rows(1), *rows(1)]:
        model.learn_one(x)
        model.transform_one(x)
    window = np.array([list(x.values()) for x in [*rows(20)[6:], *rows(1), *rows(1)]], np.float32).T
    once_more = model.transform_one(rows(1)[0])
    assert (
        list(once_more.values()) == model.net.transform_one(np.concatenate([window[:, 1:], window[:, -1:]], 1)).tolist()
    )


def test_every_signal_has_a_window_of_its_own():
    both, alone = make(group="who", standardise=False), [make(standardise=False) for _ in range(2)]
    left, right = rows(30), rows(30, seed=1)
    for one, other in zip(left, right, strict=True):
        for who, x in (("left", one), ("right", other)):
            both.learn_one(x | {"who": who})
        alone[0].learn_one(one)
    window = np.array([list(x.values()) for x in [*left[-15:], left[0]]], np.float32).T
    found = both.transform_one(left[0] | {"who": "left"})
    assert list(found.values()) == both.net.transform_one(window).tolist()
    assert both.net.in_channels == 2


def test_rows_without_a_key_are_one_signal_and_a_key_that_cannot_be_found_again_is_refused():
    model = make(group="who")
    for key in (None, math.nan, float("nan"), pd.NA):
        model.learn_one({"x": 1.0, "who": key})
    model.learn_one({"x": 1.0})
    assert len(model._windows._trails._trails) == 1
    with pytest.raises(errors.InputError, match=r"group 'who' is \[1\]: expected a hashable value"):
        model.learn_one({"x": 1.0, "who": [1]})


@pytest.mark.parametrize("number", [int, np.int64])
def test_it_learns_from_every_hop_th_row(number):
    model = make(window=number(16), hop=number(5))
    for x in rows(32):
        model.learn_one(x)
    assert model.net.samples_seen == 6


def test_missing_and_unknown_columns():
    model = make(standardise=False)
    for x in rows(20):
        model.learn_one(x)
    last = rows(20)[-1]
    known = model.transform_one({"x": 1.0, "y": last["y"]})
    for x in (
        {"x": 1.0},
        {"x": 1.0, "y": math.nan},
        {"x": 1.0, "y": None},
        {"x": 1.0, "y": pd.NA},
        {"x": 1.0, "z": 3.0},
    ):
        assert model.transform_one(x) == known
    with pytest.raises(errors.InputError, match="column 'x' is 'high': expected a number"):
        model.learn_one({"x": "high"})
    assert model.transform_one({"x": 1.0}) == known


def test_mini_batches_are_rows_that_follow_each_other():
    one, many = make(), make()
    frame = pd.DataFrame(rows(30))
    for x in rows(30):
        one.learn_one(x)
    many.learn_many(frame)
    assert (one.net.layers[0].weight == many.net.layers[0].weight).all()
    after = many.transform_many(frame).to_numpy()  # as a pipeline asks for what it has just learned
    before = make()
    before.learn_many(frame[:1])
    assert after.shape == before.transform_many(frame).shape == (30, 24)
    again = many.transform_many(frame).to_numpy()  # of a prediction: each row as if it came next
    np.testing.assert_allclose(again[7], list(many.transform_one(rows(30)[7]).values()), rtol=1e-4, atol=1e-4)
    assert not np.allclose(again, after)


def test_a_mini_batch_may_be_an_iterator_and_a_bad_row_is_found_before_the_first_is_learned():
    one, many = make(), make()
    with pytest.raises(errors.InputError, match="column 'x' is 'high'"):
        many.learn_many([*rows(3), {"x": "high"}])
    assert many.net is None
    many.learn_many(iter(rows(20)))
    for x in rows(20):
        one.learn_one(x)
    assert many.transform_one(rows(1)[0]) == one.transform_one(rows(1)[0])


@pytest.mark.parametrize("names", ["ab", "ba"])
@pytest.mark.parametrize("named", [False, True])
def test_a_network_that_learned_from_windows_finds_its_channels_in_their_order(names, named):
    data = [dict(zip(names, x.values(), strict=True)) for x in rows(16)]
    net = hs.SoftHebbNet(LAYERS, 2, input_range=None)
    (sample,) = windows(data, 16)
    model = SoftHebbTransformer(
        net=net, window=16, frozen=True, standardise=False, columns=list(names) if named else None
    )
    for x in data:
        model.learn_one(dict(sorted(x.items())) if named else x)
    assert list(model.transform_one(x).values()) == net.transform_one(sample.x).tolist()


@pytest.mark.parametrize("other", [False, True])
def test_a_network_that_knows_its_columns_finds_them_by_name(other):
    names = ("b", "a") if other else ("y", "x")  # of another sensor, in the order of its rows
    net = hs.SoftHebbNet(LAYERS, 2, input_range=None)
    net.channel_names = ("y", "x")
    data = [dict(zip(names if other else "xy", x.values(), strict=True)) for x in rows(16)]
    (sample,) = windows(data, 16, columns=names)
    model = SoftHebbTransformer(net=net, window=16, frozen=True, standardise=False)
    for x in data:
        model.learn_one(x if other else x | {"time": 0.0})
    assert list(model.transform_one(x).values()) == net.transform_one(sample.x).tolist()


@pytest.mark.parametrize(
    ("options", "bad", "error"),
    [
        ({}, {"x": "high", "typo": 1.0}, errors.InputError),
        ({}, {}, errors.InputError),
        ({"group": "who"}, {"who": 1}, errors.InputError),
        ({"layers": None, "net": hs.SoftHebbNet(LAYERS, 2, input_range=None)}, {"x": 1.0}, errors.ChannelError),
    ],
)
def test_a_first_row_that_is_refused_does_not_decide_on_the_columns(options, bad, error):
    model, other = (SoftHebbTransformer(**({"layers": LAYERS, "window": 16} | options)) for _ in range(2))
    with pytest.raises(error):
        model.learn_one(bad)
    for x in rows(20):
        model.learn_one(x)
        other.learn_one(x)
    assert model.transform_one(x) == other.transform_one(x)


def test_in_rivers_mode_that_learns_in_prediction_a_row_is_in_its_window_once():
    handed_out = []
    model = compose.Pipeline(make(), compose.FuncTransformer(lambda x: handed_out.append(x) or x), LinearProbe())
    with compose.learn_during_predict():
        for x in rows(20):
            model.predict_one(x)
            model.learn_one(x, x["x"] > 0)
            assert handed_out[-1] == handed_out[-2]
        frame = pd.DataFrame(rows(5))
        model.predict_many(frame)
        model.learn_many(frame, frame["x"] > 0)
        again = model.steps["SoftHebbTransformer"].transform_many(frame)
    assert model["SoftHebbTransformer"].net.samples_seen == 25
    model["SoftHebbTransformer"].transform_many(frame)
    assert not np.allclose(model["SoftHebbTransformer"].transform_many(frame), again)


def test_memory_does_not_grow_with_signals():
    model = make(group="who")
    for who in range(1200):
        model.learn_one({"x": 1.0, "y": float(who), "who": who})
    assert len(model._windows._trails._trails) == 1000


def test_a_pipeline_tells_movements_apart_that_single_rows_do_not():
    generator = np.random.default_rng(0)
    model = preprocessing.StandardScaler() | SoftHebbTransformer(window=16, hop=4, width=8) | LinearProbe("ridge")
    plain = preprocessing.StandardScaler() | LinearProbe("ridge")
    scores = metrics.Accuracy(), metrics.Accuracy()
    for t in range(1600):
        fast = t // 100 % 2
        x = {
            "x": math.sin(t * (0.9 if fast else 0.3)) + 0.1 * generator.standard_normal(),
            "y": generator.standard_normal(),
        }
        for pipeline, score in zip((model, plain), scores, strict=True):
            if t > 600:
                score.update(fast, pipeline.predict_one(x))
            pipeline.learn_one(x, fast)
    assert scores[0].get() > 0.85 > 0.65 > scores[1].get()


def test_pickle_and_clone():
    model = make(group="who")
    for x in rows(20):
        model.learn_one(x)
    x = rows(1)[0]
    assert pickle.loads(pickle.dumps(model)).transform_one(x) == model.transform_one(x)  # noqa: S301
    assert model.clone().window == 16
    assert model.clone().net is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "window=0: expected a positive number of rows"),
        ({"window": 9, "hop": 0}, "hop=0: expected a positive number of rows"),
        ({"window": 9.0}, "window=9.0: expected a positive number of rows"),
        ({"columns": ["x"]}, "columns=.* without window"),
        ({"window": 16, "columns": "xy"}, "columns='xy': expected a list of names"),
        ({"window": 16, "columns": []}, r"columns=\[\]: expected a list of names"),
        ({"window": 16, "columns": 5}, "columns=5: expected a list of names"),
        (
            {"window": 16, "columns": ["x"], "net": hs.SoftHebbNet(LAYERS, 2, input_range=None)},
            "1 columns: expected 2, the channels of the network",
        ),
        ({"hop": 2}, "hop=2, group=None, columns=None, valid_range=None without window"),
        ({"valid_range": (0, 1)}, r"valid_range=\(0, 1\) without window"),
        ({"window": 16, "valid_range": (1, 0)}, r"valid_range=\(1, 0\): expected \(least, greatest\)"),
        ({"window": 9, "preset": "cifar10"}, "a window of rows for layers that look beyond a row"),
        ({"window": 3, "preset": "signal"}, "window=3: too small"),
    ],
)
def test_options_that_cannot_work_are_refused(options, message):
    with pytest.raises(errors.ConfigurationError, match=message):
        SoftHebbTransformer(**options)


def test_what_is_no_row_is_refused():
    with pytest.raises(
        errors.InputError, match="sample of type ndarray: expected a dict of numbers, a row of a signal"
    ):
        make().learn_one(np.zeros((3, 3)))


def test_a_network_of_your_own_goes_on():
    net = hs.SoftHebbNet(LAYERS, 2, input_range=None)
    model = compose.Pipeline(SoftHebbTransformer(net=net, window=16), LinearProbe())
    for x in rows(3):
        model.learn_one(x, "a")
    assert model["SoftHebbTransformer"].net.samples_seen == 3
