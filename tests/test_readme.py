import json
import re
import shlex
from pathlib import Path

import numpy as np
from clips import write_clip
from forked import run_program

from hebbstream.cli._main import main

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


COMMANDS = re.findall(r"^    hebbstream (.*)", README, flags=re.MULTILINE)


def test_the_readme_is_read_in_a_minute():
    assert len(README.splitlines()) <= 70


def test_the_program_in_the_readme_runs_and_prints_what_stands_there(tmp_path):
    (program,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    (printed,) = re.findall(r"```text\n(.*?)```", README, flags=re.DOTALL)
    assert len([line for line in program.splitlines() if line and "import" not in line]) <= 6
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    done = run_program(tmp_path / "program.py", folder=tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (written,) = tmp_path.glob("*.safetensors")
    assert written.name not in " ".join(COMMANDS)  # which begin with a network of their own
    assert without_times(done.stdout) == without_times(printed)


def without_times(text):
    """Leave out what differs from machine to machine: seconds, and samples a second."""
    return re.sub(r" in [\d.]+ s \(\d+ a second\)", "", text)


def test_pictures_and_files_named_in_the_readme_exist():
    for target in re.findall(r"\]\(((?!http)[^)#]+)\)", README):
        assert (Path(__file__).parent.parent / target).exists(), target


def test_the_commands_of_the_readme_run_one_after_another(tmp_path, monkeypatch):
    assert len({command.split()[0] for command in COMMANDS}) == 5
    dark, light = np.full((48, 64, 3), 40, np.uint8), np.full((48, 64, 3), 200, np.uint8)
    write_clip(tmp_path / "video.mp4", [dark, light] * 6, rate=1)
    segments = [{"start": second, "label": ("dark", "light")[second % 2]} for second in range(12)]
    (tmp_path / "labels.json").write_text(json.dumps({"segments": segments}), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for command in COMMANDS:
        assert main(shlex.split(command)) == 0, command
