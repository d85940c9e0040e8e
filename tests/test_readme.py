import re
from pathlib import Path

import pytest
from forked import run_program

from hebbstream.cli._parser import make_parser

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_the_readme_is_read_in_a_minute():
    assert len(README.splitlines()) <= 60


def test_the_program_in_the_readme_runs_and_prints_what_stands_there(tmp_path):
    (program,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    (printed,) = re.findall(r"```text\n(.*?)```", README, flags=re.DOTALL)
    assert len([line for line in program.splitlines() if line and "import" not in line]) <= 6
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    done = run_program(tmp_path / "program.py", folder=tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run.safetensors").exists()
    assert without_times(done.stdout) == without_times(printed)


def without_times(text):
    """Leave out what differs from machine to machine: seconds, and samples a second."""
    return re.sub(r" in [\d.]+ s \(\d+ a second\)", "", text)


def test_pictures_and_files_named_in_the_readme_exist():
    for target in re.findall(r"\]\(((?!http)[^)#]+)\)", README):
        assert (Path(__file__).parent.parent / target).exists(), target


def test_no_command_of_the_readme_is_missing():
    parser = make_parser()
    named = set(re.findall(r"^    hebbstream (\w+)", README, flags=re.MULTILINE))
    assert len(named) == 5
    for name in named:
        with pytest.raises(SystemExit) as ended:
            parser.parse_args([name, "--help"])
        assert ended.value.code == 0
