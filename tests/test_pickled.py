"""Pickles of another version are told, where what was learned is in them."""

import pickle

import pytest
import torch

import hebbstream as hs
from hebbstream._version import __version__
from hebbstream.adapters.river import LinearProbe, LinearRegressorProbe, SoftHebbAnomaly, SoftHebbTransformer

ROW = {"height": 1.0, "width": 2.0}


def learned(model):
    """Return a model, and the part of it that is stamped."""
    if isinstance(model, LinearProbe | LinearRegressorProbe):
        model.learn_one(ROW, 1.0)
        return model, model._model
    if isinstance(model, SoftHebbTransformer | SoftHebbAnomaly):
        model.learn_one(ROW)
        return model, getattr(model, "transformer", model).net
    return model, model


def made():
    net = hs.SoftHebbNet.from_preset("mnist", width=2)
    models = [net, hs.SoftmaxProbe(), hs.RidgeProbe(), hs.Replay(), LinearProbe(), LinearRegressorProbe()]
    return [*models, SoftHebbTransformer(neurons=4), SoftHebbAnomaly()]


@pytest.mark.parametrize("model", made(), ids=lambda model: type(model).__name__)
def test_another_version_is_told_and_the_same_is_not(model):
    model, stamped = learned(model)
    pickle.loads(pickle.dumps(model))  # noqa: S301  # our own
    stamped._made_by = "0.0.1"
    with pytest.warns(
        UserWarning, match=rf"pickled by hebbstream 0\.0\.1, opened by {__version__}: it may fail"
    ) as told:
        again = pickle.loads(pickle.dumps(model))  # noqa: S301
    assert [warning.filename for warning in told] == [__file__]
    del stamped._made_by
    with pytest.warns(UserWarning, match="pickled by hebbstream of an earlier version"):
        pickle.loads(pickle.dumps(model))  # noqa: S301
    assert type(again) is type(model)


def test_a_network_from_a_checkpoint_is_of_the_version_that_read_it(tmp_path):
    hs.SoftHebbNet.from_preset("mnist", width=2).save(tmp_path / "net.safetensors")
    again = pickle.loads(pickle.dumps(hs.SoftHebbNet.load(tmp_path / "net.safetensors")))  # noqa: S301
    assert again.transform_one(torch.rand(1, 28, 28)).isfinite().all()
