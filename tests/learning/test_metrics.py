import errno
import json
import logging
import resource
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.river import DriftMonitor
from hebbstream.export import ExportEvery
from hebbstream.learning import Metrics
from hebbstream.streams import Stream, shuffle
from hebbstream.streams._stats import StreamStats


class Camera(Stream):
    """A live source that has been slow to be learned from."""

    def __init__(self, samples):
        super().__init__(samples, stats=StreamStats(dropped=7))


def network():
    return hs.SoftHebbNet.from_preset("cifar10", width=4)


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_learner_shows_its_callbacks_by_what_they_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    callbacks = [Metrics("m.jsonl"), DriftMonitor(layers=[0, 2]), ExportEvery("net.json"), hs.Callback(), print]
    shown = (
        "Metrics('m.jsonl'), DriftMonitor(layers=[0, 2], drifts=0), "
        "ExportEvery('net.json', every_samples=10000, models=0), Callback(), print"
    )
    assert shown in repr(hs.Learner(network(), callbacks=callbacks))


def test_every_record_holds_what_it_says(tmp_path):
    clock = SimpleNamespace(now=100.0)
    frames = torch.rand(20, 3, 32, 32)
    camera = Camera([hs.Sample(x, y=i % 2, captured=clock.now - 0.1 * (i % 3)) for i, x in enumerate(frames)])
    path = tmp_path / "logs" / "metrics.jsonl"
    net, probe = network(), hs.SoftmaxProbe()
    learner = hs.Learner(net, probe, callbacks=[Metrics(path, every_seconds=0)], clock=lambda: clock.now)
    report = learner.learn(camera, progress=False)
    found = records(path)
    assert [record["samples"] for record in found] == list(range(1, 21))
    assert [record["position"] for record in found] == list(range(1, 21))
    last = found[-1]
    assert last["latency_mean"] == last["latency_max"] == pytest.approx(0.1)
    assert last["stream"] == {"frames": 20, "dropped": 7, "corrupt": 0, "skipped": 0, "reconnects": 0, "failed": 0}
    assert last["accuracy"] == pytest.approx(report.accuracy, abs=1e-4)
    assert last["recent_accuracy"] == pytest.approx(report.recent_accuracy, abs=1e-4)
    assert last["r1"] == list(net.r1_fraction())
    assert last["norm"][0] == pytest.approx(
        [float(x) for x in (net.layers[0].norms().min(), net.layers[0].norms().median(), net.layers[0].norms().max())],
        abs=1e-4,
    )
    assert all(record["samples_per_second"] > 0 for record in found)
    assert report.latency == pytest.approx((0.095, 0.2))
    assert report.stream_counts["dropped"] == 7
    assert "7 dropped" in str(report)


def test_rates_and_seconds_of_a_resumed_run_leave_out_what_it_passed_over(tmp_path):
    clock, path = SimpleNamespace(now=0.0), tmp_path / "metrics.jsonl"

    def second_by_second():
        for frame in torch.rand(10, 3, 8, 8):
            clock.now += 1.0
            yield frame

    net = hs.SoftHebbNet([hs.LayerSpec(channels=2)], 3)
    learner = hs.Learner(net, callbacks=[Metrics(path, every_seconds=0)], clock=lambda: clock.now)
    learner.learn(second_by_second(), limit=6, progress=False)
    report = learner.learn(second_by_second(), resume=True, progress=False)
    assert report.seconds == 4.0
    found = [(record["position"], record["samples"], record["seconds"]) for record in records(path)]
    assert found == [(number, number, number) for number in range(1, 7)] + [(6 + n, n, n) for n in range(1, 5)]
    assert {record["samples_per_second"] for record in records(path)} == {1.0}


def test_neurons_that_have_not_moved_since_the_last_record_are_counted(tmp_path):
    path, net = tmp_path / "metrics.jsonl", network()

    def freeze(step):
        if step.index == 4:
            for layer in net.layers:
                layer.spec = replace(layer.spec, learning_rate=0.0)

    hs.learn(net, torch.rand(10, 3, 32, 32), callbacks=[Metrics(path, every_seconds=0), freeze], progress=False)
    hs.learn(net, torch.rand(5, 3, 32, 32), callbacks=[Metrics(path)], progress=False)
    found = records(path)  # appended to, one record at the end of the second run
    assert all(record["still"][0] < 0.5 for record in found[:5])
    assert all(record["still"] == [1.0, 1.0, 1.0] for record in found[5:])
    assert len(found) == 11
    assert not {"latency_mean", "accuracy"} & found[-1].keys()


