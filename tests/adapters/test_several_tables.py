"""Tables of a glob, one after another."""

import errno
from pathlib import Path

import pandas as pd
import pytest
import torch

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters import _table_files
from hebbstream.adapters.tables import open_table
from hebbstream.streams import windows


def write(folder, *names, rows=4, columns="x,y"):
    for name in names:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        begin = int("".join(filter(str.isdigit, name))) * 100
        lines = [",".join(f"{begin + row + place / 10}" for place in range(2)) for row in range(rows)]
        path.write_text("\n".join([columns, *lines, ""]))


def test_files_come_in_the_order_of_their_names_and_no_window_reaches_across(tmp_path):
    write(tmp_path, "day2.csv", "day1.csv", rows=5)
    pd.DataFrame({"y": [300.1, 301.1], "z": 0, "x": [300, 301]}).to_parquet(tmp_path / "day3.parquet")
    with windows(open_table(tmp_path / "day*"), 2) as stream:
        found = [(sample.source, sample.x[0].tolist()) for sample in stream]
    assert stream.columns == ("x", "y")
    assert found == [
        ("day1.csv", [100, 101]),
        ("day1.csv", [102, 103]),
        ("day2.csv", [200, 201]),
        ("day2.csv", [202, 203]),
        ("day3.parquet", [300, 301]),
    ]


def test_files_of_one_name_are_told_apart(tmp_path):
    write(tmp_path, "1/log.csv", "2/log.csv", rows=3)
    with windows(open_table(tmp_path / "**" / "*.csv"), 2) as stream:
        assert [sample.source for sample in stream] == [str(tmp_path / day / "log.csv") for day in "12"]


def test_a_resumed_run_learns_the_files_that_were_added(tmp_path):
    learner = hs.Learner(hs.SoftHebbNet.from_preset("signal", in_channels=2, width=4))
    for name, learned in ("1.csv", 2), ("2.csv", 2), ("3.csv", 2):
        write(tmp_path, name, rows=40)
        with windows(open_table(tmp_path / "*.csv"), 20) as stream:
            assert learner.learn(stream, resume=True, progress=False).samples == learned


def test_a_file_that_has_grown_is_not_known_among_others(tmp_path):
    """Rows in the midst would shift what is passed over."""
    write(tmp_path, "1.csv", "2.csv", rows=20_000)
    before = open_table(tmp_path / "*.csv").fingerprint
    write(tmp_path, "1.csv", rows=20_001)
    assert open_table(tmp_path / "*.csv").fingerprint != before


def test_the_last_file_may_grow_and_others_come_after_it(tmp_path, caplog):
    """As a logger writes: one file a day, the last of which is not whole yet."""

    def add(name, first, count):
        with (tmp_path / name).open("a") as file:
            file.writelines(f"{row / 7:.12f},{row % 7:.12f}\n" for row in range(first, first + count))

    def learn(learner):
        with windows(open_table(tmp_path / "*.csv"), 100) as stream:
            return learner.learn(stream, resume=True, progress=False).samples

    def new():
        return hs.Learner(hs.SoftHebbNet.from_preset("signal", in_channels=2, width=4))

    hourly, at_once, learned = new(), new(), []
    for name, first, count in ("1", 0, 3000), ("1", 3000, 500), ("2", 0, 3000), ("2", 3000, 450), ("3", 0, 2500):
        add(f"{name}.csv", first, count)
        learned.append(learn(hourly))
    add("3.csv", 2500, 200)
    add("4.csv", 0, 100)
    learned.append(learn(hourly))
    assert learned == [30, 5, 30, 4, 25, 3]
    assert learn(hourly) == 0
    assert not caplog.records
    assert learn(at_once) == sum(learned)
    assert all(map(torch.equal, hourly.net.state_dict().values(), at_once.net.state_dict().values()))
    assert len(hourly.recordings) == 4  # one for each number of files
    add("1.csv", 3500, 100)
    assert learn(hourly) == 98 - 35  # of the first file, what is new alone
    assert "are learned again" in caplog.text


