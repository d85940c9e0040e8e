"""What looks wrong in a sensor's windows: columns that stay the same, values far off, and a range of what can be."""

import logging

import numpy as np
import pytest

from hebbstream import errors
from hebbstream.streams import windows


def test_a_stuck_sensor_is_named_once_and_learned_all_the_same(caplog):
    rows = [np.array([t, 7.0]) for t in range(60)]
    with caplog.at_level(logging.WARNING, "hebbstream.streams"):
        assert len(list(windows(rows, 3))) == 20
        assert len(list(windows(np.zeros((60, 2)), 3))) == 20  # all is still: nothing to tell it from
    assert [record.message for record in caplog.records] == [
        "column 1 has not changed for 10 windows: is the sensor stuck?"
    ]


def test_a_number_too_large_for_its_changes_is_named(caplog):
    list(windows([{"x": row, "at": 1.7e9 + row / 10} for row in range(60)], 3))
    assert [record.message for record in caplog.records] == [
        "column 'at' has not changed for 10 windows: is the sensor stuck, or its number so large that float32 rounds its"
        " changes away?"
    ]


def test_a_column_that_changes_between_windows_is_not_stuck(caplog):
    assert len(list(windows([{"x": t, "minute": t // 5} for t in range(100)], 5))) == 20
    assert caplog.records == []


def test_a_sensor_is_stuck_in_its_own_signal(caplog):
    rows = [{"x": t, "y": t * who, "who": who} for t in range(60) for who in range(3)]
    assert len(list(windows(rows, 3, group="who"))) == 60
    assert [record.args[1] for record in caplog.records] == ["y"]  # that of 0, while those of others change


def _with_two_far_off() -> list[dict[str, float]]:
    rows = [{"x": float(at % 3), "y": float(at % 5)} for at in range(800)]
    for at in (61, 770):
        rows[at]["y"] = -9999.0
    return rows


def test_a_value_far_from_the_others_is_named_once_and_learned_all_the_same(caplog):
    assert min(sample.x.min() for sample in windows(_with_two_far_off(), 4)) == -9999
    assert [record.message for record in caplog.records] == [
        "column 'y' has -9999 in a window whose values lie 2778 times further apart than usual: if that was not measured,"
        " give the valid_range (--valid-range)"
    ]


def test_what_lies_within_the_usual_or_comes_before_it_is_known_is_not_told(caplog):
    rows = [[float(at % 3), 0.0] for at in range(80)]
    rows[22][0] = -9999.0  # in the sixth window
    rows[78] = [50.0, 5.0]  # the second column has not changed before
    assert len(list(windows(rows, 4))) == 20
    rows[22][0] = 0.0
    assert len(list(windows(rows, 4))) == 20
    assert not any("further" in message for message in caplog.messages)


@pytest.mark.parametrize("as_rows", [list, lambda rows: [[*row.values()] for row in rows]])
def test_what_is_out_of_the_valid_range_is_missing(as_rows, caplog):
    rows = _with_two_far_off()
    for row in (rows[61], rows[770]):
        row["y"] = None
    known = [sample.x.tolist() for sample in windows(rows, 4)]
    rows = as_rows(_with_two_far_off())
    stream = windows(rows, 4, valid_range=(0, 4))
    assert "valid_range=(0.0, 4.0)" in repr(stream)
    assert [sample.x.tolist() for sample in stream] == known
    assert len(list(windows(rows, 4, valid_range=(0, float("inf"))))) == 200
    assert caplog.records == []


@pytest.mark.parametrize("given", [3, (1,), (2, 1), (1, 1), ("a", "b"), (0, float("nan")), {0, 1}, "01"])
def test_what_is_no_range_is_refused(given):
    with pytest.raises(errors.ConfigurationError, match=r"^valid_range=.*: expected \(least, greatest\), two numbers$"):
        windows([1.0], 1, valid_range=given)


def test_labels_that_differ_at_each_row_are_told_once(caplog):
    rows = [({"x": at % 3}, 5000 - at) for at in range(300)]
    assert [sample.y for sample in windows(rows, 4)][:2] == [4997, 4993]
    (told,) = caplog.records
    assert told.message == (
        "labels differ at each row of 10 windows, such as 4961, and a window takes that of its last row as its class: to predict a number, use LinearRegressorProbe of hebbstream.adapters.river"
    )


@pytest.mark.parametrize(
    "label", [lambda at: at // 2, lambda at: "rest", lambda at: None, lambda at: at if at % 40 > 1 else 0]
)
def test_labels_that_some_rows_share_are_not_told(label, caplog):
    assert len(list(windows([({"x": at % 3}, label(at)) for at in range(352)], 4))) == 88
    assert caplog.records == []