def test_counts_of_a_source_behind_stream_functions(tmp_path):
    path, camera = tmp_path / "metrics.jsonl", Camera(torch.rand(3, 3, 32, 32))
    hs.learn(network(), shuffle(camera, 2), callbacks=[Metrics(path)], progress=False)
    assert records(path)[-1]["stream"]["dropped"] == 7


def test_tensorboard_gets_the_same(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    path, folder = tmp_path / "metrics.jsonl", tmp_path / "board"
    hs.learn(
        network(),
        torch.rand(5, 3, 32, 32),
        callbacks=[Metrics(path, tensorboard=folder, every_seconds=0)],
        progress=False,
    )
    board = EventAccumulator(str(folder))
    board.Reload()
    assert {"r1/layer 1", "still/layer 3", "norm/layer 2 median", "samples_per_second"} <= set(board.Tags()["scalars"])
    values = [(event.step, event.value) for event in board.Scalars("norm/layer 1 greatest")]
    expected = [(record["position"], record["norm"][0][2]) for record in records(path)]
    assert values == [(step, pytest.approx(value, rel=1e-5)) for step, value in expected]


@pytest.fixture
def numbered(monkeypatch):
    """Number TensorBoard's files from 0: those of one second are read by their number's first digit first."""
    from tensorboard.summary.writer import event_file_writer

    monkeypatch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(0))


def scalars(folder, name="norm/layer 1 greatest"):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(folder))
    board.Reload()
    return [(event.step, event.value) for event in board.Scalars(name)]


@pytest.mark.parametrize("crash", [5, 7, 11])
def test_tensorboard_does_not_run_back_in_time_after_a_crash(tmp_path, numbered, crash):
    checkpoint, folder, path = tmp_path / "run.safetensors", tmp_path / "board", tmp_path / "metrics.jsonl"
    frames = torch.rand(12, 3, 32, 32)

    def metrics(**options):
        return Metrics(every_seconds=0, tensorboard=folder, **options)

    net = network()
    hs.learn(net, frames[:4], checkpoint=checkpoint, callbacks=[metrics()], progress=False)
    lost = hs.Learner.load(checkpoint, callbacks=[metrics()])
    lost.learn(torch.rand(crash, 3, 32, 32), progress=False)  # and no checkpoint of it
    learner = hs.Learner.load(checkpoint, callbacks=[metrics(path=path)])
    learner.learn(frames, resume=True, progress=False)
    found = scalars(folder)
    assert [step for step, _ in found] == list(range(1, 13))
    expected = [record["norm"][0][2] for record in records(path)]
    assert [value for _, value in found[4:]] == pytest.approx(expected, rel=1e-5)


def test_tensorboard_shows_runs_of_one_learner_as_one_and_a_new_learner_alone(tmp_path, numbered):
    metrics = Metrics(tensorboard=tmp_path, every_seconds=0)
    learner = hs.Learner(network(), callbacks=[metrics])
    for _ in range(2):
        learner.learn(torch.rand(3, 3, 32, 32), progress=False)
    assert [step for step, _ in scalars(tmp_path)] == [1, 2, 3, 4, 5, 6]
    hs.learn(network(), torch.rand(2, 3, 32, 32), callbacks=[metrics], progress=False)
    assert [step for step, _ in scalars(tmp_path)] == [1, 2]


