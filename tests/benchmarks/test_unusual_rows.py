"""Rows are spoiled as the page says, and its table has the means of both halves."""

import json

import numpy as np
import pytest

from benchmarks.quality import anomaly
from benchmarks.quality.tables import TABLES


@pytest.mark.parametrize("way", anomaly.WAYS)
def test_one_row_in_twenty_is_spoiled_and_the_others_are_as_they_were(way):
    x, odd = anomaly.spoiled(anomaly._waves, way, 1)
    plain = anomaly.table(anomaly.islice(anomaly._waves(1), anomaly.ROWS))[0]
    changed = (x != plain).any(axis=1)
    assert odd.sum() == anomaly.ROWS // 20
    assert not (changed & ~odd).any()
    assert changed[odd].mean() > 0.9
    if way == "stuck":
        assert all((np.diff(run, axis=0) == 0).all(axis=0).any() for run in x[odd].reshape(-1, 15, x.shape[1]))


def test_a_class_is_made_rare():
    x, odd = anomaly.SETS["ImageSegments"](0)
    assert x.shape == (anomaly.ROWS, 18)
    assert odd.mean() == 0.05


def test_the_table_has_the_means_of_both_halves(tmp_path):
    (tmp_path / "quality").mkdir()
    rows = [
        {"set": name, "detector": detector, "seed": seed, "auc": auc + seed, "ms_a_row": 0.5}
        for name, auc in (("Bananas", 50.0), ("Shuttle", 70.0), ("wine", 90.0))
        for detector in ("SoftHebbAnomaly", "distance")
        for seed in (0, 1)
    ]
    measured = {"rows": rows, "settings": {"chosen_on": ["Bananas", "Shuttle"]}}
    (tmp_path / "quality" / "anomaly.json").write_text(json.dumps(measured))
    assert TABLES["quality/anomaly"](tmp_path).splitlines()[2:] == [
        "| Bananas | choosing | 50.5 | 50.5 |",
        "| Shuttle | choosing | 70.5 | 70.5 |",
        "| **mean** | choosing | **60.5** | **60.5** |",
        "| wine | reporting | 90.5 | 90.5 |",
        "| **mean** | reporting | **90.5** | **90.5** |",
        "| ms a row, median |  | 0.50 | 0.50 |",
    ]
