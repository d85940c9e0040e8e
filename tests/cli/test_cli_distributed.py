"""`hebbstream learn --distributed`, started as torchrun would."""

import os
import socket
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from clips import ramp, write_clip
from forked import run_program

import hebbstream as hs
from hebbstream.cli import _distributed
from hebbstream.cli._distributed import is_camera, joined, samples_a_step
from hebbstream.cli._parser import make_full_parser

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@pytest.mark.parametrize(("distributed", "every", "samples"), [(False, None, 1), (True, None, 4), (True, 50, 16)])
def test_rates_are_those_of_so_many_processes(monkeypatch, distributed, every, samples):
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert samples_a_step(Namespace(distributed=distributed, sync_every=every)) == samples


@pytest.fixture
def ranks(tmp_path):
    """Run the command as so many ranks; give how each ended. A variable that is a tuple has a value for each.

    `own` are arguments of single ranks.
    """

    def call(world, *arguments, own=("", ""), **environment):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])

        def one(rank):
            folder = tmp_path / f"rank-{rank}"
            folder.mkdir(exist_ok=True)
            started = dict(zip(VARIABLES, (str(rank), str(world), "127.0.0.1", port), strict=True))
            variables = {
                name: value[rank] if isinstance(value, tuple) else value for name, value in environment.items()
            }
            given = [*arguments, *own[rank].split()]
            return run_program("hebbstream.cli", "learn", *given, folder=folder, cwd=tmp_path, **started, **variables)

        with ThreadPoolExecutor(world) as threads:
            return list(threads.map(one, range(world)))

    return call


@pytest.fixture
def films(tmp_path):
    return [write_clip(tmp_path / f"{name}.mp4", ramp(count)) for name, count in (("a", 12), ("b", 7), ("c", 9))]


