"""Processes that start fast: forked from one that has imported everything, and computed nothing."""

import multiprocessing
import os
import runpy
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

_IMPORTED = [
    "pytest",
    "hebbstream",
    "hebbstream.adapters.river",
    "hebbstream.adapters.video",
    "hebbstream.rule._kernels",  # and with them numba
    "matplotlib.figure",
    "torch._dynamo",  # torch.optim needs it, and sympy
]

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(_IMPORTED)


@dataclass(frozen=True)
class Done:
    """How a program ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def run_program(name, *arguments, folder, cwd=None, without=(), **environment):
    """Run a module (`a.b`) or a file (`a/b.py`) as a command does, with warnings as errors.

    Its output passes through files in `folder`. Environment variables named in `without` are taken away.
    """
    environment = {key: value for key, value in os.environ.items() if key not in without} | environment
    printed = [Path(folder) / "stdout", Path(folder) / "stderr"]
    process = processes.Process(target=_run, args=(str(name), list(map(str, arguments)), printed, cwd, environment))
    process.start()
    process.join()
    return Done(process.exitcode, *(path.read_text() for path in printed))


def _run(name, arguments, printed, cwd, environment):
    for number, path in enumerate(printed, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.environ.clear()
    os.environ.update(environment)
    if cwd is not None:
        os.chdir(cwd)
        sys.path.insert(0, str(cwd))
    warnings.simplefilter("error")
    sys.argv = [name, *arguments]
    if name.endswith(".py"):
        runpy.run_path(name, run_name="__main__")
    else:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
