"""Run, store, page: what every benchmark and every table of the documentation goes through."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import overview
from benchmarks import page as command
from benchmarks.core import page, run, store, timing
from hebbstream.errors import ConfigurationError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A committed tree in the place of this one."""
    for arguments in (
        ["init", "--quiet"],
        ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--quiet", "--allow-empty", "--message", "begin"],
    ):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)  # noqa: S607
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "RESULTS", tmp_path / "benchmarks" / "results")
    run.tree.cache_clear()
    yield tmp_path
    run.tree.cache_clear()


def begin(*given):
    return run.begin(run.arguments("speed/step", "What it does."), list(map(str, given)))


def test_a_stored_result_is_of_committed_code(repository):
    earlier = repository / "benchmarks" / "results" / "speed" / "other.json"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("{}")
    options = begin()
    assert options.output == earlier.with_name("step.json")
    store.write(options.output, {"ms": 1.5})
    described = store.read(options.output)["machine"]
    assert {"processor", "torch", "commit", "date", "command"} <= described.keys()
    assert "uncommitted" not in described
    head = repository / ".git" / (repository / ".git" / "HEAD").read_text().removeprefix("ref: ").strip()
    assert head.read_text().startswith(described["commit"])


def test_an_uncommitted_tree_stores_nothing(repository):
    (repository / "layer.py").touch()
    with pytest.raises(SystemExit) as refused:
        begin()
    assert str(refused.value).startswith("not committed: layer.py; ")
    assert "\n" not in str(refused.value)
    with pytest.raises(SystemExit, match=r"not committed: layer.py; "):
        begin("--output", repository / "benchmarks" / "results" / "mine.json")


@pytest.mark.parametrize("given", [["--uncommitted"], ["--output", "elsewhere.json"]])
def test_an_uncommitted_tree_can_be_tried_out_and_is_marked(repository, given, monkeypatch):
    (repository / "layer.py").touch()
    monkeypatch.chdir(repository)
    store.write(begin(*given).output, {})
    (written,) = repository.rglob("*.json")
    assert json.loads(written.read_text())["machine"]["uncommitted"] == ["layer.py"]


def test_without_a_repository_nothing_is_stored(repository):
    (repository / ".git").rename(repository / "git")
    with pytest.raises(SystemExit, match="no git repository"):
        begin()


def test_results_are_read_as_they_were_written(tmp_path, capsys):
    path = tmp_path / "new" / "step.json"
    assert store.read(path) == {}
    store.write(path, {"settings": {"width": 8}, "runs": [{"name": "größer", "ms": [0.1, None]}]})
    assert capsys.readouterr().out == f"result {path}\n"
    assert store.read(path)["runs"] == [{"name": "größer", "ms": [0.1, None]}]
    assert store.resume(tmp_path / "none.json", {"width": 8}) == {}


def test_a_measurement_that_is_stopped_keeps_the_rows_it_has(tmp_path):
    def rows():
        yield {"ms": 1}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.gather(tmp_path / "rows.json", rows(), {"width": 8}, "runs")
    found = store.read(tmp_path / "rows.json")
    assert (found["width"], found["runs"]) == (8, [{"ms": 1}])
    assert store.gather(tmp_path / "rows.json", [{"ms": 2}], {}) == [{"ms": 2}]


def test_a_run_that_goes_on_keeps_what_its_rows_are_of_and_says_that_they_are_kept(repository, capsys):
    path = repository / "rows.json"
    first = {"row": "a"}, lambda: {"ms": 1}
    store.complete(path, {"width": 8}, [first])
    described = store.read(path)["machine"]
    store.write(path, store.read(path) | {"machine": described | {"commit": "of before"}})
    capsys.readouterr()
    store.complete(path, {"width": 8}, [first, ({"row": "b"}, lambda: {"ms": 2})])
    assert capsys.readouterr().out.startswith(f"{path} has finished rows (1), which are kept: name another --output")
    found = store.read(path)
    assert found["rows"] == [
        {"row": "a", "ms": 1, "measured": described | {"commit": "of before"}},
        {"row": "b", "ms": 2},
    ]
    assert found["machine"]["commit"] == described["commit"]


def test_results_of_other_settings_are_not_written_over(tmp_path):
    path = tmp_path / "rows.json"
    store.complete(path, {"width": 8, "frames": None}, [({"row": "a"}, lambda: {"ms": 1})])
    before = path.read_bytes()
    with pytest.raises(SystemExit) as refused:
        store.complete(path, {"width": 9, "frames": None}, [({"row": "a"}, lambda: {"ms": 2})])
    assert str(refused.value) == f"{path} is of other settings (width 8, not 9): name another --output, or remove it"
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", ['{"rows": [', "[1]", "\udcff"])
def test_what_is_no_result_is_not_written_over(content, tmp_path):
    path = tmp_path / "rows.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    before = path.read_bytes()
    with pytest.raises(SystemExit) as refused:
        store.complete(path, {}, [({"row": "a"}, lambda: {"ms": 1})])
    assert str(refused.value).startswith(f"{path} is no result: expected ")
    assert path.read_bytes() == before


