"""Tables as streams of rows."""

import gzip
import math

import pandas as pd
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters import _table_files
from hebbstream.adapters.tables import open_table
from hebbstream.streams import windows

ROWS = [(0.0, 1.0, 2.0, "rest"), (0.1, None, 4.0, "walk"), (0.2, 5.0, 6.0, "walk")]
NAMES = ("time", "x", "y", "label")


def write(path, delimiter=",", names=NAMES):
    if path.suffix == ".parquet":
        columns = list(zip(*ROWS, strict=True))
        parquet.write_table(pa.table(dict(zip(names, columns, strict=True))), path)
        return path
    lines = [delimiter.join("" if value is None else str(value) for value in row) for row in ROWS]
    path.write_text("\n".join([*([delimiter.join(names)] if names else []), *lines]), encoding="utf-8-sig")
    return path


@pytest.mark.parametrize(
    ("name", "delimiter"), [("a.csv", ","), ("a.csv", ";"), ("a.tsv", "\t"), ("a.txt", "|"), ("a.parquet", "")]
)
def test_windows_of_a_table_of_any_kind(tmp_path, name, delimiter):
    with open_table(write(tmp_path / name, delimiter)) as rows:
        assert rows.columns == NAMES
        (sample,) = windows(rows, 3, columns=["y", "x"], time="time", label="label")
    assert sample.x.tolist() == [[2, 4, 6], [1, 1, 5]]
    assert (sample.y, sample.t, sample.source) == ("walk", 0.0, name)


def test_compressed_logs_are_read_as_others_are(tmp_path):
    plain, packed = tmp_path / "a.csv", tmp_path / "b.csv.gz"
    plain.write_text("\ufeffx,y\n1,2\n3,4", encoding="utf-8")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    with open_table(plain) as one, open_table(packed) as other, open_table(tmp_path / "*.csv*") as both:
        rows = [row.x for row in one]
        assert [row.x for row in other] == rows
        assert [row.x for row in both] == rows * 2


