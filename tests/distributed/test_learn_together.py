"""Runs of several ranks: who reads what, who saves, and how they go on."""

import json
import os
import signal
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from ranks import Failed, start, together

import hebbstream as hs
from hebbstream.distributed import learn_together
from hebbstream.errors import ConfigurationError, ConnectionLostError, ImageSizeError
from hebbstream.learning import Metrics
from hebbstream.learning._generations import generations
from hebbstream.streams import Stream

LENGTHS = {"a": 9, "b": 4, "c": 7, "d": 2, "e": 5}
TOTAL = sum(LENGTHS.values())


def frames(name, labels=False):
    generator = torch.Generator().manual_seed(ord(name))
    rough = torch.rand(LENGTHS[name], 3, 4, 4, generator=generator).repeat_interleave(4, 2).repeat_interleave(4, 3)
    return [(frame, int(frame.mean() > 0.5)) if labels else frame for frame in rough]


class Noted(list):
    """Opens sources, and notes each frame that comes out of one."""

    def __init__(self, labels=False):
        self.labels = labels

    def sources(self):
        return {name: lambda name=name: Stream(self.read(name)) for name in LENGTHS}

    def read(self, name):
        for number, frame in enumerate(frames(name, self.labels)):
            self.append((name, number))
            yield frame


def learner(checkpoint=None, probe=None):
    net = hs.SoftHebbNet([hs.LayerSpec(channels=6, event_threshold=1e-3), hs.LayerSpec(channels=8)], 3, seed=1)
    callbacks = [] if checkpoint is None else [hs.Checkpoint(checkpoint, every_samples=8, kept=3)]
    return hs.Learner(net, probe, callbacks=callbacks)


def state_of(net):
    return {name: value.numpy().copy() for name, value in net.state_dict().items()}


def run(peers, folder, every=None, limit=None):
    path, read = folder / "run.safetensors", Noted()
    one = learner(path if peers.rank == 0 else None)
    one.callbacks = (Metrics(folder / "metrics.jsonl", every_seconds=0), *one.callbacks)
    report = learn_together(one, read.sources(), peers, every=every, limit=limit, progress=False)
    return list(read), (report.samples, report.stopped), state_of(one.net), one.counters.position


@pytest.mark.parametrize("every", [None, 3])
def test_each_sample_of_each_source_is_learned_once_by_one_rank(tmp_path, every):
    found = together(3, run, tmp_path, every)
    read = [one for rank in found for one in rank[0]]
    assert sorted(read) == sorted((name, number) for name, length in LENGTHS.items() for number in range(length))
    for rank in found:
        assert rank[1:2] + rank[3:] == ((TOTAL, "end of stream"), TOTAL)
        for name, value in rank[2].items():
            np.testing.assert_array_equal(value, found[0][2][name], err_msg=name)
    saved = hs.Learner.load(tmp_path / "run.safetensors")
    assert saved.counters.position == saved.net.samples_seen == TOTAL
    np.testing.assert_array_equal(saved.net.layers[1].weight_matrix, found[2][2]["_layers.1.weight_matrix"])
    records = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [record["samples"] for record in records] == [record["position"] for record in records]
    assert records[-1]["samples"] == TOTAL


@pytest.mark.parametrize("every", [None, 3])
def test_every_checkpoint_is_gone_on_from_bit_for_bit(tmp_path, every):
    whole = together(2, run, tmp_path, every)
    saved = generations(tmp_path / "run.safetensors")
    positions = [hs.Learner.load(path).counters.position for path in saved]
    assert positions[0] == TOTAL
    assert len(set(positions)) > 1
    for path, position in zip(saved[1:], positions[1:], strict=True):
        then = together(2, resume, path, every)
        assert then[0][:2] == (TOTAL - position, "end of stream")
        for rank in then:
            for name, value in whole[0][2].items():
                np.testing.assert_array_equal(rank[2][name], value, err_msg=f"{name}, from {position} samples")


