"""Models published while learning goes on, and an extractor that follows them."""

import errno
import hashlib
import json
import logging
import multiprocessing
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.river import LinearProbe
from hebbstream.export import ExportEvery, OnnxExtractor, follow, publish, to_onnx
from hebbstream.export._to_onnx import export_model

SPECS = [hs.LayerSpec(channels=4, pool="max", normalization="none", power=1.0)]


@pytest.fixture
def net():
    net = hs.SoftHebbNet(SPECS, in_channels=3, seed=0)
    net.frame_size = (8, 8)
    return net


FRAMES = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)


def published(folder, samples):
    """The model of a network that has learned so many samples."""
    (model,) = folder.glob(f"net-{samples:09}-*.onnx")
    return model


def test_a_published_model_is_what_the_manifest_says(net, tmp_path):
    probe = hs.SoftmaxProbe()
    probe.learn_one(net.learn_one(FRAMES[0]), "left")
    model = publish(net, tmp_path / "net.json", probe, input_dtype="uint8", layout="NHWC")
    named = json.loads((tmp_path / "net.json").read_text())
    assert named["format"] == "hebbstream-model-1"
    assert named["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert named["model"] == model.name == f"net-000000001-{named['sha256'][:8]}.onnx"
    assert named["bytes"] == model.stat().st_size
    assert named["classes"] == ["left"]
    assert named["input"] == {
        "name": "frames",
        "dtype": "uint8",
        "layout": "NHWC",
        "channels": 3,
        "height": 8,
        "width": 8,
        "value_range": [0.0, 255.0],
    }
    assert named["outputs"] == ["features", "scores", "probabilities"]


def test_a_manifest_is_no_model(net, tmp_path):
    publish(net, tmp_path / "net.json", size=8)
    with pytest.raises(
        errors.CorruptModelError, match=r"net\.json: a manifest, it seems: expected the model that it names"
    ):
        OnnxExtractor(tmp_path / "net.json")


def test_old_models_go_and_strangers_stay(net, tmp_path):
    (tmp_path / "net-best.onnx").write_bytes(b"mine")
    (tmp_path / "net-000000000.onnx").write_bytes(b"named as by an earlier version")
    for samples in range(5):
        net.samples_seen = samples
        publish(net, tmp_path / "net.json", kept=3)
    models = [published(tmp_path, samples) for samples in (2, 3, 4)]
    assert sorted(tmp_path.iterdir()) == [*models, tmp_path / "net-best.onnx", tmp_path / "net.json"]
    manifest = tmp_path / "net.json"
    for path, kept, match in (
        (manifest, 1, "kept=1"),
        (manifest, 2.5, "kept=2.5"),
        (tmp_path / "net.onnx", 2, "ends in .json"),
        (5, 2, "path 5: expected the path of a file"),
    ):
        with pytest.raises(errors.ConfigurationError, match=match):
            publish(net, path, kept=kept)
    assert len(list(tmp_path.iterdir())) == 5


def test_the_model_before_stays_even_if_the_clock_has_gone_back(net, tmp_path):
    for samples in range(3):
        net.samples_seen = samples
        publish(net, tmp_path / "net.json")
        if samples == 0:
            os.utime(published(tmp_path, 0), (2e9, 2e9))
    assert sorted(tmp_path.glob("*.onnx")) == [published(tmp_path, 1), published(tmp_path, 2)]


def test_a_file_that_cannot_be_looked_at_ends_no_run(net, tmp_path):
    gone = tmp_path / "net-000000009-0123abcd.onnx"
    gone.symlink_to(tmp_path / "nowhere")
    export = ExportEvery(tmp_path / "net.json", every_samples=1)
    hs.learn(net, FRAMES, callbacks=[export], progress=False)
    assert sorted(tmp_path.glob("*.onnx")) == [published(tmp_path, 2), published(tmp_path, 3), gone]


def test_publishing_that_breaks_off_leaves_the_manifest_and_its_model(net, tmp_path, monkeypatch):
    publish(net, tmp_path / "net.json")
    probe = hs.SoftmaxProbe()
    probe.learn_one(net.transform_one(FRAMES[0]), "left")

    def broken_off(path, *arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", broken_off)
    with pytest.raises(KeyboardInterrupt):
        publish(net, tmp_path / "net.json", probe)
    with follow(tmp_path / "net.json") as follower:
        assert follower.classes == []


def test_learning_publishes_and_is_the_same_as_without(frames, tmp_path):
    def learned(*callbacks, engine="eager"):
        net = hs.SoftHebbNet.from_preset("cifar10", width=4, engine=engine)
        probe = hs.SoftmaxProbe()
        stream = [(frame, number % 2) for number, frame in enumerate(frames[:25])]
        hs.learn(net, stream, probe, callbacks=callbacks, progress=False)
        return net

    alone = learned()
    for engine in ("eager", "pipelined"):
        manifest = tmp_path / engine / "net.json"
        callback = ExportEvery(manifest, every_samples=10)
        beside = learned(callback, engine=engine)
        assert callback.models == 3
        assert [path.name[:13] for path in sorted(manifest.parent.glob("*.onnx"))] == ["net-000000020", "net-000000025"]
        for one, other in zip(alone.layers, beside.layers, strict=True):
            assert (one.weight == other.weight).all()
        # A model of 20 samples is the network after 20 samples, in every layer.
        after = hs.SoftHebbNet.from_preset("cifar10", width=4)
        for frame in frames[:20]:
            after.learn_one(frame)
        found = OnnxExtractor(published(manifest.parent, 20)).transform_many(frames[:3])
        np.testing.assert_allclose(found, after.transform_many(frames[:3]), rtol=1e-3, atol=1e-3)


class Foreign:
    """A classifier that cannot be exported."""

    def predict_one(self, x):
        return "x"

    def learn_one(self, x, y):
        pass


@pytest.mark.parametrize(
    ("probe", "options", "outputs", "classes"),
    [
        (hs.SoftmaxProbe, {"precision": "int8"}, ("features", "scores", "probabilities"), ["x"]),
        (LinearProbe, {}, ("features", "scores", "probabilities"), ["x"]),
        (hs.SoftmaxProbe, {"feature_map": True}, ("feature_map",), []),
        (Foreign, {}, ("features",), []),
        (lambda: None, {}, ("features",), []),
    ],
)
def test_the_learners_probe_comes_along_where_it_can(frames, tmp_path, caplog, probe, options, outputs, classes):
    net, probe = hs.SoftHebbNet.from_preset("cifar10", width=4), probe()
    callback = ExportEvery(tmp_path / "net.json", every_samples=20, **options)
    hs.learn(net, [(frame, "x") for frame in frames[:20]], probe, callbacks=[callback], progress=False)
    extractor = OnnxExtractor(published(tmp_path, 20))
    assert extractor.contract.outputs == outputs
    assert extractor.contract.precision == options.get("precision", "float32")
    assert extractor.classes == classes
    assert ("with a Foreign: expected an OnlineProbe" in caplog.text) == isinstance(probe, Foreign)


def test_before_the_first_label_there_is_no_class(frames, tmp_path):
    net, probe = hs.SoftHebbNet.from_preset("cifar10", width=4), hs.SoftmaxProbe()
    stream = [hs.Sample(frame, y="x" if number >= 10 else None) for number, frame in enumerate(frames[:20])]
    hs.learn(net, stream, probe, callbacks=[ExportEvery(tmp_path / "net.json", every_samples=10)], progress=False)
    models = sorted(tmp_path.glob("*.onnx"))
    assert [OnnxExtractor(model).classes for model in models] == [[], ["x"]]


def test_frames_that_are_read_only_once_do_for_every_model(frames, tmp_path):
    callback = ExportEvery(tmp_path / "net.json", every_samples=5, precision="float16", frames=iter(frames[:3]))
    hs.learn(hs.SoftHebbNet.from_preset("cifar10", width=4), frames[:10], callbacks=[callback], progress=False)
    assert callback.models == 2


def ordinary_frames_and_a_covered_lens(ordinary, covered, shade=0):
    return [
        *FRAMES.repeat(-(-ordinary // len(FRAMES)), axis=0)[:ordinary],
        *np.full((covered, 8, 8, 3), shade, np.uint8),
    ]


def test_lower_precision_is_calibrated_on_frames_of_the_whole_run(tmp_path):
    net = hs.SoftHebbNet([hs.LayerSpec(channels=8)], 3)
    callback = ExportEvery(tmp_path / "net.json", every_samples=270, precision="int8")
    hs.learn(net, ordinary_frames_and_a_covered_lens(200, 70), callbacks=[callback], progress=False)
    found, expected = OnnxExtractor(published(tmp_path, 270)).transform_many(FRAMES), net.transform_many(FRAMES).numpy()
    assert np.linalg.norm(found - expected) < 0.1 * np.linalg.norm(expected)


def test_a_resumed_run_has_the_frames_of_the_one_before(tmp_path):
    def callbacks(name):
        export = ExportEvery(tmp_path / name / "net.json", precision="int8")
        return [export, hs.Checkpoint(tmp_path / name / "run", every_samples=None)]

    frames = ordinary_frames_and_a_covered_lens(100, 0)
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole, parts = callbacks("whole"), callbacks("parts")
    for limit, watching in ((100, whole), (99, parts)):
        net = hs.SoftHebbNet([hs.LayerSpec(channels=8)], 3)
        hs.Learner(net, callbacks=watching).learn(frames, limit=limit, progress=False)
    parts = callbacks("parts")
    hs.Learner.load(tmp_path / "parts" / "run", callbacks=parts).learn(frames, resume=True, progress=False)
    np.testing.assert_array_equal(np.stack(parts[0]._sample), np.stack(whole[0]._sample))
    assert published(tmp_path / "parts", 100).read_bytes() == published(tmp_path / "whole", 100).read_bytes()


def test_it_keeps_few_frames_however_many_come(tmp_path):
    callback = ExportEvery(tmp_path / "net.json", precision="int8")
    frames = ordinary_frames_and_a_covered_lens(100, 0)
    hs.learn(hs.SoftHebbNet([hs.LayerSpec(channels=8)], 3), frames, callbacks=[callback], progress=False)
    assert callback.models == 1
    assert len(callback._sample) == 64


@pytest.mark.parametrize("shade", [0, 255])
def test_nor_on_a_covered_lens_alone(tmp_path, caplog, shade):
    net = hs.SoftHebbNet([hs.LayerSpec(channels=8)], 3)
    callback = ExportEvery(tmp_path / "net.json", every_samples=5, precision="int8")
    hs.learn(net, ordinary_frames_and_a_covered_lens(0, 5, shade), callbacks=[callback], progress=False)
    assert f"frames of values from {shade // 255} to {shade // 255}: expected more contrast" in caplog.text
    assert callback.models == 0
    hs.learn(net, ordinary_frames_and_a_covered_lens(5, 0), callbacks=[callback], progress=False)
    assert callback.models == 1


def test_options_that_cannot_work_are_refused_before_the_first_sample(net, frames, tmp_path, monkeypatch):
    for match, manifest, options in (
        ("every_samples=0", "net.json", {"every_samples": 0}),
        ("every_samples=2.5", "net.json", {"every_samples": 2.5}),
        ("kept=1", "net.json", {"kept": 1}),
        (r"ends in \.json", "net.onnx", {}),
        ("layout='NHCW'", "net.json", {"layout": "NHCW"}),
        ("precision='int4'", "net.json", {"precision": "int4"}),
    ):
        with pytest.raises(errors.ConfigurationError, match=match):
            ExportEvery(tmp_path / manifest, **options)
    (tmp_path / "file").touch()
    unlimited = hs.SoftHebbNet(SPECS, in_channels=3, input_range=None)
    for error, manifest, learns, options in (
        (errors.OutputError, "file/net.json", net, {}),
        (errors.ImageSizeError, "net.json", net, {"size": 1}),
        (errors.ConfigurationError, "net.json", unlimited, {"input_dtype": "uint8"}),
        (errors.MissingDependencyError, "net.json", net, {"precision": "int8"}),
    ):
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        with pytest.raises(error):
            hs.learn(learns, frames, callbacks=[ExportEvery(tmp_path / manifest, **options)], progress=False)
        assert learns.samples_seen == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_a_full_disk_is_reported_and_learning_goes_on(frames, tmp_path, monkeypatch, caplog):
    net = hs.SoftHebbNet.from_preset("cifar10", width=4)
    callback = ExportEvery(tmp_path / "net.json", every_samples=5)
    write, full = Path.write_bytes, [False]

    def write_bytes(self, data):
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, data)

    def fill(step):
        full[0] = step.index >= 5

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with caplog.at_level(logging.ERROR, "hebbstream.export"):
        report = hs.learn(net, frames[:12], callbacks=[callback, fill], progress=False)
    assert report.samples == 12
    assert "No space left on device" in caplog.text
    assert json.loads((tmp_path / "net.json").read_text())["samples_seen"] == 5
    assert len(list(tmp_path.glob("*.onnx"))) == 1


def _damage(kind, manifest, model):
    """Publish nothing, but put a damaged model where a new one would be."""
    data = bytearray(model.read_bytes())
    named = json.loads(manifest.read_text())
    if kind == "cut":
        data = data[: len(data) // 2]
    elif kind == "flipped":
        data[len(data) // 2] ^= 4
    elif kind == "flipped, with its own hash":
        data[len(data) // 2] ^= 4
        named["sha256"] = hashlib.sha256(data).hexdigest()
    elif kind == "another, whole":
        data = bytearray(export_model(hs.SoftHebbNet(SPECS, in_channels=3, seed=9), size=8).data)
    elif kind == "elsewhere":
        named["model"] = "../" + model.name
    name = f"damaged-{hashlib.sha256(data + kind.encode()).hexdigest()[:8]}.onnx"
    if kind != "missing":
        manifest.with_name(name).write_bytes(data)
    part = manifest.with_suffix(".part")
    part.write_text(
        "{ no JSON"
        if kind == "no JSON"
        else json.dumps(named | {"model": named["model"] if kind == "elsewhere" else name, "written": kind})
    )
    part.replace(manifest)


def test_50_swaps_under_load_with_10_damaged_files(net, tmp_path):
    manifest = tmp_path / "net.json"
    kinds = [
        "cut",
        "flipped",
        "flipped, with its own hash",
        "missing",
        "elsewhere",
        "no JSON",
        "cut",
        "flipped",
        "another, whole",
        "elsewhere",
    ]
    damaged = dict(zip(range(5, 51, 5), kinds, strict=True))
    weight = net.layers[0].weight.clone()
    frame = FRAMES[0]
    base = net.transform_one(frame).numpy()
    results, errors_met, done = [[], []], [], threading.Event()

    def consume(mine):
        try:
            while not done.is_set():
                mine.append(follower.transform_many(np.stack([frame] * 3)))
        except Exception as error:
            errors_met.append(error)

    net.samples_seen = 1
    publish(net, manifest)
    with follow(manifest, every_seconds=0.001, threads=1) as follower:
        threads = [threading.Thread(target=consume, args=(mine,)) for mine in results]
        for thread in threads:
            thread.start()
        for number in range(2, 52):
            if number in damaged:
                _damage(damaged[number], manifest, published(tmp_path, net.samples_seen))
                refused = follower.refused
                deadline = time.monotonic() + 5
                while damaged[number] != "no JSON" and follower.refused == refused and time.monotonic() < deadline:
                    time.sleep(0.001)
                time.sleep(0.003)
                assert follower.contract.samples_seen == net.samples_seen
                publish(net, manifest)  # a manifest that is whole again, of the model that is in place
            net.layers[0].weight.copy_(weight * number)  # what comes out says which model it came from
            net.samples_seen = number
            publish(net, manifest)
            deadline = time.monotonic() + 20
            while follower.contract.samples_seen != number and time.monotonic() < deadline:
                time.sleep(0.0005)
            assert follower.contract.samples_seen == number
        done.set()
        for thread in threads:
            thread.join()
    assert not errors_met
    assert follower.refused == 9  # the manifest that is no JSON names none
    assert follower.swaps >= 50
    for mine in results:
        models = []
        for found in mine:
            assert found.shape == (3, base.size)  # nothing lost
            model = round(float(found[0].sum() / base.sum()))
            np.testing.assert_allclose(found, np.stack([base * model] * 3), rtol=1e-3)  # of one model, all of it
            models.append(model)
        assert models == sorted(models)  # never back to an older one
        assert len(set(models)) > 5
        assert set(models) <= set(range(1, 52))


def test_a_model_that_reads_or_gives_something_else_is_refused(net, tmp_path, caplog):
    manifest = tmp_path / "net.json"
    publish(net, manifest)
    with follow(manifest, every_seconds=60) as follower:
        for number, options in enumerate(({"input_dtype": "uint8"}, {"size": 16}, {"feature_map": True}), start=1):
            net.samples_seen = number
            publish(net, manifest, **options)
            with caplog.at_level(logging.WARNING, "hebbstream.export"):
                assert not follower.refresh()
            assert not follower.refresh()  # once is enough
        assert follower.refused == 3
        assert "the earlier model is kept" in caplog.text
        assert follower.transform_one(FRAMES[0]).shape == (4 * 4 * 4,)
        net.samples_seen = 9
        publish(net, manifest)
        stream = follower.transform_stream(FRAMES, batch=2)
        first = next(stream)[1]
        assert follower.refresh()
        assert follower.contract.samples_seen == 9
        np.testing.assert_array_equal([first, *(features for _, features in stream)], follower.transform_many(FRAMES))


def test_a_model_that_comes_after_its_manifest_is_taken_over(net, tmp_path, caplog):
    manifest = tmp_path / "net.json"
    publish(net, manifest)
    with follow(manifest, every_seconds=60) as follower:
        net.samples_seen = 1
        model = publish(net, manifest)
        whole = model.read_bytes()
        model.unlink()
        assert not follower.refresh()
        for copied in (0, len(whole) // 2):
            model.write_bytes(whole[:copied])
            assert not follower.refresh()
        assert len(caplog.records) == follower.refused == 1
        model.write_bytes(whole)
        assert follower.refresh()
        assert follower.contract.samples_seen == 1


def test_a_model_that_could_not_be_opened_by_chance_is_opened_later(net, tmp_path, caplog, monkeypatch):
    manifest = tmp_path / "net.json"
    publish(net, manifest)
    with follow(manifest, every_seconds=60) as follower:
        net.samples_seen = 1
        publish(net, manifest)
        with monkeypatch.context() as short:
            short.setattr("hebbstream.export._extractor.make_session", lambda *_, **options: bytearray(sys.maxsize))
            assert [follower.refresh(), follower.refresh()] == [False, False]
        assert [record.exc_info[0] for record in caplog.records] == [MemoryError]
        assert follower.refresh()


def test_a_model_that_does_not_fit_is_refused_before_it_is_opened(net, tmp_path, monkeypatch):
    publish(net, tmp_path / "net.json")
    with follow(tmp_path / "net.json", every_seconds=60) as follower:
        net.samples_seen = 1
        publish(net, tmp_path / "net.json", size=16)
        monkeypatch.setattr(OnnxExtractor, "__init__", lambda *_, **options: pytest.fail("it was opened"))
        assert not follower.refresh()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_forked_process_follows_by_itself(net, tmp_path, threads):
    publish(net, tmp_path / "net.json")

    def follows():
        deadline = time.monotonic() + 10
        while follower.contract.samples_seen == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        follower.close()
        sys.exit(follower.contract.samples_seen)

    follower = follow(tmp_path / "net.json", ["cpu"], threads=threads, every_seconds=0.01)
    with follower, follower._refreshing:  # held by a thread that the other process does not have
        net.samples_seen = 1
        publish(net, tmp_path / "net.json")
        process = multiprocessing.get_context("fork").Process(target=follows)
        process.start()
        process.join(20)
        process.kill()
        assert process.exitcode == 1


def test_following_what_is_not_there_is_refused(net, tmp_path):
    with pytest.raises(errors.ModelNotFoundError, match="no manifest at"):
        follow(tmp_path / "net.json")
    (tmp_path / "net.json").write_text("[]")
    with pytest.raises(errors.CorruptModelError, match="expected an object"):
        follow(tmp_path / "net.json")
    (tmp_path / "net.json").write_text("[" * 100_000)
    with pytest.raises(errors.CorruptModelError, match="no JSON"):
        follow(tmp_path / "net.json")
    publish(net, tmp_path / "net.json")
    for wrong in (0, np.nan, np.inf):
        with pytest.raises(errors.ConfigurationError, match=f"every_seconds={wrong}"):
            follow(tmp_path / "net.json", every_seconds=wrong)
    to_onnx(net, tmp_path.parent / "outside.onnx")
    named = json.loads((tmp_path / "net.json").read_text()) | {"model": "../outside.onnx"}
    (tmp_path / "net.json").write_text(json.dumps(named))
    with pytest.raises(errors.CorruptModelError, match="expected the name of a file beside it"):
        follow(tmp_path / "net.json")
    (tmp_path / "net.json").write_text(json.dumps(named | {"model": "a\0b"}))
    with pytest.raises(errors.ModelNotFoundError, match="no model at"):
        follow(tmp_path / "net.json")


def test_frames_of_another_size_begin_the_sample_anew(tmp_path):
    net = hs.SoftHebbNet.from_preset("cifar10", width=4)
    export = ExportEvery(tmp_path / "net.json", every_samples=10, precision="float16")
    frames = [*np.zeros((10, 3, 32, 32), np.float32), *np.zeros((10, 3, 48, 48), np.float32)]
    hs.learn(net, frames, callbacks=[export], progress=False)
    assert export.models == 2
