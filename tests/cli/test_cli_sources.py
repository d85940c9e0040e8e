"""What is no video as a source: folders of images, arrays, IDX, tar shards; frames of other shapes."""

import gzip
import random
import struct
import tarfile
import threading
import time
import zipfile

import numpy as np
import pytest
import torch
from clips import ramp, write_clip
from PIL import Image

import hebbstream as hs
from hebbstream import cli, errors
from hebbstream.adapters._picture import PictureFormat
from hebbstream.adapters.images import open_images
from hebbstream.adapters.video import open_video
from hebbstream.cli._stills import kind_of, open_stills
from hebbstream.cli._types import media_in
from hebbstream.clip import CLIP

COUNT = 6
PICTURES = np.random.default_rng(0).integers(0, 256, (COUNT, 32, 32, 3), np.uint8)
LABELS = ["cat", "dog"] * (COUNT // 2)


def write_folder(folder):
    for index, (picture, label) in enumerate(zip(PICTURES, LABELS, strict=True)):
        path = folder / label / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)


def write_shard(path, mode):
    folder = path.with_name(f"{path.name} files")
    write_folder(folder)
    with tarfile.open(path, mode) as tar:
        for index, label in enumerate(LABELS):
            (folder / "text").write_text(label)
            tar.add(folder / label / f"{index}.png", f"{index}.png")
            tar.add(folder / "text", f"{index}.cls")


def write_idx(path, pictures):
    content = bytes([0, 0, 8, pictures.ndim]) + struct.pack(f">{pictures.ndim}I", *pictures.shape) + pictures.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_unnamed(path):
    with path.open("wb") as file:
        np.save(file, PICTURES)


def write_archive(path):
    with path.open("wb") as file:
        np.savez(file, x=PICTURES, y=[LABELS.index(label) for label in LABELS])


WRITERS = {
    "a folder": (write_folder, "images", []),
    "pictures.npy": (lambda path: np.save(path, PICTURES), "arrays", []),
    "named otherwise": (write_unnamed, "arrays", []),
    "float.npy": (lambda path: np.save(path, (PICTURES / np.float32(255)).transpose(0, 3, 1, 2)), "arrays", []),
    "pictures.npz": (write_archive, "arrays", ["--arrays", "x,y"]),
    "train-images-idx4-ubyte": (lambda path: write_idx(path, PICTURES), "arrays", []),
    "train-images.gz": (lambda path: write_idx(path, PICTURES), "arrays", []),
    "train-0.tar": (lambda path: write_shard(path, "w"), "shards", []),
    "train-0.tgz": (lambda path: write_shard(path, "w:gz"), "shards", []),
    "shard without a suffix": (lambda path: write_shard(path, "w:xz"), "shards", []),
}


@pytest.fixture(params=WRITERS)
def source(request, tmp_path):
    writer, kind, options = WRITERS[request.param]
    writer(tmp_path / request.param)
    return str(tmp_path / request.param), kind, options


def test_each_kind_is_told_by_what_it_holds(source):
    name, kind, _ = source
    assert kind_of(name) == kind


@pytest.mark.parametrize(
    "name",
    [
        "clip.mp4",
        "array.npy",
        "set.tar",
        "12",
        "no/such/folder",
        "*.npy",
        "bytes.idx",
        "lavfi:" + 999 * "x",
        "[",
        "{",
        "-",
    ],
)
def test_all_else_is_a_video(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "clip.mp4", ramp(3))
    for path in ("array.npy", "set.tar"):  # in name only
        (tmp_path / path).write_bytes((tmp_path / "clip.mp4").read_bytes())
    (tmp_path / "bytes.idx").write_bytes(bytes(600))
    (tmp_path / "12").mkdir()
    assert kind_of(name) == "video"


def test_shards_are_told_by_the_first_that_a_pattern_names(tmp_path):
    write_shard(tmp_path / "train-0.tar", "w")
    write_shard(tmp_path / "train-1.tar", "w")
    assert kind_of(f"{tmp_path}/train-*.tar") == kind_of(f"{tmp_path}/train-{{0..1}}.tar") == "shards"


