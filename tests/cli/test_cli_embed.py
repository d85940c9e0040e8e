import os
import shutil
import sys

import numpy as np
import pyarrow as pa
import pytest
from clips import ramp, write_clip
from PIL import Image
from pyarrow import parquet

import hebbstream as hs
from hebbstream.adapters.video import open_video
from hebbstream.cli._features import feature_file
from hebbstream.clip import CLIP


@pytest.fixture
def embed(run, checkpoint):
    return lambda source, *more: run("embed", source, "--checkpoint", checkpoint, "--quiet", *more)


def expected(checkpoint, count):
    net = hs.load(checkpoint)
    with open_video(CLIP, size=32) as frames:
        return [
            (net.transform_one(sample.x).numpy(), sample.t) for sample, _ in zip(frames, range(count), strict=False)
        ]


def test_npy_holds_the_features_and_a_second_file_their_times(embed, checkpoint):
    code, out, err = embed(CLIP, "--limit", 30, "--output", "f.npy")
    assert (code, err) == (0, "")
    assert out == "30 frames, 256 features each\nfeatures f.npy\ntimes f.times.npy\nsources f.sources.txt\n"
    wanted, times = zip(*expected(checkpoint, 30), strict=True)
    np.testing.assert_array_equal(np.load("f.npy"), np.stack(wanted))
    np.testing.assert_array_equal(np.load("f.times.npy"), times)


def test_each_frame_is_embedded_once(embed, monkeypatch):
    seen, transform_one = [], hs.SoftHebbNet.transform_one
    monkeypatch.setattr(hs.SoftHebbNet, "transform_one", lambda net, x: seen.append(x) or transform_one(net, x))
    assert embed(CLIP, "--limit", 3, "--output", "f.npy")[0] == 0
    assert len(seen) == 3


def test_frames_of_a_recording_share_the_text_of_its_name(tmp_path):
    with feature_file(tmp_path / "f.npy", 2) as file:
        for name in ("a b.mp4", "a b.mp4", "c.mp4"):
            file.write(np.zeros(2), 0.0, "".join([*name]))
        assert len({id(text) for text in file._sources}) == 2
    assert (tmp_path / "f.sources.txt").read_text() == "a b.mp4\na b.mp4\nc.mp4\n"


def test_the_checkpoint_may_stand_before_the_source(embed, run, checkpoint):
    embed(CLIP, "--limit", 3, "--output", "f.npy")
    moved = checkpoint.rename("other.safetensors")
    assert run("embed", moved, CLIP, "--limit", 3, "--output", "g.npy", "--quiet")[0] == 0
    np.testing.assert_array_equal(np.load("f.npy"), np.load("g.npy"))


def test_a_checkpoint_alone_is_no_source(run):
    code, _, err = run("embed", "run.safetensors", "--output", "f.npy")
    assert code == 2
    assert "run.safetensors: expected a source after the checkpoint" in err


@pytest.mark.parametrize("sources", [("a.mp4", "b.mp4"), ("run.safetensors", "a.mp4", "b.mp4")])
def test_one_source_is_embedded_at_a_time(run, sources):
    code, _, err = run("embed", *sources, "--output", "f.npy")
    assert code == 2
    assert f"{' '.join(sources)}: expected one, or CHECKPOINT.safetensors SOURCE" in err


def test_parquet_holds_both(embed, checkpoint, monkeypatch):
    monkeypatch.setattr("hebbstream.cli._features._PIECE_BYTES", 10_000)  # several groups of rows
    code, out, _ = embed(CLIP, "--limit", 30, "--output", "f.parquet")
    assert (code, out.splitlines()[-1]) == (0, "features f.parquet")
    table = parquet.read_table("f.parquet")
    wanted, times = zip(*expected(checkpoint, 30), strict=True)
    np.testing.assert_array_equal(np.array(table["features"].to_pylist(), np.float32), np.stack(wanted))
    assert table["time"].to_pylist() == list(times)
    assert set(table["source"].to_pylist()) == {"demo.mp4"}
    assert parquet.ParquetFile("f.parquet").num_row_groups > 1


def test_a_file_may_have_a_name_that_is_not_utf_8(embed, tmp_path):
    source = tmp_path / os.fsdecode(b"cl\xe4p.mp4")
    try:
        shutil.copy(CLIP, source)
    except OSError:
        pytest.skip("this file system allows no such name")
    for output in ("f.npy", "f.parquet"):
        assert embed(source, "--limit", 2, "--output", output)[0] == 0
    assert (tmp_path / "f.sources.txt").read_text() == "cl\\udce4p.mp4\n" * 2
    assert parquet.read_table("f.parquet")["source"].to_pylist() == ["cl\\udce4p.mp4"] * 2


