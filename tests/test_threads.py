"""Threads wait briefly where hebbstream comes before torch, and as the user says where the user says so."""

import importlib
import os
import platform
import subprocess
import sys

import pytest

from hebbstream import _threads as threads

CLEAN = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}


@pytest.mark.parametrize(
    ("imported", "environment", "takes_effect"),
    [
        (False, {}, True),
        (True, {}, False),
        (False, {"GOMP_SPINCOUNT": "7"}, False),
        (False, {"OMP_WAIT_POLICY": "passive"}, False),
    ],
    ids=["default", "torch first", "own spin count", "own policy"],
)
def test_the_default_steps_back_for_the_user(monkeypatch, imported, environment, takes_effect):
    seen = []
    monkeypatch.setattr(os, "environ", CLEAN | environment)
    monkeypatch.setattr(importlib, "import_module", lambda name: seen.append((name, os.environ.get("GOMP_SPINCOUNT"))))
    if not imported:
        monkeypatch.delitem(sys.modules, "torch")
    assert threads.import_torch() is takes_effect
    assert os.environ == CLEAN | environment
    assert seen == ([("torch", "1000")] if takes_effect else [])


@pytest.mark.skipif(platform.system() != "Linux", reason="GNU OpenMP comes with torch's Linux packages")
def test_openmp_takes_the_spin_count():
    code = "import hebbstream as hs; print(hs._threads.SHORT_SPIN)"
    environment = CLEAN | {"OMP_DISPLAY_ENV": "VERBOSE"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
    if "GOMP_SPINCOUNT" not in done.stderr:
        pytest.skip("this torch does not use GNU OpenMP")
    assert "GOMP_SPINCOUNT = '1000'" in done.stderr