def test_all_commands_take_all_kinds(run, source):
    name, kind, options = source
    quiet = ["--width", 4, "--quiet", *options]
    code, out, err = run("learn", name, *quiet)
    assert (code, err) == (0, "")
    assert "learned 6 samples" in out
    saved = hs.Learner.load("run.safetensors")
    labelled = kind != "arrays" or options
    assert (saved.probe.steps, len(saved.replay)) == (COUNT, COUNT) if labelled else saved.probe is None
    order = sorted(range(COUNT), key=lambda index: LABELS[index]) if kind == "images" else range(COUNT)
    learned_in = list(order)
    if kind == "images":  # not one class after the other
        random.Random(0).shuffle(learned_in)  # noqa: S311  # an order, not a secret
        assert learned_in != order
    net = hs.SoftHebbNet.from_preset("pictures", width=4)
    for index in learned_in:
        net.learn_one(PICTURES[index])
    torch.testing.assert_close(saved.net.layers[0].weight, net.layers[0].weight)
    code, out, err = run("predict", name, "--novelty", *options)
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == COUNT + 2
    code, _, err = run("embed", name, "--output", "f.npy", "--quiet", *options)
    assert (code, err) == (0, "")
    wanted = torch.stack([saved.net.transform_one(PICTURES[index]) for index in order])
    np.testing.assert_allclose(np.load("f.npy"), wanted, rtol=1e-4, atol=1e-5)
    code, out, err = run("evaluate", "run.safetensors", name, "--quiet", *options)
    if labelled:
        assert (code, err) == (0, "")
        assert "over 6 frames" in out
    else:
        assert code == 1
        assert "without --labels: expected the file of its labels" in err


@pytest.mark.parametrize(
    ("preset", "more", "mixed"),
    [
        ("motion", [], [False, True]),  # a network that does not learn sees no successive frames
        ("motion", ["--learn-features"], [False, False]),
        ("pictures", ["--learn-features"], [True, True]),
    ],
)
def test_a_folder_is_in_order_where_a_network_learns_what_moves(run, tmp_path, monkeypatch, preset, more, mixed):
    def noted(*arguments, shuffle, **options):
        seen.append(shuffle)
        return open_images(*arguments, shuffle=shuffle, **options)

    seen = []
    monkeypatch.setattr("hebbstream.cli._stills.open_images", noted)
    write_folder(tmp_path / "pics")
    assert run("learn", "pics", "--preset", preset, "--width", 4, "--limit", 2, "--quiet")[0] == 0
    assert run("evaluate", "run.safetensors", "pics", "--limit", 2, "--quiet", *more)[0] == 0
    assert seen == mixed


def test_verify_takes_an_array(run):
    np.save("a.npy", PICTURES)
    run("learn", "a.npy", "--width", 4, "--quiet")
    assert run("export", "run.safetensors", "net.onnx")[0] == 0
    code, out, err = run("verify", "net.onnx", "a.npy", "--checkpoint", "run.safetensors", "--seconds", 0.1)
    assert (code, err) == (0, "")
    assert "6 frames" in out


def test_a_file_of_labels_for_an_array(run):
    np.save("a.npy", PICTURES)
    np.save("y.npy", np.arange(COUNT) % 3)
    run("learn", "a.npy", "--labels", "y.npy", "--width", 4, "--quiet")
    assert hs.Learner.load("run.safetensors").probe.classes == [0, 1, 2]
    assert "over 6 frames" in run("evaluate", "run.safetensors", "a.npy", "--labels", "y.npy", "--quiet")[1]


def test_stills_are_resumed_and_thinned(run):
    np.save("a.npy", PICTURES)
    options = ("a.npy", "--width", 4, "--quiet")
    run("learn", *options, "--limit", 2)
    assert "learned 4 samples" in run("learn", *options, "--resume")[1]
    assert "learned 2 samples" in run("learn", *options, "--stride", 4)[1]


def test_stills_that_are_new_are_learned_whole_and_known_ones_go_on(run, tmp_path):
    options = ("--width", 4, "--quiet", "--resume")
    np.save("a.npy", PICTURES)
    np.save("b.npy", PICTURES[::-1])
    write_folder(tmp_path / "pics")
    write_shard(tmp_path / "s.tar", "w")
    assert "learned 4 samples" in run("learn", "a.npy", *options, "--limit", 4)[1]
    for name in ("b.npy", "pics", "s.tar"):
        code, out, err = run("learn", name, *options)
        assert (code, f"learned {COUNT} samples" in out, "is new" in err) == (0, True, True)
    assert "learned 2 samples" in run("learn", "a.npy", *options)[1]


