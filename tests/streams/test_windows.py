"""`windows`: which rows a window has, and what becomes of what is missing or broken."""

from datetime import UTC, datetime, time, timedelta
from operator import length_hint
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.tables import open_table
from hebbstream.streams import Stream, beside, interleave, windows
from hebbstream.streams._windows import MOST_SIGNALS

NAN = float("nan")


def starts(samples):
    return [float(sample.x[0, 0]) for sample in samples]


@pytest.mark.parametrize(
    ("size", "hop", "expected"),
    [(4, None, [0, 4]), (4, 1, [0, 1, 2, 3, 4, 5, 6]), (4, 6, [0, 6]), (10, 3, [0]), (1, 5, [0, 5]), (11, 1, [])],
)
def test_windows_begin_every_hop_rows_and_are_whole(size, hop, expected):
    stream = windows(range(10), size, hop)
    assert length_hint(stream) == len(expected)
    found = list(stream)
    assert starts(found) == expected
    assert all(sample.x.tolist() == [[sample.x[0, 0] + i for i in range(size)]] for sample in found)


def test_windows_do_not_share_memory():
    found = list(windows(range(100), 7, 2))
    assert starts(found) == [*range(0, 94, 2)]


@pytest.mark.parametrize(
    "rows",
    [
        np.arange(12.0).reshape(6, 2),
        [np.array(row) for row in np.arange(12).reshape(6, 2)],
        [{"x": row, "y": row + 1} for row in range(0, 12, 2)],
        [(hs.Sample([row, row + 1])) for row in range(0, 12, 2)],
    ],
)
def test_rows_of_every_kind(rows):
    first, second = windows(rows, 3)
    assert first.x.tolist() == [[0, 2, 4], [1, 3, 5]]
    assert second.x.dtype == np.float32


def test_a_window_was_captured_with_its_last_row():
    found = windows([hs.Sample(float(i), t=i / 10, captured=100.0 + i) for i in range(6)], 3)
    assert [(sample.t, sample.captured) for sample in found] == [(0.0, 102.0), (0.3, 105.0)]


def test_named_columns_keep_their_names_and_their_order():
    rows = [{"time": 0.1 * t, "z": t, "who": "a", "x": -t, "y": "0.5", "label": "on"} for t in range(4)]
    with windows(rows, 2, columns=["x", "y", "z"], time="time", label="label") as stream:
        found = list(stream)
    assert stream.columns == ("x", "y", "z")
    assert found[1].x.tolist() == [[-2, -3], [0.5, 0.5], [2, 3]]
    assert [(sample.t, sample.y) for sample in found] == [(0.0, "on"), (pytest.approx(0.2), "on")]


def test_the_label_is_that_of_most_rows_and_of_several_the_last():
    labels = ["a", "a", "b", None, "b", "c", None, None, None]
    found = list(windows(zip(range(9), labels, strict=True), 3))
    assert [sample.y for sample in found] == ["a", "c", None]


@pytest.mark.parametrize("label", [None, NAN, "", "NA", pd.NA])
def test_a_row_without_a_label_has_none(label):
    for rows, name in ([(0.0, label), (1.0, "a")], None), ([{"x": 0, "y": label}, {"x": 1, "y": "a"}], "y"):
        assert [sample.y for sample in windows(rows, 1, label=name)] == [None, "a"]


WORDS = ("NA", "nan", "None", "NULL", "null", "N/A", "n/a")


@pytest.mark.parametrize("missing", [None, NAN, float("inf"), 1e16, "", *WORDS, pd.NA, "absent"])
def test_a_missing_value_is_the_last_one(missing):
    rows = [{"x": t, "y": 10 * t} for t in range(6)]
    rows[3] = {"x": 3} if str(missing) == "absent" else {"x": 3, "y": missing}
    assert [sample.x[1].tolist() for sample in windows(rows, 3)] == [[0, 10, 20], [20, 40, 50]]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [float, int])
def test_a_masked_value_is_missing(dtype):
    values = np.ma.masked_equal(np.array([1, 2, -9, 4], dtype), -9)
    for rows in (values, values[:, None], [{"x": value} for value in values]):
        assert next(windows(rows, 4)).x.tolist() == [[1, 2, 2, 4]]


