"""Sound and sensors in the studio: the same teaching, from windows of a signal."""

import io
import tarfile
import time
import wave

import numpy as np
import pytest
from studio_bench import Bench, parsed

import hebbstream as hs
from hebbstream.cli._studio_signals import signal_opener, signal_settings, studio_kind
from hebbstream.errors import ConfigurationError, SourceNotFoundError
from hebbstream.studio import _export
from hebbstream.studio._drawing import INKS, PAPER, curves, spectrogram
from hebbstream.studio._server import Studio
from hebbstream.studio._settings import Settings

SENSORS = Settings(kind="signal", preset="signal", width=8, dimensions=96, in_channels=3, size=(1, 60), start=True)


def shaken(kind, count=20, seed=0):
    """Windows of three sensors that go up and down quickly or slowly."""
    generator = np.random.default_rng(seed)
    speed, moments = (0.9 if kind == "quick" else 0.15), np.arange(60)
    phases = generator.uniform(0, 6, (count, 3, 1))
    return (np.sin(speed * moments + phases) + 0.1 * generator.normal(size=(count, 3, 60))).astype(np.float32)


def show(bench, windows, label=None):
    if label is not None:
        if label not in bench.session.examples.classes:
            bench.do("add-class", name=label)
        bench.do("hold", label=label, source=0, seconds=60)
    for window in windows:
        bench.source.put(lambda window=window: curves(window), None, window)
        while bench.source._waits:
            time.sleep(0.001)
        bench.within(lambda: None)
    if label is not None:
        bench.do("release")


