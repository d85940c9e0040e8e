"""What is asked of a network's inside: which layer, which neurons, of which frames."""

import pytest
import torch

import hebbstream as hs
from hebbstream.errors import ConfigurationError
from hebbstream.inspection import best_patches, observe, optimal_inputs, plot_receptive_fields, summarize, write_report


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net: optimal_inputs(net, "a", [0]), "layer='a': expected an index from 0 to 1"),
        (lambda net: optimal_inputs(net, 0, 1), "neurons=1: expected a list of indices, or None for all"),
        (lambda net: optimal_inputs(net, 0, [1.5]), "expected indices from 0 to 5"),
        (lambda net: optimal_inputs(net, 0, [0], steps=1.5), "steps=1.5: expected a positive integer"),
        (lambda net: optimal_inputs(net, 0, [0], contrast="a"), "contrast='a': expected a positive number, or None"),
        (lambda net: optimal_inputs(net, 0, [0], seed=None), "seed=None: expected an integer"),
        (lambda net: best_patches(net, [], "a"), "layer='a': expected an index"),
        (lambda net: plot_receptive_fields(net, "fields.png"), "nets of type SoftHebbNet: expected at least one pair"),
        (lambda _: plot_receptive_fields(5, "fields.png"), "nets of type int: expected at least one pair"),
        (lambda _: plot_receptive_fields("ab", "fields.png"), "nets of type str: expected at least one pair"),
        (lambda _: plot_receptive_fields([], "fields.png"), "nets of type list: expected at least one pair"),
        (lambda net: plot_receptive_fields([("a", net)], 5), "path 5: expected the path of a file"),
        (lambda net: plot_receptive_fields([("a", net)], "fields.png", most=0), "most=0: expected a positive integer"),
        (lambda net: best_patches(net, [], 0, apart="a"), "top=9, apart='a': expected positive integers"),
        (lambda net: write_report(net, "report", neurons=None), "neurons=None: expected a positive integer"),
        (lambda net: write_report(net, 5), "path 5: expected the path of a file"),
    ],
)
def test_what_cannot_be_shown_is_refused(net, call, message):
    with pytest.raises(ConfigurationError, match=message):
        call(net)


@pytest.mark.parametrize("given", [5, None, "net.safetensors", hs.SoftHebbNet])
def test_what_is_no_network_is_refused(given, tmp_path):
    frames = torch.rand(2, 8, 8, 3)
    calls = (
        lambda: summarize(given),
        lambda: observe(given, frames),
        lambda: optimal_inputs(given, 0, [0]),
        lambda: best_patches(given, frames, 0),
        lambda: plot_receptive_fields([("a", given)], tmp_path / "fields.png"),
        lambda: write_report(given, tmp_path / "report", frames),
    )
    for call in calls:
        with pytest.raises(ConfigurationError, match=r"^net(=| of type ).*: expected"):
            call()
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("call", [observe, lambda net, frames: best_patches(net, frames, 0)])
def test_what_are_no_frames_is_refused(net, call):
    with pytest.raises(ConfigurationError, match="stream=5: expected samples"):
        call(net, 5)


def test_the_path_that_comes_back_is_where_the_picture_is(net, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert plot_receptive_fields([("a", net)], "~/fields.png") == tmp_path / "fields.png"
    assert all(path.is_file() for path in write_report(net, "~/report"))


def test_a_report_takes_frames_as_learn_does(tmp_path):
    net, frames = hs.SoftHebbNet([hs.LayerSpec(channels=2)], 3), torch.rand(3, 8, 8, 3)
    bare = write_report(net, tmp_path / "bare", frames, neurons=2)
    pairs = write_report(net, tmp_path / "pairs", [(frame, "cat") for frame in frames], neurons=2)
    assert [path.name for path in bare] == [path.name for path in pairs]
    assert "best-patches-layer-1.png" in [path.name for path in bare]
