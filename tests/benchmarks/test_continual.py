import numpy as np
import pytest

from benchmarks.quality.continual import ContinualScores, class_incremental, domain_incremental, learn_continually
from hebbstream import Sample, errors


def test_each_class_comes_in_one_task_in_the_order_asked_for():
    samples = [(index, index % 5) for index in range(20)]
    tasks = class_incremental(samples, 2, order=[4, 3, 2, 1, 0])
    assert [{sample.y for sample in task} for task in tasks] == [{4, 3}, {2, 1}, {0}]
    for task in tasks:
        assert [sample.x for sample in task] == sorted(sample.x for sample in task)
    assert sorted(sample.x for task in tasks for sample in task) == list(range(20))


def test_what_cannot_be_split_is_refused():
    with pytest.raises(errors.LabelError, match="sample 1 has no label"):
        class_incremental([("a", 1), "b"])
    with pytest.raises(errors.LabelError, match=r"sample 0 has label 7: expected one of \[1, 2\]"):
        class_incremental([("a", 7)], order=[1, 2])
    with pytest.raises(errors.ConfigurationError, match="classes_per_task=0"):
        class_incremental([], 0)
    with pytest.raises(errors.ConfigurationError, match="domains"):
        domain_incremental([], [])
    with pytest.raises(errors.ConfigurationError, match="1 tasks and 0 tests"):
        learn_continually(print, print, [[]], [])


def test_domains_show_all_samples_or_share_them_out():
    samples = [Sample(float(x), y=x, t=0.5, source="s") for x in range(5)]
    looks = [lambda x: x, lambda x: -x]
    plain, negative = domain_incremental(samples, looks)
    assert [s.x for s in plain] == [0, 1, 2, 3, 4]
    assert [s.x for s in negative] == [0, -1, -2, -3, -4]
    assert negative[3].y == 3
    assert (negative[3].t, negative[3].source) == (0.5, "s")
    plain, negative = domain_incremental(samples, looks, repeat=False)
    assert [s.x for s in plain] == [0, 2, 4]
    assert [s.x for s in negative] == [-1, -3]


def test_measures_by_hand():
    scores = ContinualScores(np.array([[0.9, 0.2, 0.1], [0.6, 0.8, 0.3], [0.5, 0.7, 1.0]]), np.array([0.1, 0.1, 0.2]))
    assert scores.average_accuracy == pytest.approx((0.5 + 0.7 + 1.0) / 3)
    assert scores.forgetting == pytest.approx(((0.9 - 0.5) + (0.8 - 0.7)) / 2)
    assert scores.backward_transfer == pytest.approx(((0.5 - 0.9) + (0.7 - 0.8)) / 2)
    assert scores.forward_transfer == pytest.approx(((0.2 - 0.1) + (0.3 - 0.2)) / 2)
    assert str(scores) == "average accuracy 73.3%, forgetting 25.0%, forward transfer +10.0% (3 tasks)"
    single = ContinualScores(np.array([[0.5]]), np.array([0.1]))
    assert (single.forgetting, single.backward_transfer, single.forward_transfer) == (0.0, 0.0, 0.0)


def test_a_learner_that_knows_only_the_last_label_forgets_everything():
    last = []
    tasks = class_incremental([(index, index % 3) for index in range(9)], 1)
    scores = learn_continually(lambda s: last.append(s.y), lambda x: last[-1] if last else None, tasks, tasks)
    assert np.array_equal(scores.accuracy, np.eye(3))
    assert (scores.average_accuracy, scores.forgetting) == (pytest.approx(1 / 3), 1.0)
    assert np.array_equal(scores.untrained, np.zeros(3))