def imprint(peers):
    fixed, imprints = hs.LayerSpec(channels=4, learning_rate=0.0), {"plasticity": "imprinting", "learning_rate": 1.0}
    one = hs.Learner(hs.SoftHebbNet([fixed, hs.LayerSpec(channels=8, **imprints)], 3, seed=1))
    learn_together(one, {name: lambda name=name: frames(name) for name in "da"}, peers, progress=False)
    return state_of(one.net)


def test_neurons_go_on_to_imprint_what_others_see_when_the_first_rank_has_no_source_left():
    first, second = together(2, imprint)  # of 2 frames and 9
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)
    assert first["_layers.1.imprinting.steps"] == 9


def test_it_goes_on_with_another_number_of_ranks(tmp_path):
    first = together(3, run, tmp_path, None, 11)
    then = together(2, resume, tmp_path / "run.safetensors")
    assert first[0][1] == (11, "limit")
    for rank in then:
        assert rank[:2] == (TOTAL - 11, "end of stream")
        assert rank[2]["_extra_state"].tolist() == [TOTAL, 16, 16]


def resume(peers, path, every=None):
    one = hs.Learner.load(path) if peers.rank == 0 else learner()
    report = learn_together(one, Noted().sources(), peers, every=every, resume=True, progress=False)
    return report.samples, report.stopped, state_of(one.net)


def test_a_signal_to_one_rank_stops_all_at_the_same_step(tmp_path):
    found = together(2, run_endlessly, tmp_path)
    assert found[0] == found[1]
    assert hs.Learner.load(tmp_path / "run.safetensors").counters.position == found[0][1]


def run_endlessly(peers, folder):
    def endless():
        if peers.rank == 1:
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        while True:
            yield torch.rand(3, 8, 8)

    one = learner(folder / "run.safetensors" if peers.rank == 0 else None)
    report = learn_together(one, {"a": endless, "b": endless}, peers, progress=False)
    return report.stopped, report.samples


def cut_and_go_on(peers):
    def signalled():
        for number, frame in enumerate(frames("b")):
            if number == 2:  # the other rank has its sample of this step, this one never will
                os.kill(os.getpid(), signal.SIGTERM)
            yield frame

    whole, one, sources = learner(), learner(), Noted().sources()
    learn_together(whole, sources, peers, progress=False)
    stopped = learn_together(one, sources | {"b": signalled}, peers, progress=False).stopped
    learn_together(one, sources, peers, resume=True, progress=False)
    return stopped, state_of(one.net), state_of(whole.net)


def test_a_run_that_a_signal_stopped_within_a_step_is_gone_on_from_bit_for_bit():
    for stopped, state, whole in together(2, cut_and_go_on):
        assert stopped == "interrupted"
        for name, value in whole.items():
            np.testing.assert_array_equal(state[name], value, err_msg=name)


def with_one_bad(peers):
    def bad():
        yield torch.rand(3, 8, 8)
        yield torch.full((3, 8, 8), torch.nan)

    def good():
        yield from torch.rand(50, 3, 8, 8)

    try:
        learn_together(learner(), {"good": good, "bad": bad}, peers, progress=False)
    except hs.HebbstreamError as error:
        return f"{type(error).__name__}: {error}"


def test_a_bad_sample_ends_all_ranks_with_one_clear_line_each():
    assert together(2, with_one_bad) == [
        "PeerError: rank 1 of 2 has ended with an error of its own",
        "NonFiniteError: source 'bad': sample 1, the first being 0: frame with NaN: 192 of its 192 values are not finite",
    ]


def with_some_that_die(peers):
    def dying(error):
        yield torch.rand(3, 8, 8)
        raise error

    sources = {
        "a": lambda: torch.rand(5, 3, 8, 8),
        "yard": lambda: dying(ConnectionLostError("yard: gone")),
        "door": lambda: dying(OSError("the cable")),
    }
    report = learn_together(learner(), sources, peers, progress=False)
    return report.samples, report.stopped


def test_a_source_that_dies_is_left_out():
    assert together(2, with_some_that_die) == [(7, "end of stream")] * 2


