import numpy as np
import pytest

import hebbstream as hs


@pytest.mark.parametrize(
    "command",
    [
        ("learn", "a.npy", "--width", 4, "--checkpoint", "a.npy"),
        ("embed", "a.npy", "--checkpoint", "c.safetensors", "--output", "a.npy"),
        ("embed", "a.npy", "--checkpoint", "c.safetensors", "--output", "link.npy"),
        ("export", "c.safetensors", "c.safetensors"),
        ("export", "c.safetensors", "a.npy", "--source", "a.npy"),
        ("export", "c.onnx"),
    ],
    ids=lambda command: " ".join(map(str, command)),
)
def test_nothing_is_written_over_what_is_read(run, tmp_path, command):
    np.save("a.npy", np.zeros((6, 32, 32, 3), np.uint8))
    (tmp_path / "link.npy").symlink_to("a.npy")
    hs.SoftHebbNet.from_preset("video", width=4).save("c.safetensors")
    hs.SoftHebbNet.from_preset("video", width=4).save("c.onnx")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    code, _, err = run(*command)
    assert code == 1
    assert "is to be read and written: expected two files" in err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("options", "both"),
    [
        (("--metrics", "run.safetensors"), "--checkpoint and --metrics"),
        (("--metrics", "link.safetensors"), "--checkpoint and --metrics"),
        (("--export", "new.json", "--metrics", "./new.json"), "--export and --metrics"),
    ],
)
def test_nothing_is_written_over_what_else_is_written(run, tmp_path, options, both):
    np.save("a.npy", np.zeros((6, 32, 32, 3), np.uint8))
    (tmp_path / "link.safetensors").symlink_to("run.safetensors")
    hs.SoftHebbNet.from_preset("video", width=4).save("run.safetensors")
    before = (tmp_path / "run.safetensors").read_bytes()
    code, _, err = run("learn", "a.npy", "--width", 4, *options)
    assert code == 1
    assert f"{both} are both" in err
    assert (tmp_path / "run.safetensors").read_bytes() == before


def test_standard_output_is_no_file_of_metrics(run, tmp_path):
    np.save("a.npy", np.zeros((6, 32, 32, 3), np.uint8))
    code, _, err = run("learn", "a.npy", "--width", 4, "--metrics", "-")
    assert code == 1
    assert "metrics -: expected the name of a file" in err
    assert not (tmp_path / "-").exists()


def test_a_source_that_stands_for_the_model_is_not_written_over(run, tmp_path):
    np.save("a.npy", np.zeros((6, 32, 32, 3), np.uint8))
    hs.SoftHebbNet.from_preset("video", width=4).save("c.safetensors")
    before = (tmp_path / "a.npy").read_bytes()
    code, _, err = run("export", "c.safetensors", "a.npy")
    assert code == 1
    assert "model a.npy: expected a name that ends in .onnx; frames come from --source" in err
    assert (tmp_path / "a.npy").read_bytes() == before
