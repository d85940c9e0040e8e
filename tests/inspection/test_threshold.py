import numpy as np
import pytest

from hebbstream.inspection._threshold import OnlineThreshold


def judged(scores):
    threshold = OnlineThreshold()
    return [threshold.judge(float(score)) for score in scores]


@pytest.mark.parametrize("seed", range(3))
def test_at_first_it_is_mean_and_three_deviations_of_all_scores(seed):
    scores = np.random.default_rng(seed).normal(0.4, 0.05, 400)
    threshold = OnlineThreshold()
    for index, score in enumerate(scores):
        if index >= 50:
            assert threshold.value == pytest.approx(scores[:index].mean() + 3 * scores[:index].std())
        assert threshold.judge(score) == (index >= 50 and score > scores[:index].mean() + 3 * scores[:index].std())


def test_the_first_fifty_are_never_unusual():
    assert not any(judged([0.1] * 20 + [0.9] * 30))


def test_what_lasts_becomes_usual():
    flags = judged([0.2] * 2000 + [0.6] * 3000)
    assert flags[2000]
    assert not any(flags[:2000])
    assert not any(flags[2500:])


def test_a_still_picture_has_no_unusual_noise():
    noise = np.random.default_rng(0).laplace(0.3, 1e-3, 500)
    assert not any(judged(noise))
