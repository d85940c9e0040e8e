"""Compiled kernels are there after a fork, and whatever numba does; why they are not is said aloud."""

import importlib
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from forked import run_program

import hebbstream as hs
from hebbstream.cli._main import main
from hebbstream.rule import _fast as fast

pytestmark = pytest.mark.skipif(bool(fast.reason()), reason=fast.reason())


@pytest.fixture
def load(monkeypatch, tmp_path, caplog):
    """Load kernels, of which each attempt does what it is told, into a folder of the test."""
    caplog.set_level(logging.WARNING, "hebbstream.rule")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kept"))
    real = importlib.import_module

    def call(*attempts):
        left = iter(attempts)
        kernels = "hebbstream.rule._kernels"
        monkeypatch.setattr(importlib, "import_module", lambda name: next(left)() if name == kernels else real(name))
        loader = fast._Loader()
        loader._load()
        assert list(left) == []
        return loader

    return call


def fails():
    raise EOFError("Ran out of input")


def test_a_fork_waits_until_kernels_are_loaded(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import os, time\n"
        "from hebbstream.rule import _fast as fast\n"
        "fast._LOADER._load = lambda: (time.sleep(0.2), setattr(fast._LOADER, 'module', 'kernels'))\n"
        "fast.prepare()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(fast._LOADER.module is None)\n"
        "print(os.waitpid(child, 0)[1])\n"
    )
    done = run_program(program, folder=tmp_path)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_a_forked_process_learns_with_one_thread_where_its_parent_used_several(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import multiprocessing, warnings\n"
        "import torch\n"
        "import hebbstream as hs\n"
        "warnings.simplefilter('ignore', DeprecationWarning)\n"  # of a fork beside threads, which is what happens here
        "def learned(seed):\n"
        "    net = hs.SoftHebbNet.from_preset('cifar10', width=4, seed=seed)\n"
        "    return hs.learn(net, torch.rand(20, 3, 32, 32), progress=False).samples\n"
        "torch.set_num_threads(2)\n"
        "torch.rand(999, 999).exp(), learned(0)\n"
        "with multiprocessing.get_context('fork').Pool(2, torch.set_num_threads, (1,)) as pool:\n"
        "    print(pool.map_async(learned, range(2)).get(60))\n"
    )
    done = run_program(program, folder=tmp_path)
    assert (done.stdout, done.stderr) == ("[20, 20]\n", "")


def test_a_fork_by_what_the_kernels_wait_for_does_without_them(monkeypatch):
    monkeypatch.setattr(fast, "_FORK_PATIENCE", 0.01)
    loader, go_on = fast._Loader(), threading.Event()
    monkeypatch.setattr(loader, "_load", go_on.wait)
    loader.start()
    try:
        loader.before_fork()
        loader.after_in_child()
        assert loader.wait() is None
        assert "forked before" in loader.reason
    finally:
        go_on.set()


def test_a_fork_by_the_thread_that_loads_does_not_wait_for_itself(monkeypatch):
    loader, passed = fast._Loader(), []
    monkeypatch.setattr(loader, "_load", lambda: passed.append(loader.before_fork()))
    loader.start()
    loader._thread.join()
    assert passed == [None]


def test_kernels_are_not_compiled_for_less_than_the_processor_has(tmp_path):
    """LLVM would end the process."""
    command, environment = [sys.executable, "-m", "hebbstream", "info"], os.environ | {"NUMBA_CPU_NAME": "generic"}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0
    for said in (done.stdout, done.stderr):
        assert "numba compiles for less than this processor has: do not set NUMBA_CPU_NAME" in said


def test_damaged_kernels_are_compiled_anew(load, tmp_path, caplog):
    def meets_damage():
        (folder,) = (tmp_path / "kept").iterdir()
        (folder / "_update_kernels.update-1.py311.nbi").touch()
        (folder / "of_others.nbi").touch()
        fails()

    def finds_no_damage():
        assert [path.name for path in (tmp_path / "kept").rglob("*.nbi")] == ["of_others.nbi"]
        return "kernels"

    assert load(meets_damage, finds_no_damage).module == "kernels"
    assert "were damaged, and have been compiled anew: EOFError('Ran out of input')" in caplog.text


def test_where_numba_can_write_nowhere_kernels_are_compiled_for_this_process(load, monkeypatch, caplog):
    caching, config = importlib.import_module("numba.core.caching"), importlib.import_module("numba.core.config")
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    folders = []

    def compiles():
        folders.append(Path(config.CACHE_DIR))
        assert folders[0].is_dir()
        return "kernels"

    assert load(compiles).module == "kernels"
    assert not folders[0].exists()
    assert "set NUMBA_CACHE_DIR to a folder" in caplog.text


def test_the_log_says_that_kernels_are_compiled_and_why_there_are_none(load, tmp_path, caplog):
    why = "no compiled kernels, so each step takes longer: numba failed: Ran out of input"
    assert load(fails).reason == "numba failed: Ran out of input"
    assert caplog.messages == ["compiling kernels for this processor: this takes up to a minute, and only once", why]
    caplog.clear()
    (folder,) = (tmp_path / "kept").iterdir()
    (folder / "_update_kernels.update-1.py311.nbi").touch()
    assert load(lambda: "kernels").module == "kernels"
    assert caplog.messages == []


def test_a_network_that_is_read_to_be_looked_at_or_exported_needs_none(tmp_path, monkeypatch, capsys):
    path = tmp_path / "run.safetensors"
    hs.Learner(hs.SoftHebbNet.from_preset("mnist", width=4)).save(path)
    for name in ("prepare", "kernels"):
        monkeypatch.delattr(fast, name)
    for command in (["inspect", str(path)], ["export", str(path), str(tmp_path / "net.onnx"), "--size", "28"]):
        assert main(command) == 0, capsys.readouterr().err