def test_parquet_without_pyarrow_names_the_extra(embed, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, _, err = embed(CLIP, "--output", "f.parquet")
    assert code == 1
    assert err == "hebbstream: pyarrow is not installed: pip install 'hebbstream[parquet]'\n"
    assert not (tmp_path / "f.parquet").exists()


@pytest.mark.parametrize(
    ("source", "output", "message"),
    [
        (CLIP, "f.csv", "features f.csv: expected a name that ends in .npy or .parquet"),
        (CLIP, "/dev/null/f.npy", "cannot write /dev/null/f.npy"),
        ("missing.mp4", "f.npy", "no file at missing.mp4"),
    ],
)
def test_embed_errors_leave_nothing_behind(embed, tmp_path, source, output, message):
    code, _, err = embed(source, "--output", output)
    assert code == 1
    assert message in err
    assert [path.name for path in tmp_path.iterdir()] == ["run.safetensors"]


def test_what_came_before_a_break_is_kept(embed, clips):
    code, out, err = embed(clips[2], "--output", "f.npy", "--fit", "pad")
    assert code == 1
    assert "truncated" in err
    assert 0 < len(np.load("f.npy")) == len(np.load("f.times.npy"))
    assert out.splitlines()[1] == "features f.npy"


@pytest.fixture(params=["f.npy", "f.parquet"])
def features(request, given, taught, checkpoint):
    given("embed", CLIP, "--checkpoint", taught, "--limit", 100, "--output", request.param, "--quiet")
    return request.param


def rows(out):
    return [line.split() for line in out.splitlines()[2:-1]]


@pytest.mark.parametrize(("moment", "frame"), [("0", "0"), ("2", "50"), ("3.0", "75"), ("1.99", "50")])
def test_a_frame_finds_itself_first(run, features, moment, frame):
    code, out, err = run("search", features, f"{CLIP}@{moment}", "--count", 3)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"nearest to demo.mp4 at {int(frame) / 25:.3f} s, of 100 frames"
    assert out.splitlines()[1].split() == [
        "cosine",
        "time",
        "row",
        "source",
    ]  # of the file: with a stride, no frame's number
    found = rows(out)
    assert len(found) == 3
    assert found[0] == ["1.0000", f"{int(frame) / 25:.3f}", "s", frame, "demo.mp4"]
    assert [row[0] for row in found] == sorted((row[0] for row in found), reverse=True)
    assert out.endswith("nothing was written\n")


@pytest.mark.parametrize("apart", ["nan", "-5"])
def test_no_results_are_so_far_apart(run, features, apart):
    code, _, err = run("search", features, 0, f"--apart={apart}")
    assert (code, f"--apart {apart}: expected 0 or a positive number of seconds" in err) == (1, True)


def test_found_frames_are_apart(run, features):
    found = rows(run("search", features, f"{CLIP}@2", "--count", 4, "--apart", 0.5)[1])
    times = sorted(float(row[1]) for row in found)
    assert len(found) == 4
    assert min(np.diff(times)) >= 0.5


def test_files_of_one_name_in_two_folders_are_not_taken_for_one(run, embed, tmp_path):
    for folder in "ab":
        (tmp_path / folder).mkdir()
        shutil.copy(CLIP, tmp_path / folder / "x.mp4")
    assert embed("?/x.mp4", "--stride", 60, "--fit", "crop", "--output", "f.npy")[0] == 0
    found = rows(run("search", "f.npy", "b/x.mp4@0", "--fit", "crop", "--count", 2, "--apart", 1000)[1])
    assert [row[1] for row in found] == ["0.000", "0.000"]
    assert found[0][3] != found[1][3]


def test_cosines_are_those_of_the_features(run, features, checkpoint):
    out = run("search", features, f"{CLIP}@1", "--count", 100)[1]
    wanted = np.stack([row for row, _ in expected(checkpoint, 100)])
    cosine = wanted @ wanted[25] / np.linalg.norm(wanted, axis=1) / np.linalg.norm(wanted[25])
    found = {int(row[3]): float(row[0]) for row in rows(out)}
    assert [found[index] for index in range(100)] == pytest.approx(cosine.tolist(), abs=1e-4)


def test_a_row_finds_itself_without_the_checkpoint(run, features, checkpoint, tmp_path):
    by_frame = run("search", features, f"{CLIP}@1", "--count", 5)[1]
    checkpoint.rename(tmp_path / "elsewhere")
    assert run("search", features, "25", "--count", 5) == (0, by_frame, "")
    code, _, err = run("search", features, "100")
    assert code == 1
    assert f"row 100 of {features}: expected one of its 100" in err


def test_images_are_searched_by_image(run, embed, tmp_path):
    (tmp_path / "pics").mkdir()
    for index in range(5):
        noise = np.random.default_rng(index).integers(0, 256, (40, 56, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / "pics" / f"{index}.png")
    assert embed("pics", "--output", "pics.npy", "--fit", "crop")[0] == 0
    code, out, err = run("search", "pics.npy", "pics/3.png", "--fit", "crop", "--count", 2)
    assert (code, err) == (0, "")
    assert rows(out)[0] == ["1.0000", "-", "3", "3.png"]
    assert np.isnan(np.load("pics.times.npy")).all()


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ("missing.png", "no file at missing.png: expected an image, or VIDEO@SECONDS"),
        ("missing.mp4@3", "no file at missing.mp4"),
        (f"{CLIP}@soon", "expected an image, or VIDEO@SECONDS"),
        (f"{CLIP}@-1", "start=-1.0"),
        (f"{CLIP}@9999", "expected a moment before the end of the video"),
        ("broken.png", "broken.png: expected an image that can be decoded"),
        pytest.param("1" * 5000, "no file at 111", id="digits"),
        pytest.param("x" * 5000, "no file at xxx", id="long"),
    ],
)
def test_search_errors(run, embed, tmp_path, frame, message):
    embed(CLIP, "--limit", 5, "--output", "f.npy")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG nothing")
    code, _, err = run("search", "f.npy", frame)
    assert code == 1
    assert message in err.splitlines()[-1]