def test_two_movements_are_taught_kept_and_taken_away(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    bench = Bench(tmp_path, SENSORS)
    try:
        bench.session.board.watch()
        for seed in range(2):
            for kind in ("quick", "slow"):
                show(bench, shaken(kind, seed=seed), kind)
        bench.do("learn", on=False)
        bench.do("confidence", value=0)
        session = bench.session
        model = onnxruntime.InferenceSession(bench.within(lambda: _export.onnx_model(session)))
        right = 0
        for kind in ("quick", "slow"):
            for window in shaken(kind, 10, seed=9):
                show(bench, [window])
                right += session.board.seen[0].label == kind
                (shares,) = model.run(["probabilities"], {model.get_inputs()[0].name: window[None, :, None]})[0]
                assert session.probe.classes[int(shares.argmax())] == session.board.seen[0].label
        assert right >= 19
        assert session.board.filters["curves"]
        assert session.board.filters["shape"][1:] == [3, 9, 1]
        assert session.board.likes["pixels"].shape[2] == 3
        with tarfile.open(fileobj=io.BytesIO(bench.within(lambda: _export.examples(session)))) as archive:
            first = np.load(io.BytesIO(archive.extractfile("000001.npy").read()), allow_pickle=False)
            assert archive.extractfile("000001.txt").read() == b"quick"
        np.testing.assert_array_equal(first, shaken("quick")[0])
        with pytest.raises(ConfigurationError, match="browser page"):
            bench.within(lambda: _export.browser_page(session))
        taught = [example.frame for example in session.examples]
        pictures = hs.Learner(hs.SoftHebbNet.from_preset("cifar10", width=4))
        with pytest.raises(ConfigurationError, match="network for pictures: expected one for signal"):
            bench.within(lambda: session.open(pictures))
        assert session.net.one_dimensional
        assert session.settings.preset == "signal"
    finally:
        bench.close()
    again = Bench(tmp_path, SENSORS)
    try:
        for before, after in zip(taught, again.session.examples, strict=True):
            np.testing.assert_array_equal(before, after.frame)
        show(again, shaken("slow", 1, seed=7))
        assert again.session.board.seen[0].label == "slow"
    finally:
        again.close()
    with pytest.raises(ConfigurationError, match="network of 3 channels: expected 2"):
        Bench(tmp_path, Settings(kind="signal", preset="signal", in_channels=2))


def untaught(preset, shape=None, **options):
    """A learner that has seen one window of zeros, if it has seen any."""
    net = hs.SoftHebbNet.from_preset(preset, width=4, **options)
    if shape is not None:
        net.learn_one(np.zeros(shape, np.float32))
    return hs.Learner(net)


def test_a_network_for_other_windows_is_refused(tmp_path):
    bench = Bench(tmp_path / "sensors", SENSORS)
    try:
        with pytest.raises(ConfigurationError, match=r"windows of \(1, 100\): expected \(1, 60\)"):
            bench.within(lambda: bench.session.open(untaught("signal", (3, 100), in_channels=3)))
        new = untaught("signal", in_channels=3)
        bench.within(lambda: bench.session.open(new))
        assert bench.session.net is new.net
        assert bench.session.size == (1, 60)
    finally:
        bench.close()
    sound = Settings(kind="sound", preset="sound", width=8, in_channels=1, size=(64, 100))
    bench = Bench(tmp_path / "sound", sound)
    try:
        with pytest.raises(ConfigurationError, match=r"windows of \(28, 28\): expected \(64, 100\)"):
            bench.within(lambda: bench.session.open(untaught("mnist", (1, 28, 28))))
    finally:
        bench.close()


def opened(folder, *arguments):
    """A studio as the command opens it; nobody serves it."""
    options = parsed(*arguments, "--run", folder)
    kind = studio_kind(options)
    settings = signal_settings(options, kind, Settings(width=8, start=True, dimensions=64))
    return Studio(options.source, folder, settings, signals=signal_opener(options, kind))


def until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def sensors(tmp_path):
    path = tmp_path / "sensors.csv"
    rows = np.concatenate(list(shaken("quick", 3)), axis=1).T
    text = "\n".join(f"{0.001 * t:.3f},{x:.4f},{y:.4f},{z:.4f}" for t, (x, y, z) in enumerate(rows))
    path.write_text(f"t,x,y,z\n{text}\n")
    return path


def test_the_command_plays_a_table_of_sensors(tmp_path, sensors):
    arguments = [sensors, "--window", 60, "--hop", 20, "--columns", "y", "z", "--time", "t"]
    with opened(tmp_path / "run", *arguments) as studio:
        session = studio.session
        assert session.net.in_channels == 2
        assert session.net.preset == "signal"
        until(lambda: session.board.learned >= 8)  # the table has seven windows, and is played again
        assert session.failure == ""
        latest = session.sources[0].latest
        assert latest.sample.shape == (2, 60)
        assert latest.pixels.shape == (240, 640, 3)
        assert [source.told()["state"] for source in session.sources] == ["live"]
    with pytest.raises(ConfigurationError, match="network for pictures: expected one for signal"):
        opened(tmp_path / "other", *arguments, "--preset", "video")
    with pytest.raises(ConfigurationError, match="without --window"):
        opened(tmp_path / "new", sensors)
    with pytest.raises(ConfigurationError, match=r"--hop 2\.5 for .*: expected a whole number of rows"):
        opened(tmp_path / "new", sensors, "--window", 60, "--hop", 2.5)
    with pytest.raises(ConfigurationError, match="windows of 1 × 50: expected 1 × 60, which this run has learned"):
        opened(tmp_path / "run", sensors, "--window", 50, "--columns", "y", "z", "--time", "t")


def test_a_run_reads_the_columns_that_it_has_learned(tmp_path, sensors):
    cut = "--gap", 5, "--valid-range", -9, 9
    with opened(tmp_path / "run", sensors, "--window", 60, "--columns", "y", "z", *cut) as studio:
        until(lambda: studio.session.board.learned)
        contract = studio.session.ask(lambda: _export.onnx_model(studio.session)).result(60)
        assert b'"channel_names": ["y", "z"]' in contract
        others = untaught("signal", (2, 60), in_channels=2)
        others.net.channel_names = "z", "y"
        with pytest.raises(ConfigurationError, match="network for the columns z, y: expected y, z"):
            studio.session.ask(lambda: studio.session.open(others)).result(60)
    with opened(tmp_path / "run", sensors) as studio:  # window and columns as learned
        assert studio.session.net.window_options == {"gap": 5.0, "valid_range": [-9.0, 9.0]}
        assert studio.session.net.channel_names == ("y", "z")
        until(lambda: studio.session.board.learned)
        window = studio.session.sources[0].latest.sample
        rows = np.loadtxt(sensors, delimiter=",", skiprows=1, dtype=np.float32)[:, 2:].T
        assert any(np.array_equal(window, rows[:, start : start + 60]) for start in range(121))
    with pytest.raises(ConfigurationError, match="--columns z y: expected y z"):
        opened(tmp_path / "run", sensors, "--columns", "z", "y")
    fewer = tmp_path / "fewer.csv"
    fewer.write_text("u\n" + "1\n" * 100)
    with pytest.raises(ConfigurationError, match=r"fewer\.csv: columns u: expected 4 of them"):
        opened(tmp_path / "two", sensors, fewer, "--window", 60)


def test_a_run_reads_sound_as_it_has_learned(tmp_path):
    path = tone(tmp_path / "tone.wav")
    for form, size in (("mel", (32, 50)), ("wave", (1, 8000))):
        with opened(tmp_path / form, path, "--form", form, "--length", 0.5, "--mels", 32) as studio:
            until(lambda session=studio.session: session.board.learned)
            assert studio.session.net.sample_rate == 16_000
        with opened(tmp_path / form, path) as studio:
            assert studio.session.size == size
            until(lambda source=studio.session.sources[0]: source.latest is not None)
            assert studio.session.sources[0].latest.sample.shape == size


def tone(path):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes((9000 * np.sin(np.arange(16_000) / 3)).astype("<i2").tobytes())
    return path


def test_the_command_plays_sound(tmp_path):
    path = tone(tmp_path / "tone.wav")
    with opened(tmp_path / "run", path, "--length", 0.5, "--hop", 0.05) as studio:
        session = studio.session
        until(lambda: session.board.learned >= 2)
        latest = session.sources[0].latest
        assert latest.sample.shape == (64, 50) == session.size
        right = latest.pixels[:, -1]
        assert right.sum() > 0  # the present is at the right
        assert session.settings.kind == "sound"
    with pytest.raises(SourceNotFoundError, match=r"missing\.wav"):
        opened(tmp_path / "other", tmp_path / "missing.wav")


def test_a_microphone_that_is_not_there_is_tried_again(tmp_path):
    pytest.importorskip("av")
    with opened(tmp_path / "run", "hw:97,0") as studio:
        source = studio.session.sources[0]
        until(lambda: source.told()["state"] == "lost")
        assert "hw:97,0" in source.told()["problem"]


def test_sources_of_several_kinds_are_refused(sensors):
    with pytest.raises(ConfigurationError, match=r"clip\.mp4: pictures, after table: expected sources of one kind"):
        studio_kind(parsed(sensors, "clip.mp4"))
    assert studio_kind(parsed("0")) is None
    assert studio_kind(parsed()) is None
    with pytest.raises(ConfigurationError, match="--size"):
        signal_settings(parsed("mic", "--size", 32), "sound", Settings())


def test_what_is_drawn():
    rising = curves(np.arange(5000.0).reshape(1, -1), (50, 80))
    ink = (rising.astype(int) - PAPER).sum(axis=2) > 100
    assert ink.any(axis=0).all()  # a line from side to side
    assert ink[:, :5].argmax(axis=0).min() > 30 > 20 > ink[:, -5:].argmax(axis=0).max()  # that rises
    flat = curves(np.zeros((2, 10)), (50, 80))
    assert set(map(tuple, flat[25])) >= {INKS[1]}
    assert (curves(np.full((1, 10), np.nan)) == PAPER).all()
    low = np.zeros((4, 3), np.float32)
    low[0] = 1
    assert spectrogram(low)[-1].sum() > spectrogram(low)[0].sum()  # low tones at the bottom