def test_before_the_first_value_there_is_the_first_value():
    assert [sample.x[0].tolist() for sample in windows([NAN, NAN, 3.0, 4.0], 4)] == [[3, 3, 3, 4]]


def test_a_window_without_any_value_of_a_column_is_left_out_and_counted():
    rows = [(t, NAN if 3 <= t < 6 else t) for t in range(9)]
    stream = windows([np.array(row) for row in rows], 3)
    assert starts(stream) == [0, 6]
    assert stream.stats.corrupt == 1


def test_a_column_without_values_is_named_once(caplog):
    rows = [{"x": t, "": "", "z": "" if t < 6 else 1} for t in range(12)]
    assert list(windows(rows, 3)) == []
    message = "column {!r} has no value in a window: windows without one are left out"
    assert [record.message for record in caplog.records] == [message.format(name) for name in ("", "z")]


def test_new_names_are_passed_over():
    rows = [{"x": 0}, {"x": 1, "later": 5}]
    assert [sample.x.tolist() for sample in windows(rows, 2)] == [[[0, 1]]]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([0, 1, 2, 3, 4, 5], [0, 2, 4]),
        ([0, 1, 2, 9, 10, 11], [0, 3]),  # a gap
        ([5, 6, 7, 0, 1, 2], [0, 3]),  # time goes back
        ([0, None, 2, 3, None, 5], [0, 2, 4]),
        ([0, None, None, 9, 10, 11], [0, 2, 4]),  # three steps of 3
        ([0, 1, None, 99, 100, 101], [0, 3]),  # a row without a time hides no gap
        ([0, 1, NAN, 99, 100, 101], [0, 3]),
        ([5, 6, None, 0, 1, 2], [0, 3]),
    ],
)
def test_no_window_reaches_across_a_gap(times, expected):
    rows = [hs.Sample(float(place), t=t) for place, t in enumerate(times)]
    found = list(windows(rows, 2, gap=3))
    assert starts(found) == expected
    assert [sample.t for sample in found] == [times[int(start)] for start in starts(found)]


def test_no_window_mixes_sources():
    rows = interleave({"left": range(4), "right": range(10, 14)})
    assert [(sample.source, sample.x[0].tolist()) for sample in windows(rows, 2)] == [
        ("left", [0, 1]),
        ("right", [10, 11]),
        ("left", [2, 3]),
        ("right", [12, 13]),
    ]
    grouped = windows([{"v": v, "who": who} for v, who in zip(range(8), "ababbaba", strict=True)], 2, group="who")
    assert [(sample.source, sample.x[0].tolist()) for sample in grouped] == [
        ("a", [0, 2]),
        ("b", [1, 3]),
        ("b", [4, 6]),
        ("a", [5, 7]),
    ]


def test_dates_count_from_1970():
    begin = datetime(2026, 1, 1, 23, 59)
    seconds = begin.replace(tzinfo=UTC).timestamp()
    for form in (lambda time: time, datetime.isoformat):
        rows = [{"v": i, "at": form(begin + timedelta(seconds=30 * i))} for i in range(4)]
        assert [sample.t for sample in windows(rows, 2, time="at")] == [seconds, seconds + 60]


def test_sensors_that_began_at_different_dates_are_on_one_clock():
    begin = datetime(2026, 1, 1)
    slow = [{"v": second, "at": (begin + timedelta(seconds=second)).date()} for second in (0, 86_400)]
    fast = [{"v": second, "at": begin + timedelta(seconds=second)} for second in range(86_390, 86_410)]
    pairs = beside(windows(fast, 5, time="at"), windows(slow, 1, time="at"))
    assert [(one.x[0, 0], other.x[0, 0]) for one, other in pairs] == [
        (86_390, 0),
        (86_395, 0),
        (86_400, 86_400),
        (86_405, 86_400),
    ]