def with_some_that_break_off(peers):
    opened = []

    def film():
        opened.append("film")
        return torch.rand(4, 3, 8, 8)

    def camera():
        opened.append("camera")
        return Stream(iter(torch.rand(2, 3, 8, 8)), live=True)

    def dying():
        opened.append("dying")
        yield torch.rand(3, 8, 8)
        raise ConnectionLostError("yard: gone")

    one, sources = learner(), {"film": film, "camera": camera, "dying": dying}
    first = learn_together(one, sources, peers, progress=False).samples
    opened.clear()
    again = learn_together(one, sources | {"dying": lambda: torch.rand(6, 3, 8, 8)}, peers, resume=True, progress=False)
    return first, again.samples, opened


def test_what_broke_off_is_read_again_by_who_goes_on():
    assert together(1, with_some_that_break_off) == [(7, 2 + 5, ["camera"])]


def with_all_dying(peers):
    def dying():
        yield torch.rand(3, 8, 8)
        raise ConnectionLostError("yard: gone")

    found = []
    for sources in ({"yard": dying}, {"yard": dying, "door": dying}):
        try:
            learn_together(learner(), sources, peers, progress=False)
        except hs.HebbstreamError as error:
            found.append(f"{type(error).__name__}: {error}")
    return found


def test_the_last_source_that_dies_ends_the_run_with_its_error():
    own, other = "ConnectionLostError: yard: gone", "PeerError: rank 0 of 2 has ended with an error of its own"
    assert together(2, with_all_dying) == [[own, own], [other, own]]


def called_differently(peers):
    def refusal(sources="ab", **options):
        one = learner()
        engine = one.net.engine
        with pytest.raises(ConfigurationError) as caught:
            learn_together(one, dict.fromkeys(sources, list), peers, progress=False, **options)
        assert (one.net.engine, one.callbacks) == (engine, ())
        return str(caught.value)

    other = bool(peers.rank)
    return [
        refusal("ba" if other else "ab"),
        refusal("abc" if other else "ab"),
        refusal(every=3 if other else None),
        refusal(every=3, wire="float16" if other else "float32"),
        refusal(limit=5 + other),
        refusal(resume=other),
    ]


def test_ranks_that_are_called_differently_learn_nothing_and_hear_what_differs():
    expected = [
        "rank 1 has sources=['b', 'a'], rank 0 sources=['a', 'b']",
        "rank 1 has sources=['a', 'b', 'c'], rank 0 sources=['a', 'b']",
        "rank 1 has every=3, rank 0 every=None",
        "rank 1 has wire='float16', rank 0 wire='float32'",
        "rank 1 has limit=6, rank 0 limit=5",
        "rank 1 has resume=True, rank 0 resume=False",
    ]
    assert together(2, called_differently) == [[f"{one}: expected the same on all" for one in expected]] * 2


def begin_and_end(peers):
    found = []
    for options in ({}, {"probe": hs.RidgeProbe(half_life=10)}):
        one = learner(**options)
        engine = one.net.engine
        try:
            learn_together(one, {"a": lambda: torch.rand(2, 3, 8, 8)}, peers, progress=False)
        except ConfigurationError as error:
            found.append(str(error))
        found.append(one.net.engine is engine and one.callbacks == ())
    return found


def test_the_learner_has_its_engine_and_callbacks_back_after_a_run_and_a_refusal():
    assert together(1, begin_and_end) == [[True, "probe with half_life=10 on several ranks: expected None", True]]


def with_a_silent_camera(peers, every):
    woken = []

    def silent():
        yield torch.rand(3, 8, 8)
        time.sleep(20)
        woken.append(True)

    sources = {"camera": lambda: Stream(silent(), live=True), "film": lambda: torch.rand(20, 3, 8, 8)}
    report = learn_together(learner(), sources, peers, every=every, limit=6, patience=0.02, progress=False)
    return report.samples, woken


@pytest.mark.parametrize("every", [None, 2])
def test_a_silent_camera_holds_up_nobody_nor_the_last_samples_to_a_limit(every):
    assert together(2, with_a_silent_camera, every) == [(6, [])] * 2