def test_without_names_columns_have_numbers(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("1,2\n3,4\n")
    with open_table(path) as rows:
        assert [row.x for row in rows] == [{"0": "1", "1": "2"}, {"0": "3", "1": "4"}]


@pytest.mark.parametrize("missing", ["", "NA", "null", "nan"])
def test_a_first_row_that_lacks_a_value_is_no_line_of_names(tmp_path, missing):
    path = tmp_path / "a.csv"
    path.write_text(f"1,{missing},3\n4,5,6\n")
    with open_table(path) as rows:
        assert [list(row.x.values()) for row in rows] == [["1", missing, "3"], ["4", "5", "6"]]
        assert rows.columns == ("0", "1", "2")
    path.write_text(",400,401\n0,1,2\n")  # pandas' row numbers, and names that are numbers
    with open_table(path) as rows:
        assert [row.x for row in rows] == [{"400": "1", "401": "2"}]


def test_row_numbers_in_parquet_are_left_out_unless_they_are_asked_for(tmp_path):
    path = tmp_path / "a.parquet"
    pd.DataFrame({"x": [2.0, 3.0]}, index=[7, 9]).to_parquet(path)
    with open_table(path) as rows:
        assert rows.columns == ("x",)
        assert [row.x for row in rows] == [{"x": 2}, {"x": 3}]
    with open_table(path, ["__index_level_0__"]) as rows:
        assert [row.x for row in rows] == [{"__index_level_0__": 7}, {"__index_level_0__": 9}]


def test_columns_without_a_name_are_left_out_unless_they_are_asked_for(tmp_path):
    """Row numbers as pandas writes them, and what stands behind a last delimiter."""
    path = tmp_path / "a.csv"
    path.write_text(",x,y,\n0,1,2,\n1,3,4,\n")
    with open_table(path) as rows:
        assert rows.columns == ("x", "y")
        assert [row.x for row in rows] == [{"x": "1", "y": "2"}, {"x": "3", "y": "4"}]
    path.write_text(",x\n7,1\n")
    with open_table(path, ["", "x"]) as rows:
        assert [row.x for row in rows] == [{"": "7", "x": "1"}]
    path.write_text(",\na,b\n")
    with pytest.raises(errors.DamagedFileError, match="no column with a name"):
        open_table(path)


@pytest.mark.parametrize(("names", "expected"), [("a,b\n", ("a", "b")), ("", ("0", "1"))])
def test_blank_lines_before_a_table_are_passed_over(tmp_path, names, expected):
    path = tmp_path / "a.csv"
    path.write_text(f"\n\r\n{names}1,2\n")
    with open_table(path) as rows:
        assert [row.x for row in rows] == [dict(zip(expected, "12", strict=True))]


def test_a_run_over_a_table_is_known_again(tmp_path):
    one, other = write(tmp_path / "a.csv"), write(tmp_path / "b.csv", ";")
    found = [windows(open_table(path), 2).fingerprint for path in (one, one, other)]
    assert found[0] == found[1] != found[2]
    assert found[0] is not None


def test_a_resumed_run_learns_the_rows_that_were_added_to_a_table(tmp_path):
    rows = [f"{math.sin(row)},{math.cos(row)}\n" for row in range(4000)]
    learners = [hs.Learner(hs.SoftHebbNet.from_preset("signal", in_channels=2, width=4)) for _ in range(2)]
    for learner, ends in zip(learners, ([3000, 4000], [4000]), strict=True):
        for end in ends:
            (tmp_path / "log.csv").write_text("a,b\n" + "".join(rows[:end]))
            learner.learn(windows(open_table(tmp_path / "log.csv"), 500), resume=True)
    grown, whole = learners
    assert grown.counters.position == whole.counters.position == 8
    assert torch.equal(grown.net.layers[0].weight_matrix, whole.net.layers[0].weight_matrix)


def test_a_table_of_another_beginning_is_another(tmp_path):
    found = set()
    for first in "12":
        (tmp_path / "log.csv").write_text(f"a\n{first}\n" + "0\n" * 40_000)
        found.add(open_table(tmp_path / "log.csv").fingerprint)
    assert len(found) == 2


def test_a_run_over_some_of_its_columns_is_another(tmp_path):
    path = write(tmp_path / "a.csv")
    chosen = [None, ["x"], ["y"]]
    assert len({open_table(path, columns).fingerprint for columns in chosen}) == 3
    assert len({windows(open_table(path), 2, columns=columns).fingerprint for columns in chosen}) == 3
    assert open_table(path, NAMES).fingerprint == open_table(path).fingerprint
    named = windows(open_table(path), 2, columns=["x", "y", "label"], time="time")
    assert named.fingerprint == windows(open_table(path), 2, time="time").fingerprint


@pytest.mark.parametrize("options", [{"columns": ["x", "z"]}, {"label": "z"}, {"time": "z"}, {"group": "z"}])
def test_windows_of_columns_that_it_has_not_are_refused(tmp_path, options):
    with pytest.raises(errors.ConfigurationError, match="no column 'z': found time, x, y, label"):
        windows(open_table(write(tmp_path / "a.csv")), 2, **options)


@pytest.mark.parametrize(
    ("content", "names"),
    [('"a (x, y, z)";b\n1;2\n', ("a (x, y, z)", "b")), ('"a\nb",c\n1,2\n', ("a\nb", "c")), ("a\n1\n", ("a",))],
)
def test_quoted_names_hold_any_character(tmp_path, content, names):
    path = tmp_path / "a.csv"
    path.write_text(content)
    with open_table(path) as rows:
        assert rows.columns == names
        assert [list(row.x.values()) for row in rows] == [["1", "2"][: len(names)]]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([10**15], pa.timestamp("s")), "too large"),
        (pa.array([10**17], pa.int64()).cast(pa.date64(), safe=False), "magnitude"),
        (pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff\xfe"]).buffers()), "expected text in utf-8"),
    ],
)
def test_a_column_that_python_cannot_hold_is_refused_if_it_is_read(tmp_path, column, message):
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"x.y": [1.0], "other": column}), path)
    assert [row.x for row in open_table(path, ("x.y",))] == [{"x.y": 1.0}]
    with pytest.raises(errors.DamagedFileError, match=f"a.parquet: not a table .*{message}"):
        list(open_table(path))