def test_every_stored_result_says_where_it_is_from():
    for path in run.RESULTS.rglob("*.json"):
        result = store.read(path)
        for described in [result["machine"]] if "machine" in result else [one["measured"] for one in result["runs"]]:
            assert {"processor", "torch", "commit", "date", "command"} <= described.keys(), path


def test_the_code_of_every_stored_result_can_be_found():
    shallow = subprocess.run(["git", "rev-parse", "--is-shallow-repository"], cwd=ROOT, capture_output=True, text=True)  # noqa: S607
    if shallow.stdout.strip() != "false":
        pytest.skip("no clone with its whole history")
    named = {
        commit.removesuffix("-dirty"): path.name
        for path in run.RESULTS.rglob("*.json")
        for measured in overview.measured(store.read(path))
        for commit in measured["commit"].split(", ")
    }
    command = ["git", "cat-file", "--batch-check"]
    done = subprocess.run(command, cwd=ROOT, input="\n".join(named), capture_output=True, text=True, check=True)
    found = dict(zip(named, done.stdout.splitlines(), strict=True))
    assert len(found) > 50
    assert {commit: named[commit] for commit, line in found.items() if " commit " not in line} == {}


TABLES = {"speed/step": lambda results: page.markdown(["ms"], [[results.name]])}
PAGE = "a\n<!-- table: speed/step -->\n{}<!-- end -->\nb\n"


def test_a_page_gets_its_tables_and_keeps_the_rest(tmp_path):
    target = tmp_path / "page.md"
    target.write_text(PAGE.format("| old |\n"))
    assert page.write_pages([target], TABLES, tmp_path / "results", check=True) == [target]
    assert target.read_text() == PAGE.format("| old |\n")
    assert page.write_pages([target], TABLES, tmp_path / "results") == [target]
    assert target.read_text() == PAGE.format("| ms |\n|---|\n| results |\n")
    assert page.write_pages([target], TABLES, tmp_path / "results", check=True) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PAGE.format("").replace("step", "stop"), "page.md: no table 'speed/stop': expected one of speed/step"),
        (PAGE.format("").replace("<!-- end -->", "") + PAGE.format(""), "'speed/step': expected <!-- end --> before"),
        (PAGE.format("").replace("<!-- end -->", ""), "1 tables begin, 0 end"),
    ],
)
def test_a_page_that_cannot_be_rendered_stays(text, message, tmp_path):
    target = tmp_path / "page.md"
    target.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        page.write_pages([target], TABLES, tmp_path)
    assert target.read_text() == text


def test_the_pages_show_the_stored_results(capsys):
    assert command.main(["--check"]) == 0, capsys.readouterr().out


def test_every_table_is_on_a_page():
    shown = "".join(path.read_text(encoding="utf-8") for path in (run.ROOT / "docs").rglob("*.md"))
    assert [name for name in command.TABLES if f"<!-- table: {name} -->" not in shown] == []


def test_no_two_tables_are_the_same():
    made = [render(run.RESULTS) for render in command.TABLES.values()]
    assert len(set(made)) == len(made)


def test_a_timed_call_follows_one_of_its_own_kind():
    made = []
    calls = {name: lambda name=name: made.append(name) for name in "ab"}
    timings = timing.alternate(calls, seconds=0, warm_up=0, least=2)
    assert "".join(made) == "aabbaabb"
    assert timings["a"].calls == 2


def test_ctrl_c_is_told_in_a_line():
    # Whoever runs the tests in the background of a shell ignores this signal.
    code = (
        "import os, signal, time; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "import benchmarks; os.kill(os.getpid(), signal.SIGINT); time.sleep(60)"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "interrupted\n")
    code = "import benchmarks; raise ValueError('torn')"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (1, "ValueError: torn")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--seeds", "0", "-1"], "--seeds: -1: expected a positive integer or 0"),
        (["--frames", "0"], "--frames: 0: expected a positive integer"),
        (["--rate", "-0.5"], "--rate: -0.5: expected 0 or a positive number"),
        (["--rate", "nan"], "--rate: nan: expected 0 or a positive number"),
        (["--output", "/dev/null/a.json"], "cannot write /dev/null/a.json: "),
    ],
)
def test_what_cannot_be_measured_or_stored_is_told_before_anything_is_measured(given, said, capsys):
    parser = run.arguments("quality/endless", "What it does.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--rate", type=float, default=0.0)
    with pytest.raises(SystemExit) as refused:
        run.begin(parser, ["--output", "/dev/null/never.json", *given])
    assert said in f"{refused.value}{capsys.readouterr().err}"


def test_a_second_process_does_not_write_over_the_rows_of_the_first(tmp_path):
    path = tmp_path / "rows.json"
    job = {"row": "a"}, lambda: {"ms": 1}
    store.complete(path, {}, [job])
    program = f"from pathlib import Path; from benchmarks.core import store; store.resume(Path({str(path)!r}), {{}})"
    second = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert second.stderr.startswith(f"another process adds rows to {path}: name another --output")
    assert store.complete(path, {}, [job]) == [{"row": "a", "ms": 1, "measured": store.read(path)["machine"]}]