def test_a_folder_to_which_pictures_are_added_goes_on(run, tmp_path):
    options = ("pics", "--width", 4, "--quiet", "--resume")
    for index in range(20):
        (tmp_path / "pics").mkdir(exist_ok=True)
        Image.fromarray(PICTURES[index % COUNT]).save(tmp_path / "pics" / f"{index:03}.png")
    assert "learned 20 samples" in run("learn", *options)[1]
    for index in range(20, 23):
        Image.fromarray(PICTURES[index % COUNT]).save(tmp_path / "pics" / f"{index:03}.png")
    assert "learned 3 samples" in run("learn", *options)[1]


def test_each_command_says_how_many_damaged_pictures_it_left_out(run, tmp_path):
    for index, name in enumerate(("cat/1.png", "cat/2.png", "dog/3.png", "dog/4.png")):
        (tmp_path / "pics" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(PICTURES[index]).save(tmp_path / "pics" / name)
    assert run("learn", "pics", "--width", 4, "--quiet")[0] == 0
    (tmp_path / "pics" / "dog" / "5.png").write_bytes(b"no picture")
    for command in (
        ("embed", "pics", "--output", "f.npy"),
        ("predict", "pics"),
        ("evaluate", "run.safetensors", "pics"),
    ):
        assert "4 frames (1 damaged left out)" in run(*command)[1]


def test_labels_of_pictures_may_lie_beside_them(run, tmp_path):
    (tmp_path / "pics").mkdir()
    rows = ["file_name,label"]
    for index in range(12):
        Image.fromarray(PICTURES[index % COUNT]).save(tmp_path / "pics" / f"{index}.png")
        rows.append(f"{index}.png,{'cat' if index % 2 else 'dog'}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    options = ("pics", "--labels", "labels.csv")
    code, out, _ = run("learn", *options, "--width", 4, "--quiet")
    assert (code, "it keeps 12 labelled samples" in out) == (0, True)
    code, out, _ = run("evaluate", "run.safetensors", *options)
    assert (code, "12 frames" in out) == (0, True)


@pytest.mark.parametrize("change", ["one among them", "one fewer"])
def test_a_folder_whose_pictures_move_up_or_down_is_learned_again(run, tmp_path, change):
    """Else those that moved would be passed over, or learned twice."""
    (tmp_path / "pics").mkdir()
    for index in range(20):
        Image.fromarray(PICTURES[index % COUNT]).save(tmp_path / "pics" / f"{index:03}.png")
    options = ("pics", "--width", 4, "--quiet", "--resume")
    assert "learned 18 samples" in run("learn", *options, "--limit", 18)[1]
    if change == "one fewer":
        (tmp_path / "pics" / "016.png").unlink()
    else:
        Image.fromarray(PICTURES[0]).save(tmp_path / "pics" / "016b.png")
    code, out, err = run("learn", *options)
    left = 19 if change == "one fewer" else 21
    assert (code, f"learned {left} samples" in out, "is new, or has changed" in err) == (0, True, True)


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("a.npy", ["--rate", 2], "--rate for a.npy: expected a video, found an array file"),
        ("a.npy", ["--start", 2], "--start for a.npy: expected a video, found an array file"),
        ("pics", ["--stream", 1], "--stream for pics: expected a video, found a folder of images"),
        ("pics", ["--format", "mjpeg"], "--format for pics: expected a video, found a folder of images"),
        ("pics", ["--loop"], "--loop for pics: expected a video, found a folder of images"),
        (
            "pics",
            ["--labels", "y.npy"],
            "y.npy: it cannot be read (No such file or directory)",
        ),
        ("pics", ["--arrays", "x"], "--arrays for pics: expected an .npz file, found a folder of images"),
        (CLIP, ["--arrays", "x"], "expected an .npz file"),
        (CLIP, ["--label", "y"], "expected a table or sound, found pictures; did you mean --labels?"),
        ("a.npy", ["--window", 10], "--window for a.npy: expected a table or sound, found pictures"),
        (
            "a.csv.zip",
            ["--window", 10],
            "--window for a.csv.zip: expected a table or sound, found a packed file: unpack it first",
        ),
        ("empty", ["--window", 10], "found a folder that holds none; of folders in it, name a pattern such as"),
        ("a.jsonl", [], "a.jsonl: expected the folder of its pictures, and --labels a.jsonl"),
        ("a.txt", ["--window", 10], "found *.txt: the name of a table ends in .csv, .tsv, .parquet"),
        (CLIP, ["--sync-every", 5], "--sync-every 5: expected --distributed"),
        (CLIP, ["--distributed", "--wire", "float16"], "--wire float16: expected --sync-every"),
        (
            CLIP,
            ["--replay-per-sample", 2],
            "--replay-per-sample 2: expected --labels (of a table, --label), which a probe learns",
        ),
        (
            "z.npz",
            [],
            "z.npz: it holds x, y: expected the names to read, as image and label, or --arrays IMAGES,LABELS",
        ),
        ("pics.zip", [], "pics.zip: an archive of pictures: expected a folder of them: unpack it first"),
        ("wide.npz", [], "wide.npz: it holds x0, x1, x2, x3, x4, x5, x6, x7 and 2 more: expected the names to read"),
        ("long.npy", [], "frame of dtype int64: expected uint8"),
        ("flat.npy", [], "frame of shape (8,)"),
        ("many.npy", [], "expected 3 channels"),
        ("empty", [], "empty: it holds no image"),
        ("cut.npy", [], "cut.npy"),
    ],
)
def test_errors_are_one_line(run, tmp_path, name, more, message):
    np.save("a.npy", PICTURES)
    write_archive(tmp_path / "z.npz")
    np.save("long.npy", PICTURES.astype(np.int64))
    np.save("flat.npy", np.zeros((4, 8), np.uint8))
    np.save("many.npy", np.zeros((4, 32, 32, 7), np.uint8))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:5000])
    (tmp_path / "empty").mkdir()
    write_folder(tmp_path / "pics")
    (tmp_path / "a.jsonl").write_text('{"file_name": "1.png"}')
    np.savez(tmp_path / "wide.npz", **{f"x{index}": PICTURES for index in range(10)})
    with zipfile.ZipFile(tmp_path / "pics.zip", "w") as archive:
        archive.writestr("cat/1.png", "")
        archive.writestr("cat/2.png", "")
    code, _, err = run("learn", name, "--width", 4, "--quiet", *more)
    assert code == 1
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("size", [(20, 20), (30, 50), (64, 64), (7, 90)])
def test_arrays_are_scaled_as_images_are(tmp_path, fit, size):
    smooth = np.stack(np.meshgrid(np.arange(60), np.arange(40)), axis=2).sum(2).astype(np.uint8)
    picture = np.stack([smooth, smooth[::-1], 2 * smooth], axis=2)
    np.save(tmp_path / "a.npy", picture[None])
    found = next(
        open_stills("arrays", f"{tmp_path}/a.npy", PictureFormat(size, fit), arrays=(None, None), labels=None)
    ).x
    wanted = PictureFormat(size, fit).convert(Image.fromarray(picture))
    assert found.shape == wanted.shape
    assert found.dtype == np.uint8
    middle = (slice(size[0] // 4, -(size[0] // 4)), slice(size[1] // 4, -(size[1] // 4)))
    if fit != "pad":  # whose borders may lie a pixel apart
        np.testing.assert_allclose(found[middle].astype(int), wanted[middle], atol=6)


@pytest.mark.parametrize(
    ("shape", "gray", "expected"),
    [
        ((2, 9, 8), False, (9, 8, 3)),
        ((2, 9, 8, 4), False, (9, 8, 3)),
        ((2, 9, 8, 3), True, (9, 8)),
        ((2, 9, 8), True, (9, 8)),
    ],
)
def test_channels_become_those_of_the_network(tmp_path, shape, gray, expected):
    pictures = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    np.save(tmp_path / "a.npy", pictures)
    form = PictureFormat(None, None, gray)
    found = next(open_stills("arrays", f"{tmp_path}/a.npy", form, arrays=(None, None), labels=None)).x
    assert found.shape == expected
    if len(shape) == 4 and gray:
        wanted = np.asarray(Image.fromarray(pictures[0]).convert("L"))
        np.testing.assert_allclose(found.astype(int), wanted, atol=1)


def warnings(err):
    return [line for line in err.splitlines() if "are stretched to" in line]


def write_shapes(tmp_path):
    for name, size in (("wide", (24, 40)), ("tall", (48, 36)), ("square", (36, 36))):
        write_clip(tmp_path / f"{name}.mp4", ramp(4, size))
        folder = tmp_path / f"{name} pictures"
        folder.mkdir()
        for index in range(3):
            Image.new("RGB", size[::-1]).save(folder / f"{index}.png")
        np.save(tmp_path / f"{name}.npy", np.zeros((3, *size, 3), np.uint8))


@pytest.mark.parametrize(
    ("shape", "size", "ending"), [("wide", "40×24", ".mp4"), ("tall", "36×48", " pictures"), ("wide", "40×24", ".npy")]
)
def test_nothing_is_stretched_without_a_word(run, tmp_path, shape, size, ending):
    write_shapes(tmp_path)
    options = ("--width", 4, "--quiet", "--limit", 3)
    code, _, err = run("learn", f"{shape}{ending}", *options)
    assert code == 0
    assert [line.partition("pictures of ")[2] for line in warnings(err)] == [
        f"{size} are stretched to 32×32; fit crop or pad keeps their shape"
    ]
    for fit in ("stretch", "crop", "pad"):
        assert not warnings(run("learn", f"{shape}{ending}", *options, "--fit", fit)[2])
    assert not warnings(run("learn", f"square{ending}", *options)[2])
    width, height = size.split("×")
    assert not warnings(run("learn", f"{shape}{ending}", *options, "--size", f"{width}x{height}")[2])


def test_a_picture_that_lies_is_turned_before_its_shape_is_judged(run, tmp_path):
    (tmp_path / "lying").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (64, 32)).save(tmp_path / "lying" / "1.jpg", exif=exif)
    assert not warnings(run("learn", "lying", "--width", 4, "--quiet", "--size", "32x64")[2])
    assert warnings(run("learn", "lying", "--width", 4, "--quiet", "--size", "64x32")[2])


@pytest.mark.parametrize("suffix", [".ts", ".mkv", ".FLAC"])
def test_a_folder_of_recordings_is_known_whatever_the_system_calls_them(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr("hebbstream.cli._types.guess_type", lambda _: ("text/vnd.trolltech.linguist", None))
    (tmp_path / f"a{suffix}").touch()
    (tmp_path / "labels.json").touch()
    assert media_in(str(tmp_path)) == f"{tmp_path}/*{suffix}"


def test_a_folder_of_recordings_of_several_kinds_says_which(run, tmp_path):
    (tmp_path / "films").mkdir()
    for name in ("a.mp4", "b.mkv", "notes.txt"):
        (tmp_path / "films" / name).touch()
    code, _, err = run("learn", "films")
    assert code == 2
    patterns = "'films/*.mkv' or 'films/*.mp4'"
    assert f"films: it holds .mkv and .mp4: expected files of one kind, or a pattern: {patterns}" in err


def test_no_camera_waits_for_another_to_answer(run, clips, monkeypatch):
    together = threading.Barrier(3, timeout=5)

    def opened(_source, **options):
        together.wait()
        return open_video(clips[1], **options | {"live": True, "retry_for": 0})

    monkeypatch.setattr(cli._source, "open_video", opened)
    cameras = [f"rtsp://{name}" for name in "abc"]
    code, out, _ = run("learn", *cameras, "--width", 4, "--size", 32, "--quiet", "--every-frame")
    assert code == 0
    assert "stream: 21 read" in out


def test_where_one_camera_refuses_the_others_are_closed_even_those_that_open_later(run, clips, monkeypatch):
    streams, refused = [], threading.Event()

    def opened(source, **options):
        if source == "rtsp://b":
            raise errors.SourcePermissionError("rtsp://b: no permission to read it")
        if source == "rtsp://c":
            refused.wait(5)
        streams.append(open_video(clips[1], **options | {"live": True}))
        return streams[-1]

    monkeypatch.setattr(cli._source, "open_video", opened)
    code, _, err = run("learn", *[f"rtsp://{name}" for name in "abc"], "--width", 4, "--size", 32, "--quiet")
    refused.set()
    assert (code, "no permission" in err) == (1, True)
    deadline = time.monotonic() + 5
    while not (len(streams) == 2 and all(stream._closing.is_set() for stream in streams)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
