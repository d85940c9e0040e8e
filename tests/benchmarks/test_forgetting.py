import numpy as np
import pytest

from benchmarks.quality.solvers import forgetting


def test_forgetting_by_hand():
    accuracy = np.array([[0.9, 0.2, 0.1], [0.6, 0.8, 0.3], [0.5, 0.7, 1.0]])
    assert forgetting(accuracy) == pytest.approx(((0.9 - 0.5) + (0.8 - 0.7)) / 2)
    assert forgetting(accuracy[:1, :1]) == 0.0
