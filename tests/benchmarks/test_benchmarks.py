"""Every benchmark runs, in a reduced form; the figures it gives here mean nothing."""

import json
from pathlib import Path

import pytest
from forked import run_program

ROOT = Path(__file__).parents[2]
REDUCED = {
    "step": "--presets cifar10 mnist-dense --width 8 --batches 1 2 --seconds 0.1",
    "breakdown": "--width 8 --batches 1 2 --steps 10",
    "video": "--widths 8 --limit 30 --rounds 1",
    "pipeline": "--widths 8 --frames 10 --rounds 1",
    "soak": "--samples 60 --every 10",
    "checkpoints": "--widths 8 --seconds 0.05",
    "probes": "--features 64 --dimensions 16 --seconds 0.1",
    "gpu": "--device cpu --width 8 --batches 1 2 --seconds 0.05",
}


@pytest.fixture
def run(tmp_path):
    def call(name, *arguments):
        return run_program(f"benchmarks.{name}", *arguments, folder=tmp_path, cwd=ROOT, without=["HEBBSTREAM_DATA"])

    return call


@pytest.mark.parametrize("name", REDUCED)
def test_a_benchmark_writes_its_result_and_picture(run, name, tmp_path):
    output = tmp_path / "result.json"
    done = run(name, *REDUCED[name].split(), "--output", output)
    assert done.returncode == 0, done.stderr
    result = json.loads(output.read_text())
    assert {"processor", "threads", "torch", "commit", "date", "command"} <= result["machine"].keys()
    assert str(output) in done.stdout
    if f"picture {output.with_suffix('.png')}" in done.stdout:
        assert output.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    else:
        assert name in ("pipeline", "gpu", "checkpoints", "probes")  # tables
    if name == "pipeline":
        assert all(row["weights_equal_sequential_1_thread"] for row in result["engines"] if "1 thread" in row["engine"])


@pytest.mark.parametrize("name", ["drift", "events", "online_labels", "scaling", "streams", "threads"])
def test_the_long_ones_say_what_they_do(run, name):
    done = run(name, "--help")
    assert done.returncode == 0, done.stderr
    assert "--output FILE" in done.stdout


def test_without_data_a_benchmark_says_what_to_set(run, tmp_path):
    done = run("events", "--output", tmp_path / "result.json")
    assert done.returncode == 1
    assert done.stderr.startswith("HEBBSTREAM_DATA is not set")


def test_labels_online_by_every_measure(data, tmp_path):
    output = tmp_path / "labels.json"
    options = "--data mnist --width quarter --samples 70 --epochs 1 --dimensions 16 --capacity 20 --decay"
    solvers = ["gradient, SGD", "slda, 16 dimensions"]
    done = run_program(
        "benchmarks.online_labels", *options.split(), "--only", *solvers, "--output", output, folder=tmp_path, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(output.read_text())["data"]["mnist"]
    for solver in solvers:
        row = found[solver]
        turns = row["two classes at a time, features learning, replay"]
        assert 0 <= row["single pass, features learning, replay"] <= 1
        assert turns["average accuracy"] != row["two classes at a time, features learning"]["average accuracy"]
        assert len(found["few shots"][solver]["found"]) == len(found["few shots"]["shots"])
