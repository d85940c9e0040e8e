import contextlib
import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import ramp, write_clip

from hebbstream.cli._main import main
from hebbstream.clip import CLIP

Run = Callable[..., tuple[Any, str, str]]


@pytest.fixture
def labels() -> Path:
    return CLIP.with_suffix(".json")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys) -> Run:
    """Run the command in an empty folder; give its exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse
            code = stop.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


LEARN = ("learn", CLIP, "--width", 4, "--size", 32, "--quiet")


@pytest.fixture
def learn(run) -> Run:
    """Learn from the bundled clip into run.safetensors."""
    return lambda *more: run(*LEARN, *more)


@pytest.fixture(scope="session")
def written(tmp_path_factory) -> Callable[..., Path]:
    """Give the folder of what a command writes, which runs once."""

    @functools.cache
    def call(*arguments):
        folder = tmp_path_factory.mktemp("written")
        with contextlib.chdir(folder):
            assert main([str(argument) for argument in arguments]) == 0
        return folder

    return call


@pytest.fixture
def given(run, written, tmp_path, capsys) -> Callable[..., None]:
    """Begin with what a command has written, which runs once for all tests that do."""

    def call(*arguments):
        folder = written(*arguments)
        capsys.readouterr()
        shutil.copytree(folder, tmp_path, dirs_exist_ok=True)

    return call


@pytest.fixture(scope="session")
def taught(written) -> Path:
    """A checkpoint with a probe."""
    return written(*LEARN, "--labels", CLIP.with_suffix(".json"), "--limit", 60) / "run.safetensors"


@pytest.fixture
def checkpoint(run, taught) -> Path:
    """The same, in the folder of the test."""
    return Path(shutil.copy(taught, "run.safetensors"))


@pytest.fixture
def clips(tmp_path) -> list[str]:
    """Three short clips of different lengths; the last is cut off."""
    folder = tmp_path / "clips"
    folder.mkdir()
    paths = [write_clip(folder / f"{name}.mp4", ramp(n), movflags="+faststart") for name, n in (("a", 12), ("b", 7))]
    pictures = np.random.default_rng(0).integers(0, 256, (20, 48, 64, 3), np.uint8)
    whole = write_clip(folder / "cut.mp4", pictures, movflags="+faststart")
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    return [str(path) for path in (*paths, whole)]
