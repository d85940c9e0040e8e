"""What `Replay` keeps and draws, and what a probe learns from it."""

import numpy as np
import pytest
import torch
from probes import assert_equal_probes, tensors_of
from replays import filled, kept, learned, numbered

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.river import LinearProbe


def test_everything_is_kept_until_it_is_full():
    memory = filled("abcab", capacity=5)
    assert kept(memory) == [0, 1, 2, 3, 4]
    assert [memory.count(label) for label in "abcd"] == [2, 2, 1, 0]


@pytest.mark.parametrize(
    ("labels", "counts"),
    [
        ("a" * 90 + "b" * 60 + "c" * 50, [10, 10, 10]),  # one after another
        ("abc" * 40, [10, 10, 10]),
        ("a" * 100 + "b" * 4 + "c" * 80, [13, 4, 13]),  # a class with few frames keeps them all
    ],
)
def test_classes_share_the_room_whatever_their_order(labels, counts):
    memory = filled(labels, capacity=30)
    assert len(memory) == 30
    assert [memory.count(label) for label in "abc"] == counts


def test_what_is_kept_comes_back_in_the_order_in_which_it_came():
    memory = filled("a" * 90 + "b" * 60, capacity=20)
    memory.forget("a")
    memory = hs.Replay.from_state(memory.state_dict())
    for number in (200, 201, 202):
        memory.add(numbered(number), "c")
    frames, labels = memory.kept()
    numbers = [int(frame.max()) for frame in frames]
    assert (len(numbers), numbers) == (len(memory), sorted(numbers))
    assert labels == ["b" if number < 200 else "c" for number in numbers]
    assert memory.came == {"b": 60, "c": 3}


def test_a_class_that_is_renamed_keeps_its_frames_and_takes_in_those_of_another():
    memory = filled("aab" * 20 + "c" * 40, capacity=21)
    before, labels = memory.kept()
    memory.rename("b", "x")
    memory.rename("a", "c")
    assert memory.came == {"c": 80, "x": 20}
    frames, renamed = memory.kept()
    assert torch.equal(frames, before)
    assert renamed == ["x" if label == "b" else "c" for label in labels]
    again = hs.Replay.from_state(memory.state_dict())
    for number in range(100, 140):
        for held in (memory, again):
            held.add(numbered(number), "x")
    assert kept(memory) == kept(again)
    assert memory.count("c") <= 11  # what was two classes gives up its room as one
    with pytest.raises(errors.LabelError, match="'b': expected one of the 2 classes"):
        memory.rename("b", "y")


