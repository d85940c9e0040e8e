"""Every example runs as it stands, in a reduced form; the figures it gives here mean nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from forked import run_program

import hebbstream as hs

FOLDER = Path(__file__).parent.parent / "examples"
REDUCED = {
    "accelerometer": ("--limit 300", ["single rows", "features that learn", "features as drawn", "Accuracy: "]),
    "compare_with_river": ("--limit 30", ["128 features", "LinearProbe slda", "SoftmaxRegression", "KNN"]),
    "machine_sound": ("--limit 12 --learn 6", ["6.0 s", "deviations"]),
    "river_images": (
        "--limit 60",
        ["SoftHebbTransformer", "the pipeline: Accuracy: ", "repeating the last label: Accuracy: "],
    ),
    "video_with_sound": ("--limit 2", ["seen", "heard", "both", "of 2 seconds"]),
    "river_tabular": ("--limit 60 --neurons 8", ["8 features", "ImageSegments", "Phishing", "Bananas"]),
}


@pytest.fixture
def run(tmp_path):
    """Run as a reader would, but in a folder of its own, with warnings as errors, and without HEBBSTREAM_DATA unless given."""

    def call(name, *arguments, **environment):
        program = FOLDER / f"{name}.py"
        return run_program(
            program, *arguments, folder=tmp_path, cwd=tmp_path, without=["HEBBSTREAM_DATA"], **environment
        )

    return call


def test_every_example_is_run_here():
    assert sorted(REDUCED) == sorted(path.stem for path in FOLDER.glob("*.py"))


@pytest.mark.parametrize("name", REDUCED)
def test_an_example_prints_what_it_says(run, name):
    arguments, expected = REDUCED[name]
    done = run(name, *arguments.split())
    assert done.returncode == 0, done.stderr
    for text in expected:
        assert text in done.stdout
    assert " nan" not in done.stdout


@pytest.mark.parametrize("name", REDUCED)
def test_an_example_explains_itself(run, name):
    done = run(name, "--help")
    assert done.returncode == 0, done.stderr
    assert "--limit N" in done.stdout
    assert "Prints" in done.stdout


def test_the_accelerometer_may_be_of_one_person(run, tmp_path):
    lines = [f"{k / 20},{k % 7},9.8,{k % 3},{('rest', 'walk')[k // 50 % 2]}" for k in range(60)]
    (tmp_path / "walk.csv").write_text("time,x,y,z,activity\n" + "\n".join(lines))
    done = run("accelerometer", "walk.csv")
    assert done.returncode == 0, done.stderr


def test_a_machine_that_is_heard_too_shortly_is_not_passed_over_in_silence(run):
    short = run("machine_sound", "--limit", 5, "--learn", 6)
    assert short.returncode == 1
    assert short.stderr.startswith("machine.wav: nothing came after the 6 seconds that are normal")
    none = run("machine_sound", "--learn", 0)
    assert none.returncode == 2
    assert none.stderr.splitlines()[-1].endswith(
        "argument --learn: 0: expected 4 seconds or more, half of them to see what varies"
    )


def test_mnist_is_compared_where_it_is(run):
    missing = run("compare_with_river", "--data", "mnist")
    assert missing.returncode == 2
    assert missing.stderr.splitlines()[-1].endswith("HEBBSTREAM_DATA is not set: expected the folder that holds mnist/")
    data = os.environ.get("HEBBSTREAM_DATA")
    if data is None:
        pytest.skip("HEBBSTREAM_DATA is not set")
    done = run("compare_with_river", "--data", "mnist", "--limit", "30", HEBBSTREAM_DATA=data)
    assert done.returncode == 0, done.stderr
    assert "128 features" in done.stdout


def test_a_site_learns_in_one_process_as_in_many(run, tmp_path):
    site = (FOLDER / "site" / "site.toml").read_text().replace("site.safetensors", str(tmp_path / "site.safetensors"))
    (tmp_path / "site.toml").write_text(site)
    started = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    for position in ("20", "40"):
        done = run("site/learn", "--site", tmp_path / "site.toml", "--limit", 20, **started)
        assert done.returncode == 0, done.stderr
        assert "1 processes: learned 20 samples" in done.stdout
        assert hs.load(tmp_path / "site.safetensors").samples_seen == int(position)


def test_a_site_is_read_as_utf_8_whatever_the_system_takes_for_text(tmp_path):
    """As Windows, which has another encoding."""
    (tmp_path / "site.toml").write_text("# für die Küche: [run] is missing", encoding="utf-8")
    command = [sys.executable, FOLDER / "site" / "learn.py", "--site", tmp_path / "site.toml"]
    other = os.environ | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = subprocess.run(command, env=other, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == "KeyError: 'run'"