@pytest.mark.parametrize("begin", ["2024-10-27 02:59+02:00", "2024-03-31 01:59+01:00"])
def test_a_change_to_or_from_summer_time_is_no_gap(begin):
    times = pd.date_range(begin, periods=6, freq="30s").tz_convert(ZoneInfo("Europe/Berlin"))
    for form in (lambda time: time, pd.Timestamp.to_pydatetime, pd.Timestamp.isoformat):
        rows = [{"v": i, "at": form(time)} for i, time in enumerate(times)]
        found = [sample.t for sample in windows(rows, 2, time="at", gap=30)]
        assert found == [times[0].timestamp() + passed for passed in (0, 60, 120)]


@pytest.mark.parametrize("begin", [0, 1.7e9])
def test_a_step_as_long_as_the_gap_is_none_though_tenths_are_not_exact(begin):
    rows = [{"v": row, "at": begin + row / 10} for row in range(100)]
    assert len([*windows(rows, 10, time="at", gap=0.1)]) == 10
    assert not [*windows(rows, 10, time="at", gap=0.099)]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_numpy_and_pandas_are_of_any_unit(unit):
    passed = np.array([0, 30, 60, 90], "m8[s]").astype(f"m8[{unit}]")
    for times in (passed, np.datetime64("2026-01-01T23:59") + passed, pd.to_timedelta(passed)):
        rows = [{"v": i, "at": time} for i, time in enumerate(times)]
        first, second = (sample.t for sample in windows(rows, 2, time="at"))
        assert second - first == 60


def test_a_row_without_a_date_has_no_time():
    rows = [
        {"v": 0, "at": at}
        for at in (np.datetime64("NaT"), pd.NA, "NULL", pd.Timestamp(2026, 1, 1), pd.Timestamp(2026, 1, 2))
    ]
    assert [sample.t for sample in windows(rows, 1, time="at")] == [None, None, None, 20_454 * 86_400, 20_455 * 86_400]


def test_an_integer_beyond_all_floats_is_told():
    with pytest.raises(errors.InputError, match="column 'x' is 1000"):
        list(windows([{"x": 10**400}], 1))


def test_rows_without_a_key_are_one_signal():
    rows = [{"v": v, "who": who} for v, who in enumerate([NAN, "a", float("nan"), None, "a", pd.NA])]
    found = list(windows(rows, 2, group="who"))
    assert [(sample.source, sample.x[0].tolist()) for sample in found] == [
        (None, [0, 2]),
        ("a", [1, 4]),
        (None, [3, 5]),
    ]


def test_too_few_rows_for_a_window_are_told(caplog):
    rows = [{"x": 0.0, "t": t} for t in (0, 1, 2, 9, 10)]
    assert list(windows(rows, 4, time="t", gap=2)) == []
    assert list(windows([], 4)) == []
    assert len(list(windows(rows, 3, time="t", gap=2))) == 1
    assert [record.message for record in caplog.records] == ["no window of 4 rows: at most 3 came without a break"]


def test_time_that_goes_back_is_told_once(caplog):
    rows = [{"x": 0.0, "t": t} for t in (0, 1, 5, 2, 3, 2.5, 3)]
    assert [sample.t for sample in windows(rows, 2, time="t", gap=2)] == [0, 2, 2.5]
    assert [record.message for record in caplog.records] == [
        "time goes back to 2.0: a window begins there, and rows before it that fill none are left out"
    ]


@pytest.mark.parametrize("size", [np.int64(3), np.array(3), torch.tensor(3)])
def test_sizes_of_any_library(size):
    assert starts(windows(range(6), size, hop=size)) == [0, 3]


def test_a_tensor_that_requires_grad_is_rows():
    assert starts(windows(torch.arange(4.0, requires_grad=True), 2, gap=np.float32(1))) == [0, 2]


def test_a_run_is_known_again_by_all_that_was_given():
    def known(**options):
        return windows(Stream([{"a": 1, "b": 2}], known_by="known"), 2, **options).fingerprint

    assert known() == known(columns=None) == "windows(known, 2, 2)"
    assert known(columns=np.array(["a"]), gap=np.int64(1)) == known(columns=["a"], gap=1)
    given = [{}, {"columns": ["a"]}, {"columns": ["b"]}, {"label": "a"}, {"time": "a"}, {"group": "a"}, {"gap": 1}]
    assert len({known(**options) for options in given}) == len(given)


