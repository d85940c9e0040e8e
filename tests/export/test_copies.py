"""Extractors that are copied, pickled, sent to another process, and shown."""

import copy
import multiprocessing
import pickle

import numpy as np
import pytest
from waiting import waiting

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.river import OnnxTransformer
from hebbstream.export import ExportEvery, OnnxExtractor, follow, publish, to_onnx

FRAMES = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
COPIES = {"pickle": lambda found: pickle.loads(pickle.dumps(found)), "deepcopy": copy.deepcopy, "copy": copy.copy}  # noqa: S301


@pytest.fixture
def net():
    net = hs.SoftHebbNet([hs.LayerSpec(channels=4)], in_channels=3)
    net.learn_many(FRAMES)
    return net


@pytest.fixture
def path(net, tmp_path):
    return to_onnx(net, tmp_path / "net.onnx", input_dtype="uint8", layout="NHWC")


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("of", ["path", "text", "bytes"])
def test_a_copy_has_its_own_session_and_the_same_options(path, of, copied):
    model = {"path": path, "text": str(path), "bytes": path.read_bytes()}[of]
    extractor = OnnxExtractor(model, ["cpu"], threads=1, warm_up=False)
    other = copied(extractor)
    assert other._session is not extractor._session
    assert other._session.get_session_options().intra_op_num_threads == 1
    assert (other.contract, other.providers, repr(other)) == (extractor.contract, extractor.providers, repr(extractor))
    np.testing.assert_array_equal(other.transform_many(FRAMES), extractor.transform_many(FRAMES))


def test_of_a_file_only_the_path_is_pickled(path):
    extractor = OnnxExtractor(path)
    data = pickle.dumps(extractor)
    assert len(data) < 1000 < path.stat().st_size
    path.unlink()
    with pytest.raises(errors.ModelNotFoundError, match=r"no model at .*net\.onnx"):
        pickle.loads(data)  # noqa: S301
    assert extractor.transform_many(FRAMES).shape == (3, 64)


def test_another_process_runs_it(path):
    extractor = OnnxExtractor(path, ["cpu"], threads=1)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.map(extractor.transform_one, list(FRAMES))
    np.testing.assert_array_equal(found, [extractor.transform_one(frame) for frame in FRAMES])


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_a_copy_of_a_follower_follows_by_itself(net, tmp_path, copied):
    publish(net, tmp_path / "net.json")
    with follow(tmp_path / "net.json", ["cpu"], every_seconds=60, threads=1) as first:
        with copied(first) as second:
            net.learn_one(FRAMES[0])
            publish(net, tmp_path / "net.json")
            assert second.refresh()
            assert (first.contract.samples_seen, second.contract.samples_seen) == (3, 4)
            assert second.every_seconds == 60
        assert first.refresh()
        np.testing.assert_array_equal(first.transform_many(FRAMES), second.transform_many(FRAMES))


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_a_river_transformer_is_copied_with_its_model(path, copied):
    transformer = OnnxTransformer(str(path), ["cpu"], threads=1)
    other = copied(transformer)
    assert other._extractor._session.get_session_options().intra_op_num_threads == 1
    assert other.transform_one(FRAMES[0]) == transformer.transform_one(FRAMES[0])
    assert (other.path, other.providers, other.threads) == (str(path), ["cpu"], 1)


def test_it_says_what_it_is(net, path, tmp_path):
    publish(net, tmp_path / "run.json", resize=True)
    told = "input='uint8 (batch, 8, 8, 3)', features=64, precision='float32', provider='CPUExecutionProvider')"
    assert repr(OnnxExtractor(path, ["cpu"])) == f"OnnxExtractor('net.onnx', {told}"
    assert repr(OnnxExtractor(path.read_bytes(), ["cpu"])) == f"OnnxExtractor(bytes, {told}"
    with follow(tmp_path / "run.json", ["cpu"]) as following:
        assert repr(following).startswith(
            "FollowingExtractor('run.json', input='float32 (batch, 3, height, width)', features=64"
        )


def test_a_tilde_is_the_home_folder(net, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert to_onnx(net, "~/models/net.onnx") == tmp_path / "models" / "net.onnx"
    assert publish(net, "~/models/run.json").parent == tmp_path / "models"
    assert COPIES["pickle"](OnnxExtractor("~/models/net.onnx")).contract.samples_seen == 3
    with follow("~/models/run.json") as following:
        assert following.contract.samples_seen == 3
    hs.learn(net, FRAMES, callbacks=[ExportEvery("~/models/run.json")], progress=False)
    assert list((tmp_path / "models").glob("run-000000006-*.onnx"))


def test_a_tilde_that_is_no_home_folder_is_part_of_the_name(net, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert OnnxExtractor(to_onnx(net, "~draft.onnx")).contract.samples_seen == 3
    publish(net, "~draft.json")
    with follow("~draft.json") as following:
        assert following.contract.samples_seen == 3
    for write in (to_onnx, publish):
        with pytest.raises(errors.OutputError, match="no home folder for ~nosuchuser"):
            write(net, "~nosuchuser/net.json")
    for read in (OnnxExtractor, follow):
        with pytest.raises(errors.ModelNotFoundError, match=r"at ~nosuchuser/net\.json"):
            read("~nosuchuser/net.json")


def test_a_model_is_of_a_network_and_a_probe_between_two_steps_of_other_threads(net, tmp_path):
    probe = hs.SldaProbe()
    probe.learn_many(net.transform_many(FRAMES), ["left", "right", "left"])
    for part in (net, probe):
        with waiting(part._turns, lambda: to_onnx(net, tmp_path / "net.onnx", probe)) as found:
            pass
        assert found == [tmp_path / "net.onnx"]