def with_names_that_are_no_text(peers):
    one, sources = learner(), {0: lambda: frames("a"), Path("b.mp4"): lambda: frames("c")}
    first = learn_together(one, sources, peers, limit=4, progress=False).samples
    return first, learn_together(one, sources, peers, resume=True, progress=False).samples


def test_sources_named_by_numbers_and_paths_are_read_on_from_where_they_were_left():
    assert together(1, with_names_that_are_no_text) == [(4, LENGTHS["a"] + LENGTHS["c"] - 4)]


def then_alone(peers, folder):
    one, given = learner(), torch.rand(6, 3, 8, 8)
    first = one.learn(given, limit=2, progress=False).samples
    second = learn_together(one, {"a": lambda: frames("a"), "d": lambda: frames("d")}, peers, progress=False).samples
    if peers.rank == 0:
        one.save(folder / "run.safetensors")
        one = hs.Learner.load(folder / "run.safetensors")
    return first, second, one.learn(given, resume=True, progress=False).samples


def test_what_ranks_have_learned_is_not_passed_over_in_what_one_learns_alone(tmp_path):
    assert together(2, then_alone, tmp_path) == [(2, LENGTHS["a"] + LENGTHS["d"], 4)] * 2


def with_a_label_that_cannot_be_told(peers, folder):
    def labelled(name, bad):
        return [(frame, ("a", "tuple") if bad and number == 5 else 1) for number, frame in enumerate(frames(name))]

    path = folder / "run.safetensors"
    one = learner(path if peers.rank == 0 else None, hs.RidgeProbe())
    sources = {"a": lambda: labelled("a", False), "c": lambda: labelled("c", True)}
    try:
        learn_together(one, sources, peers, progress=False)
    except hs.HebbstreamError as error:
        return f"{type(error).__name__}: {error}"


def test_a_label_that_no_checkpoint_holds_is_refused_on_its_rank_and_the_rest_is_saved(tmp_path):
    assert together(2, with_a_label_that_cannot_be_told, tmp_path) == [
        "PeerError: rank 1 of 2 has ended with an error of its own",
        "LabelError: source 'c': sample 5, the first being 0: label ('a', 'tuple'): a checkpoint holds str, int, float and"
        " bool labels",
    ]
    saved = hs.Learner.load(tmp_path / "run.safetensors")
    assert saved.counters.position == saved.probe.steps == 11


def with_labelled_frames_of_two_sizes(peers):
    sources = {
        "a": lambda: [(frame, 1) for frame in torch.rand(30, 3, 8, 8)],
        "b": lambda: [(frame, 1 if number else None) for number, frame in enumerate(torch.rand(30, 3, 16, 16))],
    }
    found = []
    for every in (None, 4):
        one = learner(probe=hs.SoftmaxProbe())
        with pytest.raises(ImageSizeError) as caught:
            learn_together(one, sources, peers, every=every, progress=False)
        found.append((str(caught.value), one.counters.position))
    return found


def test_labelled_frames_of_two_sizes_are_refused_at_once_on_all_ranks():
    message = "labelled frames with 128 features on rank 1, with 32 on rank 0: expected frames of one size on all"
    # The second sample of rank 1 is the first with a label there; alone, each has learned four by the time they tell.
    assert together(2, with_labelled_frames_of_two_sizes) == [[(message, 2), (message, 8)]] * 2


@pytest.mark.parametrize("make", [hs.RidgeProbe, hs.SldaProbe])
def test_sums_of_probes_add_up_to_those_of_one(make):
    found = together(3, learn_labels, make)
    reference = make(l2=1.0) if make is hs.RidgeProbe else make()
    for features, label in sorted((one for rank in found for one in rank[3]), key=lambda one: one[0].sum()):
        reference.learn_one(features, label)
    for state, scored, correct, _ in found:
        assert (scored, correct) == found[0][1:3]
        assert TOTAL - len(found) <= scored < TOTAL  # a rank predicts nothing before its first label
        for name, value in state.items():
            np.testing.assert_array_equal(value, found[0][0][name], err_msg=name)
    weight, bias = reference.affine()
    order = [found[0][0]["classes"].tolist().index(label) for label in reference.classes]
    np.testing.assert_allclose(found[0][0]["weight"][order], weight, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found[0][0]["bias"][order], bias, rtol=1e-6, atol=1e-8)
    assert reference.steps == found[0][0]["steps"] == TOTAL