def test_two_columns_of_one_name_are_refused(tmp_path):
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), path)
    with pytest.raises(errors.DamagedFileError, match=r"a.parquet: two columns of one name in a, a"):
        open_table(path)


def test_a_table_in_parts_is_a_glob(tmp_path):
    write(tmp_path / "part-0.parquet")
    with pytest.raises(
        errors.SourceNotFoundError, match=r"expected a CSV or Parquet file, or a glob such as 'logs/\*.csv'"
    ):
        open_table(tmp_path)
    with open_table(tmp_path / "part-*.parquet") as rows:
        assert len([*rows]) == len(ROWS)


def test_a_name_that_is_too_long_is_of_no_file():
    with pytest.raises(errors.SourceNotFoundError, match="no file at xxx"):
        open_table("x" * 5000)


@pytest.mark.parametrize(
    ("content", "options", "error", "message"),
    [
        ("x,y\n1,2\n", {"columns": ["z"]}, errors.ConfigurationError, "a.csv: no column 'z': found x, y"),
        ("", {}, errors.DamagedFileError, "a.csv: it holds no table"),
        ("x,x\n1,2\n", {}, errors.DamagedFileError, "a.csv: two columns of one name in x, x"),
        ("x,y\n1,2,3\n1,2,3\n", {}, errors.DamagedFileError, "a.csv: row 1 has more values than 2 columns"),
        ('x,y\n1,"2\n', {}, errors.DamagedFileError, "a.csv: not a table"),
        (b"x,y\n\xff\xfe,2\n", {}, errors.DamagedFileError, r"a.csv: not a table \(expected text in utf-8\)"),
        ("x,y\n1,2\n".encode("utf-16"), {}, errors.DamagedFileError, r"a.csv: not a table \(expected text in utf-8\)"),
        ("x,y\n1,2\n", {"columns": "xy"}, errors.ConfigurationError, "columns='xy': expected a list of names"),
        ("x,y\n1,2\n", {"columns": []}, errors.ConfigurationError, r"columns=\[\]: expected a list of names"),
        ("x,y\n1,2\n", {"columns": iter("xy")}, errors.ConfigurationError, "columns=.*: expected a list of names"),
        (
            gzip.compress(b"x,y\n1,2\n" * 50, mtime=0)[:-4],
            {},
            errors.DamagedFileError,
            r"a.csv: not a table \(Compressed file ended",
        ),
        (b"\x1f\x8b and no more", {}, errors.DamagedFileError, "a.csv: not a table"),
        (b"PAR1 and then nothing", {}, errors.DamagedFileError, "a.csv: not a table"),
        (None, {}, errors.SourceNotFoundError, "no file at .*a.csv"),
    ],
)
def test_what_is_no_such_table_is_refused(tmp_path, content, options, error, message):
    path = tmp_path / "a.csv"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(error, match=message):
        list(open_table(path, **options))


def test_one_that_is_left_open_as_the_interpreter_exits_ends_in_silence(tmp_path, monkeypatch):
    rows = open_table(write(tmp_path / "a.csv"))
    next(rows)
    monkeypatch.setattr(_table_files, "csv", None)  # as names of modules are by then
    rows.close()


