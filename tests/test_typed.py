"""What type checkers of programs that use hebbstream see."""

import inspect
from collections.abc import Iterable
from typing import Self, TypeVar, Unpack, get_args, get_origin, get_type_hints

import pytest

import hebbstream as hs
from hebbstream import streams
from hebbstream.export import OnnxExtractor, follow
from hebbstream.export._extractor import ExtractorOptions
from hebbstream.learning import Probe
from hebbstream.probe._moments import MomentOptions, MomentProbe


@pytest.mark.parametrize("name", ["augment", "crops", "for_live", "novel", "schedule", "shuffle"])
def test_what_comes_out_of_a_stream_is_of_the_kind_that_goes_in(name):
    """A `Sample` must not become `Any` on its way."""
    hints = get_type_hints(getattr(streams, name))
    (item,) = get_args(hints["stream"])
    assert isinstance(item, TypeVar)
    assert (hints["stream"], hints["return"]) == (Iterable[item], streams.Stream[item])


def test_a_network_of_ones_own_class_is_made_of_a_preset():
    assert get_type_hints(hs.SoftHebbNet.from_preset)["return"] is Self


@pytest.mark.parametrize("method", [Probe.predict_one, Probe.learn_one])
def test_a_probe_of_ones_own_may_name_its_arguments_as_it_likes(method):
    parameters = list(inspect.signature(method).parameters.values())[1:]
    assert {parameter.kind for parameter in parameters} == {inspect.Parameter.POSITIONAL_ONLY}


def test_the_number_of_samples_has_a_type():
    """Pyright finds none where it is set together with another attribute."""
    assert get_type_hints(hs.SoftHebbNet)["samples_seen"] is int


def test_a_callback_knows_what_learner_it_is_given():
    names = vars(inspect.getmodule(hs.Callback)) | {"Learner": hs.Learner}
    methods = [method for name, method in vars(hs.Callback).items() if name.startswith("on_")]
    assert {get_type_hints(method, names)["learner"] for method in methods} == {hs.Learner}


@pytest.mark.parametrize(
    ("options", "kind", "others"),
    [(MomentOptions, MomentProbe, set()), (ExtractorOptions, OnnxExtractor, {"model", "providers"})],
)
def test_options_that_are_handed_on_have_their_types(options, kind, others):
    """Where they were `Any`, no checker saw a misspelt one."""
    assert get_type_hints(options) == {
        name: hint for name, hint in get_type_hints(kind.__init__).items() if name not in others | {"return"}
    }


@pytest.mark.parametrize("function", [hs.RidgeProbe.__init__, hs.SldaProbe.__init__, follow])
def test_no_option_is_of_any_type(function):
    assert get_origin(inspect.signature(function).parameters["options"].annotation) is Unpack