def test_where_it_cannot_write_is_found_out_first(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(errors.OutputError, match="cannot write"):
        Metrics(tmp_path / "file" / "metrics.jsonl")
    for folder in (tmp_path / "file", tmp_path / "file" / "board"):
        with pytest.raises(errors.OutputError, match=f"cannot write {folder}: "):
            Metrics(tensorboard=folder)
    with pytest.raises(errors.ConfigurationError, match="expected a path"):
        Metrics()


@pytest.mark.parametrize("name", ["a\0b", "\udce4", "~nobody-of-that-name/m"], ids=ascii)
def test_a_name_that_no_file_can_have_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for options in ({"path": name}, {"tensorboard": name}):
        with pytest.raises(errors.OutputError, match="cannot write"):
            Metrics(**options)
    assert list(tmp_path.iterdir()) == []


def test_a_line_that_a_killed_run_began_is_not_gone_on_with(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"time": "20')
    hs.learn(network(), torch.rand(3, 3, 32, 32), callbacks=[Metrics(path)], progress=False)
    begun, line = path.read_text().splitlines()
    assert (begun, json.loads(line)["samples"]) == ('{"time": "20', 3)


def test_a_board_that_cannot_be_written_to_does_not_stop_learning(tmp_path, monkeypatch, caplog):
    from torch.utils.tensorboard import SummaryWriter

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SummaryWriter, "close", full)
    metrics = Metrics(tensorboard=tmp_path, every_seconds=0)
    for place in ("close", "add_scalar"):
        caplog.clear()
        monkeypatch.setattr(SummaryWriter, place, full)
        assert hs.learn(network(), torch.rand(3, 3, 32, 32), callbacks=[metrics], progress=False).samples == 3
        assert [record.message.split(":")[0] for record in caplog.records] == [f"cannot write {tmp_path}"]


def test_a_full_disk_does_not_stop_learning(tmp_path, caplog):
    """The limit on the size of files makes a write fail as a full disk does."""
    checkpoint, path, net = tmp_path / "run.safetensors", tmp_path / "metrics.jsonl", network()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    positions = []

    def disk(step):
        if step.index == 9:
            resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 9, limits[1]))  # room for half a line
        elif step.index == 19:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        positions.append(hs.Learner.load(checkpoint).counters.position if checkpoint.exists() else 0)

    frames = [np.full((32, 32, 3), i, np.uint8) for i in range(30)]
    try:
        with caplog.at_level(logging.ERROR, "hebbstream"):
            report = hs.learn(
                net,
                frames,
                checkpoint=hs.Checkpoint(checkpoint, every_samples=5),
                callbacks=[Metrics(path, every_seconds=0), disk],
                progress=False,
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert report.samples == 30
    assert positions == [0] * 5 + [5] * 15 + [20] * 5 + [25] * 5
    assert f"cannot write {checkpoint}" in caplog.text
    assert "the last good checkpoint is kept" in caplog.text
    assert f"cannot write {path}" in caplog.text
    assert [record["samples"] for record in records(path)] == [*range(1, 10), *range(20, 31)]
    assert hs.Learner.load(checkpoint).counters.position == 30
    assert not list(tmp_path.glob(".*"))


def test_records_of_a_network_that_has_diverged_are_json_for_everybody(tmp_path):
    layer = hs.LayerSpec(channels=4, learning_rate=1e6, update_scale="none", rate_power=2.0)
    metrics = Metrics(tmp_path / "metrics.jsonl", tensorboard=tmp_path / "board", every_seconds=0)
    hs.learn(hs.SoftHebbNet([layer], 3), torch.rand(9, 3, 8, 8), callbacks=[metrics], progress=False)

    def refused(name):
        raise AssertionError(f"{name} is no JSON")

    found = [json.loads(line, parse_constant=refused) for line in metrics.path.read_text().splitlines()]
    assert found[-1]["norm"] == [[None, None, None]]


@pytest.mark.parametrize("seconds", ["1", None, -1.0])
def test_what_is_no_period_is_refused(seconds, tmp_path):
    with pytest.raises(errors.ConfigurationError, match="expected 0 or a positive number"):
        Metrics(tmp_path / "metrics.jsonl", every_seconds=seconds)


def test_the_time_of_capture_may_be_a_number_of_numpy(tmp_path):
    sample = hs.Sample(torch.rand(3, 32, 32), captured=np.float32(99.5))
    learner = hs.Learner(network(), callbacks=[Metrics(tmp_path / "metrics.jsonl")], clock=lambda: 100.0)
    learner.learn([sample], progress=False)
    assert records(tmp_path / "metrics.jsonl")[-1]["latency_mean"] == 0.5


@pytest.mark.parametrize("captured", [1.8e9, float("inf"), float("nan"), -float("inf"), 10**400])
def test_a_time_of_capture_by_another_clock_is_told_once_and_in_no_latency(captured, tmp_path, caplog):
    stream = [hs.Sample(torch.rand(3, 32, 32), captured=time) for time in (captured, 99.5, captured)]
    metrics = Metrics(tmp_path / "metrics.jsonl", every_seconds=0)
    report = hs.Learner(network(), callbacks=[metrics], clock=lambda: 100.0).learn(stream, progress=False)
    assert report.latency == (0.5, 0.5)
    assert [record.get("latency_mean") for record in records(metrics.path)] == [None, 0.5, None]
    (told,) = caplog.messages
    assert "where the clock reads 100.0: expected a time by time.monotonic" in told