def test_frames_and_labels_belong_together_when_drawn():
    labels = ["abcd"[number // 50] for number in range(200)]
    frames, drawn = filled(labels, capacity=20).draw(300)
    assert frames.shape == (300, 1, 2, 2)
    assert [labels[int(frame.max())] for frame in frames] == drawn
    assert set(drawn) == set("abcd")


@pytest.mark.parametrize(
    ("labels", "capacity"),
    [("ab" * 60, 31), ("aaa", 1)],  # with 31, a class that had most may have one less than the other
)
def test_every_frame_of_a_class_is_as_likely_to_be_kept_as_any_other(labels, capacity):
    counts, share = np.zeros(len(labels)), capacity / len(labels)
    for seed in range(100):
        counts[kept(filled(labels, capacity=capacity, seed=seed))] += 1
    # Five deviations are not reached by chance, nor by keeping early or late frames.
    assert counts.sum() == 100 * capacity
    assert np.abs(counts - 100 * share).max() < 5 * (100 * share * (1 - share)) ** 0.5


def test_of_classes_as_large_as_each_other_any_may_give_up_its_room():
    kept_of_a = [filled("aabbc", capacity=4, seed=seed).count("a") for seed in range(100)]
    assert 25 < kept_of_a.count(1) < 75  # five deviations


def test_a_labelled_frame_counts_towards_the_next_replay_whether_or_not_it_is_kept():
    memory = filled("ab" * 50, capacity=4)
    assert (len(memory), memory.waiting) == (4, 100)


def test_it_takes_no_more_memory_than_the_frames_it_may_keep():
    frames = tensors_of(filled("a" * 40, capacity=13))["frames"]
    assert frames.untyped_storage().nbytes() == 13 * 4


def test_frames_are_copied():
    frame, memory = numbered(1), hs.Replay()
    memory.add(frame, "a")
    frame.zero_()
    assert kept(memory) == [1]


def test_the_probe_learns_again_and_the_network_does_not(labelled):
    memory = hs.Replay(capacity=50, per_sample=2, every_samples=8)
    net, probe = learned(labelled[:20], memory)
    assert net.samples_seen == 20
    assert probe.steps == 20 + 2 * 16
    assert memory.waiting == 4
    assert torch.equal(net.layers[0].weight, learned(labelled[:20], None)[0].layers[0].weight)


def test_what_is_seen_again_has_the_features_of_now_and_its_weight(labelled):
    class Notes(hs.SoftmaxProbe):
        def learn_many(self, X, y, w=1.0):
            seen.append((X, list(y), w))
            super().learn_many(X, y, w)

    seen = []
    net, _ = learned(labelled[:8], hs.Replay(per_sample=2, weight=0.2, every_samples=8), probe=Notes())
    memory = hs.Replay(per_sample=2, every_samples=8)
    for sample in labelled[:8]:
        memory.add(net.checked(sample.x, single=True)[0], sample.y)
    frames, labels = memory.draw(16)
    assert [weight for _, _, weight in seen] == [0.2, 0.2]
    assert [label for _, some, _ in seen for label in some] == labels
    for (features, _, _), some in zip(seen, frames.split(8), strict=True):
        assert torch.equal(features, net.transform_many(some))


def test_a_memory_may_be_filled_before(labelled):
    net, memory = hs.SoftHebbNet.from_preset("cifar10", width=4), hs.Replay(per_sample=2, every_samples=8)
    for sample in labelled[:20]:
        memory.add(net.checked(sample.x, single=True)[0], sample.y)
    _, probe = learned(labelled[20:25], memory, net=net)
    assert (net.samples_seen, probe.steps, memory.waiting) == (5, 5 + 16, 4)


def test_frames_without_labels_are_not_kept(labelled):
    memory = hs.Replay(every_samples=4)
    unlabelled = [sample.x for sample in labelled[:10]]
    learned([*unlabelled, *labelled[:3]], memory)
    assert len(memory) == memory.waiting == 3


def test_engines_agree(labelled):
    nets = [learned(labelled[:24], hs.Replay(every_samples=5), engine=engine) for engine in ("eager", "pipelined")]
    assert torch.equal(nets[0][0].layers[2].weight, nets[1][0].layers[2].weight)
    assert_equal_probes(nets[0][1], nets[1][1])


def blocks(count, seed=0):
    """Frames of four classes that come one after another: a bright quarter each."""
    random = np.random.default_rng(seed)
    for label in range(4):
        for _ in range(count):
            frame = random.integers(0, 120, (16, 16, 3), dtype=np.uint8)
            frame[8 * (label // 2) :, 8 * (label % 2) :][:8, :8] += 100
            yield frame, label


def test_classes_of_the_past_stay_known_while_the_features_learn():
    def right(memory):
        net = hs.SoftHebbNet([hs.LayerSpec(channels=8, learning_rate=0.05)], 3)
        _, probe = learned(list(blocks(80)), memory, net=net)
        test = list(blocks(20, seed=1))
        return np.mean([probe.predict_one(net.transform_one(x)) == y for x, y in test])

    assert right(hs.Replay(capacity=40, per_sample=3, every_samples=8)) > 0.9
    assert right(None) < 0.6  # the classes before the last are forgotten


def test_river_probe(labelled):
    probe = LinearProbe("slda")
    learned(labelled[:16], hs.Replay(every_samples=8), probe=probe)
    assert probe.as_probe().steps == 16 + 48


@pytest.mark.parametrize("options", [{"capacity": 0}, {"per_sample": 0}, {"every_samples": -1}, {"capacity": 1.5}])
def test_bad_settings_are_quoted(options):
    (name, value), *_ = options.items()
    with pytest.raises(errors.ConfigurationError, match=f"{name}={value}: expected a positive integer"):
        hs.Replay(**options)


@pytest.mark.parametrize("seed", [-1, "1", 0.5, None])
def test_bad_seeds_are_quoted(seed):
    with pytest.raises(errors.ConfigurationError, match=f"seed={seed!r}: expected an integer of at least 0"):
        hs.Replay(seed=seed)


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf"), "1"])
def test_bad_weights_are_quoted(weight):
    with pytest.raises(errors.ConfigurationError, match=f"weight={weight!r}: expected a positive number"):
        hs.Replay(weight=weight)


@pytest.mark.parametrize(
    ("probe", "message"),
    [
        (None, "replay without a probe: expected an OnlineProbe"),
        (object(), "probe of type object: expected a classifier"),
    ],
)
def test_it_needs_a_probe_of_ours(labelled, probe, message):
    with pytest.raises(errors.ConfigurationError, match=message):
        hs.learn(hs.SoftHebbNet.from_preset("cifar10", width=4), labelled, probe, replay=hs.Replay())


def test_what_is_no_replay_is_refused():
    with pytest.raises(errors.ConfigurationError, match="replay=True: expected a Replay, or None"):
        hs.Learner(hs.SoftHebbNet.from_preset("cifar10", width=4), hs.SoftmaxProbe(), replay=True)


def test_a_frame_unlike_those_kept_is_refused_before_anything_learns(labelled):
    net = hs.SoftHebbNet.from_preset("cifar10", width=4)
    x, y = labelled[0].x, labelled[0].y
    memory = hs.Replay()
    with pytest.raises(errors.InputError, match=r"float32 \(3, .*expected uint8 \(3, "):
        learned([(x, y), (x.astype(np.float32) / 255, y)], memory, net=net)
    assert net.samples_seen == len(memory) == memory.waiting == 1


def test_a_forgotten_class_is_drawn_no_more_until_it_comes_again():
    labels = ["abc"[number // 20] for number in range(60)]
    memory = filled(labels, capacity=30)
    memory.forget("b")
    assert (len(memory), memory.classes) == (20, ["a", "c"])
    frames, drawn = memory.draw(100)
    assert [labels[int(frame.max())] for frame in frames] == drawn
    assert set(drawn) == {"a", "c"}
    for number in range(20):
        memory.add(numbered(number + 20), "b")
    assert [memory.count(label) for label in "abc"] == [10, 10, 10]
    frames, drawn = memory.draw(100)
    assert [labels[int(frame.max())] for frame in frames] == drawn
    memory.forget("b")
    for label in "a" * 30 + "b" * 20:  # it comes again after others have taken its room
        memory.add(numbered(0), label)
    assert [memory.count(label) for label in "abc"] == [10, 10, 10]
    with pytest.raises(errors.LabelError, match="'d': expected one of the 3 classes"):
        memory.forget("d")


def test_nothing_can_be_drawn_from_nothing():
    with pytest.raises(errors.ConfigurationError, match="expected one that was added"):
        hs.Replay().draw(1)


def test_what_is_no_frame_changes_nothing():
    memory = filled("ab", capacity=5)
    blank = torch.zeros(1, 2, 2, dtype=torch.uint8)
    for frame in (blank.numpy(), blank.to("meta"), blank.to_sparse()):
        with pytest.raises(errors.InputError, match="expected a dense tensor that holds values"):
            memory.add(frame, "a")
    assert (kept(memory), memory.waiting) == ([0, 1], 2)


@pytest.mark.parametrize("probe", [hs.RidgeProbe, hs.SldaProbe])
def test_a_seed_that_is_none_is_refused(probe):
    with pytest.raises(errors.ConfigurationError, match="seed=None: expected an integer"):
        probe(seed=None)


def test_a_frame_that_was_interrupted_takes_no_place_from_others(monkeypatch):
    memory = filled("aabb", capacity=4)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(memory, "_make_room", interrupted)
    with pytest.raises(KeyboardInterrupt):
        memory.add(numbered(4), "c")
    assert (kept(memory), memory.waiting, memory.classes) == ([0, 1, 2, 3], 4, ["a", "b"])
    assert kept(hs.Replay.from_state(memory.state_dict())) == [0, 1, 2, 3]


@pytest.mark.parametrize("number", [-1, 1.5, "all", None])
def test_no_number_of_frames_to_draw(number):
    with pytest.raises(errors.ConfigurationError, match=f"number={number!r}: expected an integer of at least 0"):
        filled("ab", capacity=5).draw(number)
