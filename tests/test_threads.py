"""Threads wait briefly where hebbstream comes before torch, and as the user says where the user says so."""

import os
import platform
import subprocess
import sys

import pytest

CLEAN = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}


def run(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code], env=CLEAN | environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip(), done.stderr


@pytest.mark.parametrize(
    ("first", "environment", "expected"),
    [
        ("", {}, "True"),
        ("import torch;", {}, "False"),
        ("", {"GOMP_SPINCOUNT": "7"}, "False"),
        ("", {"OMP_WAIT_POLICY": "passive"}, "False"),
    ],
    ids=["default", "torch first", "own spin count", "own policy"],
)
def test_the_default_steps_back_for_the_user(first, environment, expected):
    code = f"import os; before = dict(os.environ); {first} import hebbstream as hs; assert os.environ == before; "
    assert run(code + "print(hs.threads.SHORT_SPIN)", **environment)[0] == expected


@pytest.mark.skipif(platform.system() != "Linux", reason="GNU OpenMP comes with torch's Linux packages")
def test_openmp_takes_the_spin_count():
    _, said = run("import hebbstream", OMP_DISPLAY_ENV="VERBOSE")
    if "GOMP_SPINCOUNT" not in said:
        pytest.skip("this torch does not use GNU OpenMP")
    assert "GOMP_SPINCOUNT = '1000'" in said
