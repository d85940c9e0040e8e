"""What is learned of sources that have changed since the checkpoint from which several ranks go on."""

import shutil

import numpy as np
import pytest
from clips import ramp, write_clip
from PIL import Image
from ranks import together

import hebbstream as hs
from hebbstream.adapters.images import open_images
from hebbstream.adapters.tables import open_table
from hebbstream.adapters.video import open_video
from hebbstream.distributed import learn_together
from hebbstream.streams import windows


def learn(peers, folder, net, sources, resume=True):
    """Return how many samples were learned."""
    path = folder / "run.safetensors"
    one = hs.Learner.load(path) if path.exists() and peers.rank == 0 else hs.Learner(net)
    samples = learn_together(one, sources, peers, resume=resume, progress=False).samples
    if peers.rank == 0:
        one.save(path)
    peers.gather_terms("saved")
    return samples


def learn_videos(peers, folder, **options):
    names = {name: str(folder / name) for name in ("today.mp4", "[xy].mp4", "b.mp4")}
    net = hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3)
    return learn(
        peers, folder, net, {key: lambda name=name: open_video(name, **options) for key, name in names.items()}
    )


@pytest.mark.parametrize("world", [1, 2])
def test_a_recording_that_changed_is_learned_and_no_other(tmp_path, world):
    noise = np.random.default_rng(0).integers(0, 256, (9, 24, 40, 3), np.uint8)
    for name, frames in (("today", ramp(12)), ("b", ramp(7)), ("x", noise[:5]), ("new", noise)):
        write_clip(tmp_path / f"{name}.mp4", frames)
    assert together(world, learn_videos, tmp_path)[0] == 12 + 5 + 7
    assert together(world, learn_videos, tmp_path)[0] == 0
    shutil.move(tmp_path / "new.mp4", tmp_path / "today.mp4")
    assert together(world, learn_videos, tmp_path)[0] == 9
    write_clip(tmp_path / "y.mp4", ramp(6))  # behind the others of its source
    assert together(world, learn_videos, tmp_path)[0] == 6
    (tmp_path / "b.mp4").unlink()  # what was learned to its end need not be there
    assert together(world, learn_videos, tmp_path)[0] == 0


def learn_table(peers, folder):
    net = hs.SoftHebbNet.from_preset("signal", in_channels=1, width=4)
    return learn(peers, folder, net, {"s.csv": lambda: windows(open_table(folder / "s.csv"), 100)})


def test_rows_that_were_added_are_learned_and_no_others(tmp_path):
    def write(rows, mode):
        with (tmp_path / "s.csv").open(mode) as file:
            file.writelines(f"{row % 7:.12f}\n" for row in rows)

    write(range(6000), "w")
    assert together(1, learn_table, tmp_path) == [60]
    write(range(6000, 7000), "a")
    assert together(1, learn_table, tmp_path) == [10]
    assert together(1, learn_table, tmp_path) == [0]


def learn_logs(peers, folder):
    def rows(first, count):
        return "".join(f"{row / 7:.12f},{row % 7:.12f}\n" for row in range(first, first + count))

    def learned():
        net = hs.SoftHebbNet.from_preset("signal", in_channels=2, width=4)
        return learn(peers, folder, net, {"logs": lambda: windows(open_table(folder / "*.csv"), 100)})

    found = []
    for name, first, count in ("1", 0, 3000), ("2", 0, 3000), ("2", 3000, 500), ("1", 3000, 100):
        with (folder / f"{name}.csv").open("a") as file:
            file.write(rows(first, count))
        found.append(learned())
    return found


def test_the_last_table_of_a_glob_may_grow(tmp_path):
    assert together(1, learn_logs, tmp_path) == [[30, 30, 5, 66]]


def learn_pictures(peers, folder):
    net = hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3)
    return learn(peers, folder, net, {"pics": lambda: open_images(folder / "pics")})


def test_pictures_behind_those_learned_are_learned_and_one_among_them_begins_anew(tmp_path):
    def add(*names):
        for name in names:
            Image.fromarray(np.full((8, 8, 3), len(name), np.uint8)).save(tmp_path / "pics" / f"{name}.png")

    (tmp_path / "pics").mkdir()
    add(*(f"{index:02}" for index in range(20)))
    assert together(1, learn_pictures, tmp_path) == [20]
    add("20", "21")
    assert together(1, learn_pictures, tmp_path) == [2]
    add("18b")
    assert together(1, learn_pictures, tmp_path) == [23]
    assert together(1, learn_pictures, tmp_path) == [0]
