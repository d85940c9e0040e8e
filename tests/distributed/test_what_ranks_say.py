"""What a run of several ranks tells who started it, whichever rank it concerns."""

import logging
import os
import signal
import tempfile

import pytest
import torch
from ranks import together

import hebbstream as hs
from hebbstream.distributed import learn_together
from hebbstream.distributed._leases import Leases
from hebbstream.distributed._probes import SharedProbe
from hebbstream.errors import OutputError
from hebbstream.streams import Stream
from hebbstream.streams._stats import StreamStats


def learner(probe=None, callbacks=()):
    return hs.Learner(hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3), probe, callbacks=callbacks)


def ended_with(peers, sources):
    try:
        learn_together(learner(hs.RidgeProbe()), sources, peers, progress=False)
    except hs.HebbstreamError as error:
        return f"{type(error).__name__}: {error}"


def save_when_the_other_is_asked(peers, folder):
    path = folder / "run.safetensors"
    saved = []

    def source(asked):
        for number in range(20):
            if asked and number == 5:
                os.kill(os.getpid(), signal.SIGUSR1)
            saved.append(path.exists())
            yield torch.rand(3, 8, 8)

    one = learner(callbacks=[hs.Checkpoint(path)] if peers.rank == 0 else [])
    report = learn_together(one, {"a": lambda: source(False), "b": lambda: source(True)}, peers, progress=False)
    return saved[4], saved[10], report.samples


def test_a_signal_that_asks_any_rank_to_save_is_answered_by_the_first(tmp_path):
    assert together(2, save_when_the_other_is_asked, tmp_path) == [(False, True, 40)] * 2


@pytest.mark.parametrize("probe", [hs.RidgeProbe, lambda: hs.SoftmaxProbe(calibrate=True)])
def test_a_probe_without_a_label_takes_part_where_features_are(probe):
    """Else one rank would wait for a sum on a card, and the other for one on the host, until both are lost."""

    class Peers:
        rank, world = 0, 2

        def gather_terms(self, own):
            return [own, {"labels": 3, "classes": [["str", "up"]], "features": 5}]

        def sum(self, tensor):
            assert tensor.is_meta
            return tensor

    shared = SharedProbe(probe(), Peers(), torch.device("meta"))
    shared.merge()
    assert all(tensor.is_meta for tensor in shared._probe.tensors().values())


def test_labels_since_a_class_came_are_counted_from_one_place_on_all_ranks():
    class Peers:
        rank, world = 0, 2

        def gather_terms(self, own):
            return [own, {"labels": 3, "classes": [["str", "up"]], "features": 2}]

        def sum(self, tensor):
            return tensor

    probe = hs.RidgeProbe()
    shared = SharedProbe(probe, Peers(), torch.device("cpu"))
    for steps in (4, 8):
        probe.learn_one([1.0, 2.0], "down")
        shared.merge()
        assert (probe.steps, probe._newest) == (steps, 4)


def with_labels_on_one(peers):
    sources = {"a": lambda: torch.rand(9, 3, 8, 8), "b": lambda: [(frame, 1) for frame in torch.rand(9, 3, 8, 8)]}
    report = learn_together(learner(hs.RidgeProbe()), sources, peers, progress=False)
    return report.accuracy, report.recent_accuracy, "prequential accuracy" in str(report)


def test_accuracies_are_of_all_ranks_wherever_the_labels_are():
    first, other = together(2, with_labels_on_one)
    assert first == other == (first[0], first[0], True)


def with_bad_samples(peers):
    good, bad = torch.rand(3, 8, 8), torch.full((3, 8, 8), torch.nan)
    nan = {"a": lambda: [good] * 5, "b": lambda: [good, good, hs.Sample(bad, source="shard.tar/2")]}
    label = {"a": lambda: [good] * 5, "b": lambda: [(good, "x"), (good, object)]}
    return [ended_with(peers, nan), ended_with(peers, label)]


def test_a_sample_that_is_refused_is_named():
    nan, label = together(2, with_bad_samples)[1]
    assert nan.startswith("NonFiniteError: source 'b': sample 2 (shard.tar/2), the first being 0: frame with NaN")
    assert label.startswith("LabelError: source 'b': sample 1, the first being 0: label <class 'object'>")


def without_room(peers, folder):
    tempfile.tempdir = str(folder / "none")
    return ended_with(peers, {"a": lambda: torch.rand(3, 3, 8, 8)})


def test_a_rank_without_room_for_temporary_files_says_so(tmp_path):
    said = together(1, without_room, tmp_path)[0]
    assert said == (
        "OutputError: rank 0 cannot write a temporary file (No such file or directory): expected room where TMPDIR says"
    )


def with_too_few_sources(peers):
    said = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    logging.getLogger("hebbstream.distributed").addHandler(handler)
    learn_together(learner(), {"a": lambda: torch.rand(3, 3, 8, 8)}, peers, progress=False)
    learn_together(learner(), dict.fromkeys("ab", lambda: torch.rand(3, 3, 8, 8)), peers, progress=False)
    return said


def test_ranks_that_will_read_nothing_are_told_once():
    assert together(2, with_too_few_sources) == [
        ["1 of 2 processes read nothing: expected as many sources; files that one name stands for are one source"],
        [],
    ]


def with_a_last_checkpoint_that_fails(peers):
    class Full(hs.Callback):
        def on_end(self, learner):
            raise OutputError("cannot write run.safetensors: No space left on device")

    one = learner(callbacks=[Full()] if peers.rank == 0 else [])
    try:
        learn_together(one, dict.fromkeys("ab", lambda: torch.rand(3, 3, 8, 8)), peers, progress=False)
    except hs.HebbstreamError as error:
        return f"{type(error).__name__}: {error}", peers.sum(torch.ones(1)).item()


def test_no_rank_ends_well_where_what_all_have_learned_could_not_be_saved():
    own = "OutputError: cannot write run.safetensors: No space left on device"
    other = "PeerError: rank 0 of 2 has ended with an error of its own"
    assert together(2, with_a_last_checkpoint_that_fails) == [(own, 2.0), (other, 2.0)]


def with_damage(peers):
    def of(frames, **stats):
        return lambda: Stream(torch.rand(frames, 3, 8, 8), stats=StreamStats(**stats))

    sources = {"a": of(5, dropped=1), "b": of(3, corrupt=2), "c": of(4, corrupt=1)}
    return learn_together(learner(), sources, peers, progress=False).stream_counts


def test_what_became_of_the_sources_of_all_ranks_is_counted():
    for counts in together(2, with_damage):
        assert {name: count for name, count in counts.items() if count} == {"frames": 12, "dropped": 1, "corrupt": 3}


def test_many_sources_are_not_looked_through_in_each_step():
    class Looked(tuple):
        def __iter__(self):
            raise AssertionError("looked through")

    leases = Leases(f"{number}.mp4" for number in range(4))
    leases.lend(2)
    leases.names = Looked(leases.names)
    leases.lend(2)
    assert leases.held == {"0.mp4": 0, "1.mp4": 1}