def test_without_torchrun_it_says_how_to_start_it(run, films, monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    code, out, err = run("learn", films[0], "--distributed")
    assert (code, out) == (1, "")
    assert err.startswith("hebbstream: RANK is not set: start all processes with torchrun, such as: torchrun ")
    assert err.count("\n") == 1


def test_ranks_learn_all_films_go_on_and_one_of_them_writes(ranks, films, tmp_path):
    options = ["--distributed", "--width", 4, "--size", 16, "--quiet", "--checkpoint-every", 6]
    first, other = ranks(2, *films, *options, "--limit", 10)
    assert (first.returncode, other.returncode) == (0, 0), first.stderr + other.stderr
    assert first.stdout.startswith("2 processes: learned 10 samples in ")
    assert other.stdout == ""
    # torchrun starts ranks anew after one has died: they go on by themselves, and so does one of another torchrun.
    counts = ("0", "1")  # of two torchruns: the first rank's has seen no process of its own die
    first, other = ranks(2, *films, *options, TORCHELASTIC_RESTART_COUNT=counts, GROUP_WORLD_SIZE="2")
    assert (first.returncode, other.returncode) == (0, 0), first.stderr + other.stderr
    assert "going on from run.safetensors, after 10 samples\n2 processes: learned 18 samples" in first.stdout
    net = hs.load(tmp_path / "run.safetensors")
    assert (net.samples_seen, net.frame_size) == (28, (16, 16))


def test_started_again_they_learn_what_is_left_of_the_limit(ranks, films):
    options = ["--distributed", "--width", 4, "--size", 16, "--quiet"]
    ranks(2, *films, *options, "--limit", 10)
    first, _ = ranks(2, *films, *options, "--limit", 16, TORCHELASTIC_RESTART_COUNT=("1", "1"))
    assert "after 10 samples\n2 processes: learned 6 samples" in first.stdout, first.stderr
    first, _ = ranks(2, *films, *options, "--limit", 4, "--resume", TORCHELASTIC_RESTART_COUNT=("1", "1"))
    assert "after 16 samples\n2 processes: learned 4 samples" in first.stdout, first.stderr


def test_a_source_that_waits_for_its_turn_at_the_limit_is_not_at_its_end(ranks, films):
    """Near a limit, a rank that has ended a film may have no sample left to read of the next."""
    options = ["--distributed", "--width", 4, "--size", 16, "--quiet", "--resume"]
    for limit, learned in ((16, 16), (4, 4), (100, 8)):
        first, _ = ranks(2, *films, *options, "--limit", limit)
        assert f"2 processes: learned {learned} samples" in first.stdout, first.stderr


@pytest.fixture
def alone(run, monkeypatch):
    """Run the command here, as the only rank."""
    for name, value in zip(VARIABLES, ("0", "1", "localhost", "0"), strict=True):
        monkeypatch.setenv(name, value)
    return lambda *arguments: run("learn", *arguments, "--distributed", "--width", 4, "--size", 16, "--quiet")


def test_what_is_kept_for_one_process_is_dropped_before_several_go_on(alone, films):
    learner = hs.Learner(hs.SoftHebbNet.from_preset("video", width=4), hs.SoftmaxProbe(), replay=hs.Replay(20))
    learner.replay.add(torch.zeros(3, 16, 16, dtype=torch.uint8), "a")
    learner.save("run.safetensors")
    code, _, err = alone(films[0], "--resume", "--limit", 2)
    assert (code, err.splitlines()[-1]) == (
        1,
        "hebbstream: run.safetensors keeps labelled samples, which several processes do not learn from again: expected"
        " --replay 0, which drops them",
    )
    assert alone(films[0], "--resume", "--limit", 2, "--replay", 0)[0] == 0
    saved = hs.Learner.load("run.safetensors")
    assert (saved.net.samples_seen, saved.replay) == (2, None)


@pytest.mark.parametrize("restarts", ["0", "3"])
def test_ranks_that_start_anew_do_not_go_on_from_an_earlier_run(alone, films, monkeypatch, restarts):
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", restarts)
    _, out, err = alone(films[0])
    assert "learned 12 samples" in out, err
    there = []
    monkeypatch.setattr(hs.Callback, "on_sample", lambda *_: there.append(Path("run.safetensors").exists()))
    _, out, err = alone(films[1])
    assert out.startswith("started anew (--resume goes on instead); the earlier checkpoint is now run-1.safe"), err
    # Where torchrun may start the run again, which then goes on from what it finds, it finds no earlier run.
    assert there[0] == (restarts == "0")
    assert [hs.load(f"{name}.safetensors").samples_seen for name in ("run-1", "run")] == [12, 7]


@pytest.mark.parametrize(
    ("restarts", "wrong", "message"),
    [
        ("3", ["a.mp4", "--preset", "motion", "--sync-every", 5], "plasticity='imprinting': expected another"),
        ("0", ["none.mp4"], "no file at none.mp4"),
    ],
)
def test_ranks_that_are_refused_leave_the_earlier_checkpoint_where_it_is(
    alone, films, monkeypatch, restarts, wrong, message
):
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", restarts)
    hs.Learner(hs.SoftHebbNet.from_preset("video", width=4)).save("run.safetensors")
    code, out, err = alone(*wrong)
    assert (code, out) == (1, "")
    assert err.startswith(f"hebbstream: {message}")
    assert [file.name for file in sorted(Path().glob("run*"))] == ["run.safetensors"]


def test_a_film_that_is_not_there_is_one_line_on_every_rank(ranks, films, tmp_path):
    options = ["--distributed", "--width", 4, "--size", 16, "--fit", "crop", "--quiet"]
    first, other = ranks(2, films[0], tmp_path / "none.mp4", *options)
    assert (first.returncode, other.returncode) == (1, 1)
    assert first.stderr == "hebbstream: rank 1 of 2 has ended with an error of its own\n"
    assert other.stderr == f"hebbstream: no file at {tmp_path / 'none.mp4'}\n"


def test_ranks_that_would_read_their_sources_differently_are_refused_before_any_is_opened(ranks, tmp_path):
    own = {"stride": ["1", "2"], "window": ["20", "30"]}
    for name, values in own.items():
        told = tuple(f"--{name} {value}" for value in values)
        for ended in ranks(2, "none.mp4", "--distributed", own=told):
            said = f"rank 1 has --{name}={values[1]}, rank 0 --{name}={values[0]}: expected the same on all"
            assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", f"hebbstream: {said}\n")
    assert not (tmp_path / "run.safetensors").exists()


def test_labels_that_another_rank_than_the_first_has_read_are_told(ranks, tmp_path):
    for label, told in (("up", "prequential accuracy"), ("", "no sample had a label: column 'act' has none for them")):
        for name in ("a", "b"):
            rows = "".join(f"{row % 7}.5,{label if name == 'b' else ''}\n" for row in range(80))
            (tmp_path / f"{name}.csv").write_text(f"x,act\n{rows}")
        first, _ = ranks(
            2, "a.csv", "b.csv", "--distributed", "--quiet", "--width", 4, "--window", 20, "--label", "act"
        )
        assert told in first.stdout, first.stderr


def test_all_that_comes_through_a_pipe_another_time_is_learned(alone, films, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for film, learned in zip(films, (12, 7, 9), strict=True):
        writer = Thread(target=lambda film=film: (tmp_path / "pipe").write_bytes(Path(film).read_bytes()), daemon=True)
        writer.start()
        code, out, err = alone("pipe", "--resume")
        assert (code, f"learned {learned} samples" in out) == (0, True), out + err


def test_ranks_that_average(ranks, films, tmp_path):
    options = ["--distributed", "--width", 4, "--size", 16, "--quiet", "--sync-every", 5, "--wire", "float16"]
    first, _ = ranks(2, *films, *options)
    assert "learned 28 samples" in first.stdout, first.stderr
    assert np.isfinite(hs.load(tmp_path / "run.safetensors").layers[2].weight_matrix.numpy()).all()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--replay", "9", "--labels", "x.json"], "--replay 9 with --distributed: expected nothing of it"),
        (
            ["--replay-per-sample", "2", "--labels", "x.json"],
            "--replay-per-sample 2 with --distributed: expected nothing of it",
        ),
        (["--engine", "pipelined"], "--engine pipelined with --distributed: expected nothing of it"),
    ],
)
def test_what_ranks_cannot_do_together(run, films, option, message):
    code, _, err = run("learn", films[0], "--distributed", *option)
    assert (code, err) == (1, f"hebbstream: {message}\n")


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (["a.mp4", "b.mp4", "--labels", "x.json"], "--labels x.json: expected a single source, which they belong to"),
        (["a.mp4", "b.wav"], "a.mp4 is read as pictures, b.wav as sound: expected sources of one kind"),
    ],
)
def test_sources_that_do_not_go_together_are_refused_though_each_is_opened_alone(run, sources, message):
    code, _, err = run("learn", *sources, "--distributed")
    assert (code, err) == (1, f"hebbstream: {message}\n")


@pytest.mark.parametrize(
    ("source", "camera"),
    [
        ("/dev/video0", True),
        ("video=Front", True),
        ("mic", True),
        ("plughw:1", True),
        ("udp://0.0.0.0:9", True),
        ("lavfi:noise", False),
        ("FILE:///a.mp4", False),
        ("mic.wav", False),
        ("microphone", False),
    ],
)
def test_what_is_a_camera(source, camera):
    assert is_camera(source) == camera


@pytest.mark.parametrize(("asked", "used"), [("cpu", "cpu"), ("cuda", "cuda:2"), ("cuda:1", "cuda:1")])
def test_each_process_of_a_machine_has_a_card_of_its_own_unless_one_is_named(monkeypatch, asked, used):
    monkeypatch.setenv("LOCAL_RANK", "2")
    monkeypatch.setattr(_distributed, "check_sources", lambda options: None)
    options = make_full_parser().parse_args(["learn", "a.mp4", "--distributed", "--device", asked])
    joined(options)
    assert options.device == used