def test_features_of_another_kind_are_refused(run, embed, tmp_path):
    embed(CLIP, "--limit", 5, "--output", "f.npy")
    np.save("cube.npy", np.zeros((2, 3, 4), np.float32))
    np.save("narrow.npy", np.zeros((2, 3), np.float32))
    (tmp_path / "not.parquet").write_bytes(b"nothing")
    np.save("f.times.npy", np.zeros(4))
    np.save("words.npy", np.full((2, 256), "x"))
    vectors = pa.array(np.zeros((2, 256), np.float32).tolist())
    for file, times, features in [
        ("dated.parquet", pa.array([1, 2], pa.timestamp("s")), vectors),
        ("wordy.parquet", ["noon", "night"], vectors),
        ("single.parquet", [0.0, 1.0], [1.0, 2.0]),
        ("holes.parquet", [0.0, 1.0], pa.array([None, [0.0] * 256], pa.list_(pa.float32()))),
    ]:
        parquet.write_table(pa.table({"time": times, "source": ["a", "b"], "features": features}), file)
    for file in ("timeless.npy", "nameless.npy"):
        np.save(file, np.zeros((2, 256), np.float32))
    np.save("timeless.times.npy", np.full(2, "noon"))
    (tmp_path / "nameless.sources.txt").write_bytes(b"\xff\n\xff\n")
    for file, message in [
        ("cube.npy", "cube.npy of shape (2, 3, 4): expected (frames, features)"),
        ("narrow.npy", "narrow.npy of 3 features, FRAME of 256"),
        ("not.parquet", "not.parquet: not a file that `hebbstream embed` wrote"),
        ("dated.parquet", "dated.parquet: not a file that `hebbstream embed` wrote (Unsupported cast"),
        ("wordy.parquet", "wordy.parquet: not a file that `hebbstream embed` wrote (Failed to parse"),
        ("single.parquet", "single.parquet: not a file that `hebbstream embed` wrote (rows without features)"),
        ("holes.parquet", "holes.parquet: not a file that `hebbstream embed` wrote (rows without features)"),
        ("f.npy", "f.npy: 5 rows, 4 times, 5 sources"),
        ("words.npy", "words.npy of <U1: expected numbers"),
        ("timeless.npy", "timeless.npy: its times or sources cannot be read"),
        ("nameless.npy", "nameless.npy: its times or sources cannot be read"),
        ("none.npy", "no file at none.npy"),
    ]:
        code, _, err = run("search", file, f"{CLIP}@0")
        assert code == 1
        assert message in err


def test_a_name_with_an_at_sign_is_a_file_first(run, embed, tmp_path):
    source = write_clip(tmp_path / "a@2.mp4", ramp(3))
    embed(source, "--output", "f.npy", "--fit", "crop")
    code, out, _ = run("search", "f.npy", "a@2.mp4", "--fit", "crop", "--count", 1)
    assert code == 0
    assert rows(out)[0][3] == "0"


def test_what_a_killed_run_left_is_removed(embed, run, checkpoint, tmp_path):
    names = [tmp_path / f".{name}.0123abcd.part" for name in ("f.npy", "f.parquet", "f.mp4")]
    for name in names:
        name.write_bytes(bytes(1000))
    assert embed(CLIP, "--limit", 3, "--output", "f.npy")[0] == 0
    assert embed(CLIP, "--limit", 3, "--output", "f.parquet")[0] == 0
    assert run("predict", checkpoint, CLIP, "--limit", 3, "--video", "f.mp4")[0] == 0
    assert not [name for name in names if name.exists()]