def test_one_without_a_column_is_told_before_anything_is_read(tmp_path):
    write(tmp_path, "1.csv", "2.csv")
    write(tmp_path, "3.csv", columns="x,Y")
    with pytest.raises(
        errors.ConfigurationError,
        match=r"3.csv: no column 'y': found x, Y; .*1.csv has it: name the columns of all files",
    ):
        open_table(tmp_path / "*.csv")
    with windows(open_table(tmp_path / "*.csv", ["x"]), 4) as stream:
        assert [sample.x.tolist() for sample in stream][2] == [[300, 301, 302, 303]]


def test_a_glob_without_files_is_refused(tmp_path):
    with pytest.raises(
        errors.SourceNotFoundError, match=r"no file at .*\*.csv: expected a CSV or Parquet file, or a glob"
    ):
        open_table(tmp_path / "*.csv")


@pytest.mark.parametrize(
    ("number", "kind", "message"),
    [
        (
            errno.EMFILE,
            errors.StreamError,
            "1.csv: it cannot be read \\(.*: a glob, such as 'logs/\\*.csv', reads one after another\\)",
        ),
        (errno.EACCES, errors.SourcePermissionError, "1.csv: it cannot be read"),
    ],
)
def test_a_file_that_cannot_be_opened_is_told_in_a_line(tmp_path, monkeypatch, number, kind, message):
    write(tmp_path, "1.csv")

    def refuse(*_):
        raise OSError(number, "refused")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(kind, match=message):
        open_table(tmp_path / "1.csv")


def test_files_one_by_one_are_told_in_a_line_wherever_there_are_too_many(tmp_path):
    resource = pytest.importorskip("resource")
    write(tmp_path, "1.csv")
    opened, before = [], resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len([*Path("/dev/fd").iterdir()])
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 5, before[1]))
    try:
        with pytest.raises(errors.StreamError, match="reads one after another"):
            opened.extend(open_table(tmp_path / "1.csv") for _ in range(20))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    for table in opened:
        table.close()


def test_files_that_are_damaged_are_passed_over_and_those_added_are_learned_all_the_same(tmp_path, caplog):
    learner = hs.Learner(hs.SoftHebbNet.from_preset("signal", in_channels=2, width=4))
    write(tmp_path, "1.csv", rows=40)
    (tmp_path / "0.csv").touch()  # as a recorder leaves it that has just begun
    for name, learned in (("2.csv", 4), ("3.csv", 2)):
        write(tmp_path, name, rows=40)
        with windows(open_table(tmp_path / "*.csv"), 20) as stream:
            assert learner.learn(stream, resume=True, progress=False).samples == learned
            assert stream.stats.failed == 1
    assert f"skipped: {tmp_path / '0.csv'}: it holds no table" in caplog.messages
    with open_table(tmp_path / "*.csv") as rows:
        (tmp_path / "2.csv").unlink()
        assert len([*rows]) == 80
        assert rows.stats.failed == 2
    (tmp_path / "9.csv").touch()
    with open_table(tmp_path / "[39].csv") as rows:
        assert len([*rows]) == 40
    with pytest.raises(errors.DamagedFileError, match=r"9\.csv: it holds no table"):
        open_table(tmp_path / "[09].csv")


def test_a_disk_that_fails_midway_is_told_in_a_line(tmp_path, monkeypatch):
    write(tmp_path, "1.csv")

    def fail(_):
        raise OSError(errno.EIO, "Input/output error")

    with open_table(tmp_path / "1.csv") as rows:
        monkeypatch.setattr(_table_files._Lines, "__next__", fail)
        with pytest.raises(errors.StreamError, match=r"1\.csv: it cannot be read"):
            list(rows)


def test_what_is_wrong_with_a_file_says_which_of_those_of_one_name_and_where_in_it(tmp_path, caplog):
    write(tmp_path, "1/log.csv", "2/log.csv", rows=12)
    second = tmp_path / "2" / "log.csv"
    lines = second.read_text().splitlines()
    lines[6], lines[9] = "1,2", "0,off"
    second.write_text("\n".join([*lines, ""]))
    for source in (tmp_path / "*" / "log.csv", second):
        with (
            windows(open_table(source), 2, time="x", columns=["y"]) as stream,
            pytest.raises(errors.InputError, match=f"^row 9 of {second}: column 'y' is 'off'"),
        ):
            list(stream)
        assert [record.message.partition(" goes")[0] for record in caplog.records] == [f"{second}: time"]
        caplog.clear()