def test_rows_may_bring_labels_and_columns_later():
    rows = [{"x": 1.0}, {"x": 2.0}, {"x": 3.0, "y": 5.0}, {"x": 4.0, "label": "up"}]
    first, second = windows(rows, 2, columns=["x"], label="label")
    assert (first.y, second.y) == (None, "up")
    (only,) = windows(rows, 4, columns=["x", "y"])
    assert only.x.tolist() == [[1, 2, 3, 4], [5, 5, 5, 5]]


@pytest.mark.parametrize("rows", [pd.DataFrame({"a": [1, 2]}), pa.table({"a": [1, 2]})])
def test_a_data_frame_is_no_rows(rows):
    with pytest.raises(
        errors.ConfigurationError, match=r"rows of type \w+: expected one by one, such as its \.to_dict"
    ):
        windows(rows, 1)


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        ([{"x": "high", "at": 0}], errors.InputError, "column 'x' is 'high': expected a number"),
        ([{"x": "-3,5", "at": 0}], errors.InputError, r"'x' is '-3,5': expected a number such as -3\.5, or columns"),
        (
            [{"x": b"picture" * 999, "at": 0}],
            errors.InputError,
            "^[^:]*: column 'x' is of type bytes: expected a number",
        ),
        ([{"x": np.zeros(2), "at": 0}], errors.InputError, r"column 'x' is array\(\[0., 0.\]\): expected a number"),
        ([{"x": torch.zeros(2), "at": 0}], errors.InputError, r"column 'x' is tensor\(\[0., 0.\]\): expected a number"),
        ([{"x": np.complex64(1j), "at": 0}], errors.InputError, r"column 'x' is np.complex64\(1j\): expected a number"),
        (
            [{"x": np.datetime64("2026"), "at": 0}],
            errors.InputError,
            "column 'x' is np.datetime64.*: expected a number",
        ),
        ([{"x": pd.Timedelta(1).to_numpy(), "at": 0}], errors.InputError, "column 'x' is np.timedelta64"),
        ([np.array(["2026"], "M8[s]")], errors.InputError, "row array.*datetime64.*: expected numbers"),
        ([np.array([1], "m8[s]")], errors.InputError, "row array.*timedelta64.*: expected numbers"),
        ([np.array([1j])], errors.InputError, r"row array\(\[0.\+1.j\]\): expected numbers"),
        ([[10**400, 1]], errors.InputError, "row .*401 digits.*: expected numbers"),
        ([[1.0, 2.0], [1.0]], errors.InputError, "row of 1 values: expected 2, as in the first"),
        ([np.zeros((2, 2))], errors.RankError, r"row of shape \(2, 2\): expected one moment"),
        (["abc"], errors.InputError, "row 'abc': expected numbers"),
        (
            [{"x": 1, "at": time(8, 30)}],
            errors.InputError,
            "time 'at' is '08:30:00': expected seconds or a date and time such as 2026-01-31 23:59",
        ),
        ([{"x": 1, "at": "soon"}], errors.InputError, "time 'at' is 'soon': expected seconds or a date and time"),
        (
            [{"x": 1, "at": 17 * 10**17}],
            errors.InputError,
            "time 'at' is 17(0{17}): expected seconds or a date and time",
        ),
        (
            [{"x": 1, "at": "-1.7e18"}],
            errors.InputError,
            r"time 'at' is -1.7e\+18: expected seconds or a date and time",
        ),
        (
            [{"x": 1, "at": "2026-01-01 08:00"}, {"x": 1, "at": "2026-01-01 08:01+01:00"}],
            errors.InputError,
            "row 2: time 'at' is '2026-01-01 08:01\\+01:00': expected one without a time zone, as in the rows before",
        ),
        (
            [{"x": 1, "at": "2026-01-01 08:00Z"}, {"x": 1, "at": "2026-01-01 08:01"}],
            errors.InputError,
            "row 2: time 'at' is '2026-01-01 08:01': expected one with a time zone",
        ),
        ([{"at": 1}], errors.InputError, "row of at: expected a channel besides label, time and group"),
        ([{}], errors.InputError, "row of nothing: expected a channel besides label, time and group"),
    ],
)
def test_what_is_no_row_is_refused(rows, error, message):
    with pytest.raises(error, match=message):
        list(windows(rows, 1, time="at"))