def test_spaces_around_values_and_names_do_not_count(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time , x , activity \n2026-01-01 00:00:00 , 1.5 , rest \n2026-01-01 00:00:01\t, ,rest\n")
    with windows(open_table(path), 2, time="time", label="activity", columns=["x"]) as samples:
        (sample,) = samples
    assert (sample.x.tolist(), sample.y, sample.t) == ([[1.5, 1.5]], "rest", 20_454 * 86_400)


@pytest.mark.parametrize(
    ("torn", "problem"), [("1,2,3", "row 2 has more values than 2 columns"), ("\0\0\0" + "5,6", "row 2 has NUL bytes")]
)
def test_rows_that_were_torn_as_power_was_cut_are_left_out_and_counted(tmp_path, caplog, torn, problem):
    path = tmp_path / "a.csv"
    path.write_text(f"x,y\n1,2\n{torn}\n{torn}\n3,4\n")
    with open_table(path) as rows:
        assert [row.x for row in rows] == [{"x": "1", "y": "2"}, {"x": "3", "y": "4"}]
        assert rows.stats.corrupt == 2
    assert [record.getMessage() for record in caplog.records] == [f"{path}: {problem}; such rows are left out"]


def test_names_that_come_again_are_no_row(tmp_path, caplog):
    path = tmp_path / "a.csv"
    path.write_text("x, y,\nx,y,\n1,2,\nx, y,\n3,4,\n")
    with open_table(path) as rows:
        assert [row.x for row in rows] == [{"x": "1", "y": "2"}, {"x": "3", "y": "4"}]
        assert rows.stats.corrupt == 2
    assert caplog.messages == [f"{path}: row 1 has the names once more; such rows are left out"]
    path.write_text("5,6\n0,1\n")  # which are the names of columns without one
    with open_table(path) as rows:
        assert len([*rows]) == 2


@pytest.mark.parametrize("unfinished", ["3", "3,4", '3,"4', '"3', '3,"4\t,"'])
def test_a_last_row_that_is_being_written_is_left_out_until_it_is_whole(tmp_path, caplog, unfinished):
    path = tmp_path / "log.csv"
    path.write_text(f"time,x,y\n1,2,3\n2,3,4\n{unfinished}")
    with open_table(path) as rows:
        assert [row.x["time"] for row in rows] == ["1", "2"]
        assert rows.stats.corrupt == 1
    assert [record.message for record in caplog.records] == [
        f"{path}: row 3 has no line end, and not all of its values; such rows are left out"
    ]
    path.write_text("time,x,y\n1,2,3\n2,3,4\n3,4,5")
    with open_table(path) as rows:
        assert [row.x["time"] for row in rows] == ["1", "2", "3"]


def test_a_quote_that_is_open_for_many_lines_is_no_row_that_is_being_written(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text('x,y\n1,2\n3,"4\n5,6\n7,8')
    with pytest.raises(errors.DamagedFileError, match="unexpected end of data"), open_table(path) as rows:
        list(rows)


@pytest.mark.parametrize("beginning", ["", "a,b\n1,2\n"])
def test_a_line_that_has_no_end_is_not_read_whole(tmp_path, monkeypatch, beginning):
    monkeypatch.setattr(_table_files, "_LONGEST_LINE", 100)
    (tmp_path / "a.csv").write_text(beginning + "x" * 1000)
    with pytest.raises(errors.DamagedFileError, match=r"a\.csv: not a table \(a line of more than 100 characters\)"):
        list(open_table(tmp_path / "a.csv"))


def test_text_that_many_rows_share_is_read_a_few_rows_at_a_time(tmp_path, monkeypatch):
    """It lies once in the file, in some compressed bytes, and in memory for each row."""
    monkeypatch.setattr(_table_files, "_MOST_TEXT", 1 << 24)
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 100, pa.int32()), pa.array(["a" * (1 << 21)]))
    parquet.write_table(
        pa.table({"note": text, "x": range(100)}), tmp_path / "walk.parquet", dictionary_pagesize_limit=1 << 24
    )
    before = pa.total_allocated_bytes()
    with open_table(tmp_path / "walk.parquet") as rows:
        assert len(next(rows).x["note"]) == 1 << 21
        assert pa.total_allocated_bytes() - before < 1 << 26
        assert sum(1 for _ in rows) == 99