def learn_labels(peers, make):
    learned = []
    one = learner(probe=make())
    if peers.rank == 0:  # others hear of callbacks from nobody
        one = hs.Learner(one.net, one.probe, callbacks=[Pause()])

    def sources():
        return {name: lambda name=name: frames(name, labels=True) for name in LENGTHS}

    note = hs.OnlineProbe.learn_one

    def noting(self, x, y, w=1.0):
        learned.append((x.numpy().copy(), y))
        note(self, x, y, w)

    make.learn_one = noting
    learn_together(one, sources(), peers, progress=False)
    probe = one.probe
    weight, bias = probe.affine()
    state = {"weight": weight, "bias": bias, "steps": probe.steps, "classes": np.array(probe.classes)}
    if isinstance(probe, hs.SoftmaxProbe):
        state["count"] = probe.tensors()["count"]
    return (
        {name: np.array(value) for name, value in state.items()},
        one.counters.scored,
        one.counters.correct,
        learned,
    )


class Pause(hs.Callback):
    every_samples = 10


@pytest.mark.parametrize("make", [hs.SoftmaxProbe, partial(hs.RidgeProbe, calibrate=True)])
def test_weights_of_the_gradient_probe_and_temperatures_are_the_same_everywhere(make):
    found = together(2, learn_labels, make)
    for name, value in found[0][0].items():
        np.testing.assert_array_equal(value, found[1][0][name], err_msg=name)
    assert found[0][0]["steps"] == TOTAL == np.sum(found[0][0].get("count", TOTAL))
    assert np.isfinite(found[0][0]["weight"]).all()


def wait_for_one_that_stops(peers):
    if peers.rank == 1:
        os.kill(os.getpid(), signal.SIGSTOP)
    learn_together(learner(), {"a": lambda: torch.rand(5, 3, 8, 8)}, peers, progress=False)


def wait_for_one_that_dies(peers):
    if peers.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    learn_together(learner(), {"a": lambda: torch.rand(5, 3, 8, 8)}, peers, progress=False)


@pytest.mark.parametrize("function", [wait_for_one_that_stops, wait_for_one_that_dies])
def test_a_lost_rank_is_one_clear_error_and_no_hang(function):
    started, results = start(2, function, timeout=2.0)
    try:
        rank, found = results.get(timeout=60)
    finally:
        for process in started:
            process.kill()
            process.join()
    assert isinstance(found, Failed)
    assert (rank, found.kind) == (0, "PeerError")
    assert found.message.startswith("rank 0 of 2 has lost the others (")
    assert "\n" not in found.message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "every=0: expected a positive integer, or None"),
        ({"every": 1.5}, "every=1.5: expected a positive integer, or None"),
        ({"limit": 0}, "limit=0: expected a positive integer, or None"),
        ({"limit": 1.5}, "limit=1.5: expected a positive integer, or None"),
        ({"patience": -1}, "patience=-1: expected a number of seconds from 0 to 100,000,000"),
        ({"patience": "1"}, "patience='1': expected a number of seconds from 0 to 100,000,000"),
        ({"wire": "float16"}, "wire='float16' without every: expected 'float32', as steps taken together travel"),
        ({"sources": {1: list, "1": list}}, "sources [1, '1']: expected names that differ as text"),
        ({"sources": {}}, "no sources: expected a mapping from names to functions that open them"),
        ({"sources": [list]}, "sources in a list: expected a mapping from names to functions that open them"),
        ({"sources": {"a": torch.rand(2, 3, 8, 8)}}, "source 'a' is a Tensor: expected a function that opens it"),
    ],
)
def test_arguments_that_cannot_work(options, message):
    given = {"sources": {"a": list}, **options}
    with pytest.raises(ConfigurationError) as caught:
        learn_together(learner(), given.pop("sources"), None, **given)
    assert str(caught.value) == message
