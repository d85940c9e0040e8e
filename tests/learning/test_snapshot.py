"""A copy that stands still while the network learns on: when it is taken, and what it says in between."""

import numpy as np
import pytest
import torch

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.river import LinearProbe

FRAMES = np.random.default_rng(0).integers(0, 256, (200, 8, 8, 3), np.uint8)


def learner(*callbacks, replay=True):
    net = hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3)
    return hs.Learner(net, hs.SoftmaxProbe(), replay=hs.Replay() if replay else None, callbacks=callbacks)


def labelled(count, label=lambda index: index % 2):
    return [(FRAMES[index], label(index)) for index in range(count)]


def test_between_two_copies_its_answers_stand_still_while_the_network_learns():
    snapshot, answers, features = hs.Snapshot(), [], []

    def ask(step):
        if step.index >= 32:
            answers.append(snapshot.predict_proba_one(FRAMES[0]))
            features.append(step.features.sum().item())

    run = learner(snapshot, ask)
    run.learn(labelled(32) + [(FRAMES[0], None)] * 20, progress=False)
    assert snapshot.taken == 1
    assert len(answers) == 20
    assert answers[0] == answers[-1]
    assert sum(answers[0].values()) == pytest.approx(1)
    assert features[0] != features[-1]


def test_it_knows_what_the_network_and_the_refit_probe_of_its_moment_knew():
    snapshot, run = hs.Snapshot(), None
    run = learner(snapshot)
    run.learn(labelled(32), progress=False)
    expected = run.refit_probe(progress=False).predict_proba_one(run.net.transform_one(FRAMES[0]))
    assert snapshot.predict_proba_one(FRAMES[0]) == expected
    assert torch.equal(snapshot.net.layers[0].weight, run.net.layers[0].weight)
    assert snapshot.probe.classes == [0, 1]


def test_it_stands_apart_from_a_probe_that_learns_on():
    """Where more was learned than is kept, the probe to take away is the learner's own."""
    snapshot = hs.Snapshot()
    run = learner(snapshot)
    run.replay = hs.Replay(8)
    run.learn(labelled(40), progress=False)
    assert run.refit_probe(progress=False) is run.probe
    assert snapshot.probe is not run.probe


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (lambda index: index % 2, [31, 40, 51, 65, 82]),  # a quarter more each time
        (lambda index: index % 2 if index < 52 else "new", [31, 40, 51, 63, 80]),  # looked for at each replay
        (lambda index: index % 2 if index % 2 == 0 else None, [62, 80, 102, 130, 164]),  # labels count
    ],
)
def test_it_is_taken_as_labels_grow_and_when_a_new_class_comes(label, expected):
    snapshot, taken = hs.Snapshot(), []

    def watch(step):
        if snapshot.taken > len(taken):
            taken.append(step.index - 1)  # seen with the sample after it

    learner(snapshot, watch).learn(labelled(170, label), progress=False)
    assert taken[:5] == expected


def test_before_the_first_it_says_nothing():
    snapshot = hs.Snapshot()
    assert (snapshot.is_due(0), snapshot.samples_left(0)) == (False, 32)
    learner(snapshot).learn(labelled(31), progress=False)
    assert snapshot.taken == 0
    assert snapshot.net is snapshot.probe is snapshot.predict_one(FRAMES[0]) is None
    assert snapshot.predict_proba_one(FRAMES[0]) == {}


def test_a_resumed_run_has_one_from_the_start(tmp_path):
    learner(hs.Checkpoint(tmp_path / "run"), hs.Snapshot()).learn(labelled(40), progress=False)
    snapshot, seen = hs.Snapshot(), []
    run = hs.Learner.load(tmp_path / "run", callbacks=[snapshot, lambda step: seen.append(snapshot.taken)])
    run.learn(labelled(42), resume=True, progress=False)
    assert seen == [1, 1]


@pytest.mark.parametrize("batch_size", [1, 8])
def test_a_probe_of_its_own_learns_on_as_the_copy_sees_frames(batch_size):
    template = hs.SldaProbe(solve_every=1)
    snapshot = hs.Snapshot(probe=template)
    run = learner(snapshot)
    run.learn([*labelled(32), (FRAMES[40], "new"), (FRAMES[41], None)], batch_size=batch_size, progress=False)
    assert (snapshot.taken, template.steps, snapshot.probe.steps) == (1, 0, 33)
    expected = hs.SldaProbe(solve_every=1)
    for frame, label in [*labelled(32), (FRAMES[40], "new")]:
        expected.learn_one(snapshot.net.transform_one(frame), label)
    assert snapshot.predict_proba_one(FRAMES[0]) == pytest.approx(
        expected.predict_proba_one(snapshot.net.transform_one(FRAMES[0]))
    )
    assert not torch.equal(snapshot.net.layers[0].weight, run.net.layers[0].weight)
    run.learn(iter(labelled(8)), progress=False)
    assert (snapshot.taken, snapshot.probe.steps) == (2, 41)  # and once more from the start


def test_a_probe_that_cannot_be_its_own_is_refused():
    taught = hs.SldaProbe()
    taught.learn_one(np.ones(3), "a")
    with pytest.raises(errors.ConfigurationError, match="probe of 1 labels: expected one that has learned nothing"):
        hs.Snapshot(probe=taught)
    with pytest.raises(
        errors.ConfigurationError, match=r"Snapshot with the class LinearProbe: expected an object, LinearProbe\(\)"
    ):
        hs.Snapshot(probe=LinearProbe)
    with pytest.raises(errors.ConfigurationError, match="Snapshot with a str: expected an OnlineProbe"):
        hs.Snapshot(probe="slda")
    assert repr(hs.Snapshot(probe=hs.SldaProbe())) == f"Snapshot(growth=1.25, probe={hs.SldaProbe()!r}, taken=0)"


@pytest.mark.parametrize("probe", [None, hs.SldaProbe()])
def test_it_changes_nothing_of_the_run(tmp_path, probe):
    learner(hs.Checkpoint(tmp_path / "plain")).learn(labelled(60), progress=False)
    learner(hs.Snapshot(probe=probe), hs.Checkpoint(tmp_path / "watched")).learn(labelled(60), progress=False)
    assert (tmp_path / "plain").read_bytes() == (tmp_path / "watched").read_bytes()


@pytest.mark.parametrize("growth", [1, 0.5, 10**400, float("inf"), float("nan"), "2", None])
def test_a_growth_that_is_none_is_refused(growth):
    with pytest.raises(errors.ConfigurationError, match=r"growth=.*expected a number above 1"):
        hs.Snapshot(growth=growth)


def test_it_asks_for_a_replay_before_the_first_sample():
    run = learner(hs.Snapshot(), replay=False)
    with pytest.raises(errors.ConfigurationError, match="without a replay"):
        run.learn(labelled(3), progress=False)
    assert run.counters.position == 0