def test_a_key_that_cannot_be_hashed_is_refused():
    with pytest.raises(errors.InputError, match=r"group 'who' is \[1\]: expected a hashable value"):
        list(windows([{"x": 1, "who": [1]}], 1, group="who"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "size=0: expected a positive number of rows"),
        ({"size": 2, "hop": -1}, "hop=-1: expected a positive number of rows"),
        ({"size": 2.0}, "size=2.0: expected a positive number of rows"),
        ({"size": 2, "gap": 0}, "gap=0: expected a positive number of seconds, or None"),
        ({"size": 2, "gap": "1"}, "gap='1': expected a positive number of seconds, or None"),
        ({"size": 2, "columns": "xyz"}, "columns='xyz': expected a list of names"),
        ({"size": 2, "columns": []}, r"columns=\[\]: expected a list of names"),
        ({"size": 2, "columns": [["x"]]}, r"columns=\[\['x'\]\]: expected a list of names"),
        ({"size": 2, "columns": 5}, "columns=5: expected a list of names"),
        ({"size": 2, "columns": {"x"}}, r"columns=\{'x'\}: expected a list of names"),  # each run in another order
        ({"size": 2, "label": ["x"]}, r"label=\['x'\]: expected the name of a column"),
    ],
)
def test_options_that_cannot_work_are_refused(options, message):
    with pytest.raises(errors.ConfigurationError, match=message):
        windows([], **options)


def test_memory_holds_a_limited_number_of_signals():
    rows = ({"v": 1.0, "who": who} for who in [*range(MOST_SIGNALS + 1), 0, 1000])
    assert [sample.source for sample in windows(rows, 2, group="who")] == ["1000"]  # 0 was forgotten


def test_it_is_said_once_that_too_many_signals_fill_no_window(caplog):
    rows = [{"v": 1.0, "who": who} for _ in range(3) for who in range(MOST_SIGNALS + 1)]
    assert not list(windows(rows, 2, group="who"))
    told = [message for message in caplog.messages if "signals" in message]
    assert told == ["more than 1000 signals at a time: one is forgotten after 1 rows, before it fills a window of 2"]


def test_a_run_over_windows_goes_on_exactly(tmp_path):
    data = np.random.default_rng(0).standard_normal((400, 3))

    def stream():
        return windows([(row, int(row[0] > 0)) for row in data], 40, 10)

    def learner():
        spec = hs.LayerSpec(channels=6, kernel_size=(1, 9), pool_size=(1, 4), pool_stride=(1, 4))
        return hs.Learner(hs.SoftHebbNet([spec], 3, input_range=None), hs.SoftmaxProbe())

    whole, part = learner(), learner()
    whole.learn(stream(), progress=False)
    part.learn(stream(), limit=15, progress=False)
    part.save(tmp_path / "run.safetensors")
    part = hs.Learner.load(tmp_path / "run.safetensors")
    part.learn(stream(), resume=True, progress=False)
    assert part.net.samples_seen == whole.net.samples_seen == 37
    assert (part.net.layers[0].weight == whole.net.layers[0].weight).all()
    assert (part.probe.affine()[0] == whole.probe.affine()[0]).all()


def test_a_row_that_is_refused_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n" + "1,2\n" * 299 + "1,2,3\n" + "oops,2\n" + "1,2\n" * 300)
    rows = open_table(tmp_path / "a.csv")
    rows.fast_forward(150)
    with pytest.raises(errors.InputError, match=r"^row 301 of .*a.csv: column 'x' is .*: expected a number"):
        list(windows(rows, 100))
    with pytest.raises(errors.RankError, match=r"^row 2: row of shape \(2, 2\)"):
        list(windows([1.0, np.zeros((2, 2))], 1))
