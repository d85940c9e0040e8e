"""Every benchmark runs, in a reduced form; the figures it gives here mean nothing."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from forked import run_program

import hebbstream as hs
from benchmarks.core import store, timing
from benchmarks.core.data import Split
from benchmarks.quality import drift
from benchmarks.quality.feature_pass import one_pass
from benchmarks.speed import gpu, scaling
from benchmarks.speed.tables import TABLES

ROOT = Path(__file__).parents[2]
REDUCED = {
    "speed.step": "--presets cifar10 mnist-dense --width 8 --batches 2 --seconds 0.05 --late FOLDER/late --late-samples 20",
    "speed.sound": "--seconds 3 --width 4",
    "speed.cameras": "--widths 4 --frames 10 --rounds 1 --batches 1 3",
    "speed.breakdown": "--width 8 --batches 1 2 --steps 10",
    "speed.video": "--widths 8 --limit 30 --rounds 1",
    "speed.pipeline": "--widths 8 --frames 10 --rounds 1",
    "speed.soak": "--samples 60 --every 10",
    "speed.studio": "--rounds 2 --seconds 0.2 --frames 2 --width 4",
    "speed.checkpoints": "--widths 8 --seconds 0.05",
    "speed.probes": "--features 64 --dimensions 16 --seconds 0.1",
    "speed.gpu": "--device cpu --width 8 --batches 2 --precisions float32 bfloat16 --seconds 0.05",
    "speed.deploy": "--data cifar10 --networks mnist-dense --width 4 --samples 20 --seconds 0.01",
    "speed.distributed": "--parts sent --widths 48 --count 4",
    "quality.replicas": "--width 4 --samples 12 --train 20 --test 20 --ranks 1 2 --every 3",
    "quality.drift": "--width 4 --seeds 1 --day 60 --night 40 --labels 20 --test 20 --frames 20",
    "quality.flat_rows": "--limit 40 --sets LED --seeds 0 --layers 20",
    "quality.anomaly": "--sets wine --detectors SoftHebbAnomaly HalfSpaceTrees --seeds 0",
    "quality.streams": "--width 4 --samples 20 --labels 20 --tested 20 --epochs 1 --rows crops CIFAR-10",
    "quality.readouts": "--width 4 --pictures 40 --tested 20 --presets pictures",
    "quality.containers": "--count 3 --first 100",
    "quality.shortcuts": "--width 4 --samples 10 --train 40 --seeds 1",
    "quality.peers": "--readers hebbstream torchcodec --limit 1",
    "quality.prequential": "--widths 8 --seconds 0.05",
}
DRAWN = {f"speed.{name}" for name in ("step", "breakdown", "video", "soak", "deploy")}
DRAWN |= {"quality.drift", "quality.streams"}


@pytest.fixture
def run(tmp_path, small_data):
    def call(name, *arguments, **options):
        options = {"HEBBSTREAM_DATA": str(small_data)} | options
        return run_program(f"benchmarks.{name}", *arguments, folder=tmp_path, cwd=ROOT, **options)

    return call


@pytest.mark.parametrize("name", REDUCED)
def test_a_benchmark_writes_its_result_and_picture(run, name, tmp_path):
    output = tmp_path / "result.json"
    done = run(name, *REDUCED[name].replace("FOLDER", str(tmp_path)).split(), "--output", output)
    assert done.returncode == 0, done.stderr
    result = json.loads(output.read_text())
    assert {"processor", "threads", "torch", "commit", "date"} <= result["machine"].keys()
    assert (
        result["machine"]["command"]
        == f"python -m benchmarks.{name} {REDUCED[name].replace('FOLDER/', '')} --output result.json"
    )
    assert f"result {output}" in done.stdout
    picture = output.with_suffix(".png")
    assert (f"picture {picture}" in done.stdout) == (name in DRAWN)
    assert name not in DRAWN or picture.read_bytes().startswith(b"\x89PNG")
    if name == "speed.pipeline":
        assert all(row["weights_equal_sequential_1_thread"] for row in result["engines"] if "1 thread" in row["engine"])


@pytest.mark.parametrize(
    "name",
    ["quality.online_labels", "quality.signals.solvers", "quality.worlds.later", "speed.scaling", "speed.threads"],
)
def test_the_long_ones_say_what_they_do(run, name):
    done = run(name, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: python -m benchmarks.{name} ")
    assert "--output FILE" in done.stdout
    assert "--uncommitted" in done.stdout


def test_finished_runs_of_the_same_settings_are_kept(run, tmp_path):
    output = tmp_path / "result.json"
    arguments = "--width 4 --samples 5 --epochs 1 --thresholds 0.001 --seeds"
    for seeds in ("1", "2"):
        done = run("speed.events", *arguments.split(), seeds, "--output", output)
        assert done.returncode == 0, done.stderr
    first, second = json.loads(output.read_text())["runs"]
    assert (first["seed"], second["seed"]) == (0, 1)
    assert "--seeds 1 " in first["measured"]["command"]


def test_without_data_a_benchmark_says_what_to_set(run, tmp_path):
    done = run("speed.events", "--output", tmp_path / "result.json", HEBBSTREAM_DATA="")
    assert done.returncode == 1
    assert done.stderr.startswith("HEBBSTREAM_DATA is not set")


def test_labels_online_by_every_measure(run, data, tmp_path):
    output = tmp_path / "labels.json"
    options = "--data mnist --width quarter --samples 70 --epochs 1 --dimensions 16 --capacity 20 --decay"
    solvers = ["gradient, SGD", "slda, 16 dimensions"]
    done = run(
        "quality.online_labels", *options.split(), "--only", *solvers, "--output", output, HEBBSTREAM_DATA=str(data)
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(output.read_text())["data"]["mnist"]
    for solver in solvers:
        row = found[solver]
        turns = row["two classes at a time, features learning, replay"]
        assert 0 <= row["single pass, features learning, replay"] <= 1
        assert turns["average accuracy"] != row["two classes at a time, features learning"]["average accuracy"]
        assert len(found["few shots"][solver]["found"]) == len(found["few shots"]["shots"])


def test_replicas_that_were_measured_are_kept(run, tmp_path):
    output = tmp_path / "replicas.json"
    arguments = [*REDUCED["quality.replicas"].split(), "--output", output]
    assert run("quality.replicas", *arguments).returncode == 0
    found = store.read(output)
    found["rows"] = [row | {"test_accuracy": 0.5} for row in found["rows"][:-1]]
    store.save(output, found)
    assert run("quality.replicas", *arguments).returncode == 0
    assert [row["test_accuracy"] == 0.5 for row in store.read(output)["rows"][:-1]] == [True] * len(found["rows"])
    assert len(store.read(output)["rows"]) == len(found["rows"]) + 1


def test_steps_of_a_long_stream_are_timed_on_samples_without_end(monkeypatch):
    taken = []

    def alternate(calls, seconds):
        for call in calls.values():
            taken.extend(call() for _ in range(20_001))
        return dict.fromkeys(calls, timing.timing([1.0]))

    monkeypatch.delenv("HEBBSTREAM_DATA", raising=False)
    monkeypatch.setattr(scaling, "alternate", alternate)
    monkeypatch.setattr(scaling.gc, "collect", lambda: 0)
    monkeypatch.setattr(hs.SoftHebbNet, "learn_one", lambda net, x: None)
    monkeypatch.setattr(scaling, "clip_frames", lambda side, count: np.zeros((count, 2, 2, 3), np.uint8))
    scaling.samples(2000, 2)
    assert len(taken) == 2 * 20_001


def test_what_keeps_a_core_busy_ends_with_a_benchmark_that_is_killed():
    program = "from benchmarks.speed.threads import busy_process as start; print(start().pid, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as benchmark:
        neighbour = psutil.Process(int(benchmark.stdout.readline()))
        benchmark.kill()
    psutil.wait_procs([neighbour], timeout=20)
    ended = not neighbour.is_running() or neighbour.status() == psutil.STATUS_ZOMBIE
    if not ended:
        neighbour.kill()
    assert ended


def test_a_thousand_machines_learn_as_fast_as_one_was_measured_last(tmp_path):
    sent = {"width": 48, "every": 50, "wire": "float32", "weights": 1000, "bytes_a_sample": 100}
    store.save(tmp_path / "speed" / "distributed.json", {"sent": {"rows": [sent]}})
    for speed in (200, 300):
        engine = {"width": 48, "engine": "sequential, 1 thread", "samples_per_second": speed}
        store.save(tmp_path / "speed" / "pipeline.json", {"engines": [engine]})
        assert f"| {speed} (100%) |" in TABLES["speed/distributed-model"](tmp_path)


def gpu_rows(monkeypatch, output, ended, *options):
    given = ("--device", "cpu", "--width", "4", "--batches", "1", "--seconds", "0", "--output", str(output), *options)
    monkeypatch.setattr(sys, "argv", ["gpu", *given])
    with pytest.raises(SystemExit, match=ended):
        gpu.main()
    return json.loads(output.read_text())["table"]


def fail(*arguments):
    raise torch.OutOfMemoryError("CUDA out of memory")


def test_the_gpu_table_goes_on_where_a_cell_fails(tmp_path, monkeypatch):
    """What measures on a rented card is one run: a row says what failed, and all others are there."""
    monkeypatch.setattr(hs.SoftHebbNet, "transform_many", fail)
    monkeypatch.setattr(gpu, "product_peak", lambda device, dtype: fail() if dtype == torch.bfloat16 else 1.0)
    ended = "1 of 4 rows hold an error"
    rows = gpu_rows(monkeypatch, tmp_path / "gpu.json", ended, "--precisions", "bfloat16")
    assert [row.get("error") for row in rows] == [None, None, "OutOfMemoryError: CUDA out of memory", None]
    assert ["share_of_peak" in row for row in rows] == [False, False, False, True]  # float32's is measured in any case


def test_the_gpu_table_keeps_what_there_was_no_time_for(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "product_peak", lambda device, dtype: 1.0)
    monkeypatch.setattr(gpu, "cuda_tests", lambda: {"ended": "none"})
    monkeypatch.setattr(gpu, "_SECONDS", 0)
    rows = gpu_rows(monkeypatch, tmp_path / "gpu.json", "4 of 4", "--precisions", "float32", "--all")
    assert {row["error"] for row in rows} == {"no time left"}


def test_the_memory_of_a_cell_of_the_gpu_table_is_its_own(monkeypatch):
    asked = []
    for name in ("reset_peak_memory_stats", "max_memory_allocated", "synchronize"):
        monkeypatch.setattr(torch.cuda, name, lambda device, name=name: asked.append((name, device)) or 5e6)
    assert gpu.measure(lambda: None, 1, "cuda:1", 0)["memory_mb"] == 5
    assert [asked[0], asked[-1]] == [("reset_peak_memory_stats", "cuda:1"), ("max_memory_allocated", "cuda:1")]


class Interrupted:
    """Pictures of which the fifth comes with Ctrl-C."""

    def __init__(self):
        self.shown = 0

    def __getitem__(self, _):
        self.shown += 1
        if self.shown == 5:
            signal.raise_signal(signal.SIGTERM)
        return np.full((28, 28, 1), self.shown, np.uint8)


@pytest.mark.parametrize("kept", [True, False])
def test_half_a_run_is_no_result(kept, tmp_path):
    pictures, cache = Interrupted(), tmp_path / "pass.npz" if kept else None
    split = Split(pictures, np.arange(20) % 2)
    with pytest.raises(SystemExit, match=r"^interrupted after \d samples: "):
        one_pass("mnist", 4, split, split, np.arange(20), seed=0, decay=False, cache=cache)
    assert pictures.shown < 20
    assert not list(tmp_path.iterdir())


def test_a_day_that_was_cut_short_is_no_result():
    frames, net = (
        (picture.repeat(3, axis=2) for picture in map(Interrupted().__getitem__, range(20))),
        drift.network(4, 0, None),
    )
    with pytest.raises(SystemExit, match=r"^interrupted after \d samples: "):
        drift.learn(net, frames, lambda _: None)
