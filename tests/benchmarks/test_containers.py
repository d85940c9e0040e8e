"""The fuzz of containers: its numbers can be read, its judge sees what is wrong, its report says so."""

import logging
import re
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.core import barcode, store
from benchmarks.quality import containers, peers
from benchmarks.quality.containers import Reading, faults, report, shown_from, tried
from benchmarks.quality.mutations import CONTAINERS, Mutation
from benchmarks.quality.muxing import Truth, stored, times, write
from benchmarks.quality.oddities import drawn
from hebbstream.errors import NotAVideoError, TruncatedVideoError

TRUTH = Truth(Path("clip.mp4"), [0, 1, 2, 3], [0.0, 0.1, 0.2, 0.3], 0.01, whole=True)
MATRICES = [(-1, 0, 0, -1), (0, 1, -1, 0), (0, -1, 1, 0), (-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0)]


@pytest.mark.parametrize("size", [(48, 64), (24, 64), (48, 32), (100, 100), (12, 16)])
def test_every_number_is_read_from_dark_noisy_pictures_of_any_size(size):
    noise = np.random.default_rng(0)
    for number in range(barcode.NUMBERS):
        picture = barcode.draw(number, *size)
        worse = 0.5 * picture + 20 + noise.normal(0, 10, picture.shape)
        assert barcode.read(picture) == barcode.read(worse) == barcode.read(picture[..., 0]) == number


def test_a_picture_that_is_not_upright_has_no_number():
    for number in range(barcode.NUMBERS):
        picture = barcode.draw(number, 48, 48)
        for turned in (picture[::-1], picture[:, ::-1], *(np.rot90(picture, turns) for turns in (1, 2, 3))):
            assert barcode.read(turned) is None
    assert barcode.read(np.full((48, 64, 3), 128, np.uint8)) is None


@pytest.mark.parametrize("matrix", MATRICES)
def test_a_display_matrix_puts_every_stored_pixel_where_it_belongs(matrix):
    a, b, c, d = matrix
    shown = barcode.draw(19, 48, 64)
    height, width = (64, 48) if a == 0 else (48, 64)
    found = stored(shown, matrix, height, width)
    back = np.zeros_like(shown)
    rows, columns = np.mgrid[:height, :width]
    x, y = a * columns + c * rows, b * columns + d * rows
    back[y - y.min(), x - x.min()] = found
    assert np.array_equal(back, shown)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Reading([0, 1, 2, 3], [0.0, 0.1, 0.2, 0.3]), None),
        (Reading([0, 1, 3], [0.0, 0.1, 0.3], counted=1), None),
        (Reading([0, 1, 3], [0.0, 0.1, 0.3]), "lost silently: 1 of 4"),
        (Reading([0, 2, 1, 3], [0.0, 0.1, 0.2, 0.3]), "out of order"),
        (Reading([0, 1, 1, 2, 3], [0.0, 0.1, 0.15, 0.2, 0.3]), "out of order"),
        (Reading([0, 1, 2, 3, 31], [0.0, 0.1, 0.2, 0.3, 0.4]), r"not in the file: \[31\]"),
        (Reading([0, None, 2, 3], [0.0, 0.1, 0.2, 0.3]), "unreadable: 1 of 4"),
        (Reading([0, 1, 2, 3], [0.0, 0.1, 0.2, 0.4]), "times off: by up to 0.100"),
        (Reading([0, 1, 2, 3], [0.0, 0.1, 0.2, 0.2]), "times do not rise"),
        (Reading([0, 1, 2, 3], [0.0, 0.1, 0.2, 0.3], error=TruncatedVideoError("cut")), "refused: TruncatedVideoError"),
        (Reading([], [], error=OSError("no")), "raw error: OSError: no"),
    ],
)
def test_the_judge_sees_what_is_wrong(found, expected):
    wrong = faults(TRUTH, found)
    if expected is None:
        assert not wrong
    else:
        assert any(re.match(expected, fault) for fault in wrong), wrong


def test_a_cut_file_may_end_early_but_not_in_silence():
    cut = replace(TRUTH, whole=False)
    error = TruncatedVideoError("cut")
    assert not faults(cut, Reading([0, 1], [0.0, 0.1], error=error))
    assert not faults(cut, Reading([0, 1, None], [0.0, 0.1, 0.2], error=error))  # half a picture
    assert faults(cut, Reading([0, 1], [0.0, 0.1])) == ["lost silently: 2 of 4 frames"]
    song = Truth(Path("song.mp4"), [], [], 0.01, whole=False)
    assert not faults(song, Reading([], [], error=NotAVideoError("a song")))
    assert faults(song, Reading([31], [0.0]))


def test_start_falls_between_two_frames():
    start, rest = shown_from(TRUTH, 0.5)
    assert (rest.numbers, rest.seconds) == ([2, 3], [0.2, 0.3])
    assert 0.1 < start < 0.2
    assert shown_from(TRUTH, 0.0) == (0.0, TRUTH)


def test_a_seed_gives_one_mutation_and_the_seeds_all_kinds():
    mutations = [drawn(seed) for seed in range(1000)]
    assert mutations == [drawn(seed) for seed in range(1000)]
    assert {mutation.container for mutation in mutations} == set(CONTAINERS)
    kinds = {kind for mutation in mutations for kind in mutation.kinds}
    assert kinds >= {"uneven", "gap", "holes", "long last", "late", "repeated", "swapped", "missing", "restart", "trim"}
    assert kinds >= {"orientation", "aspect", "sound first", "preview first", "cover", "song", "cut", "name", "start"}
    assert all(len(set(times(mutation))) == mutation.frames for mutation in mutations)


@pytest.mark.parametrize(
    "mutation",
    [
        Mutation(trim=(4, 3), b_frames=2),
        Mutation("mov", "mpeg4", trim=(0, 15)),
        Mutation("mkv", "mjpeg", timing="uneven", late=2.0),
        Mutation("ts", "mpeg2video", stamps="restart"),
        Mutation("gif", "gif", rate=10, timing="long last"),
    ],
)
def test_a_file_holds_what_is_said_of_it(mutation, tmp_path):
    truth = write(mutation, tmp_path)
    with av.open(str(truth.path)) as container:
        frames = list(container.decode(video=0))
    assert [barcode.read(frame.to_ndarray(format="rgb24")) for frame in frames] == truth.numbers
    if mutation.stamps == "right":
        assert np.allclose([frame.time - frames[0].time for frame in frames], truth.seconds, atol=truth.tolerance)


def test_twenty_seeds():
    rows = [tried(seed) for seed in range(20)]
    found = report(rows)
    assert found["tried"] == 20
    assert found["seeds"] == [0, 19]
    assert found["right"] + len(found["failures"]) == 20
    assert found["right"] >= 10
    assert sum(count["tried"] for count in found["containers"].values()) == 20
    for failure in found["failures"]:  # each can be found again
        assert drawn(failure["seed"]).changes == failure["mutation"]
        assert failure["kinds"]
        assert failure["faults"]


def test_peers_are_judged_alike(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    truth = write(Mutation(frames=8), tmp_path)

    def reader(shift=0.0, order=slice(None)):
        pictures = [(barcode.draw(number, 48, 64), shift + second) for number, second in enumerate(truth.seconds)]
        return lambda path: iter(pictures[order])

    def broken(path):
        yield barcode.draw(0, 48, 64), 0.0
        raise RuntimeError("crash")

    assert peers.judged(truth, reader(shift=5.0)) == {"frames": True, "times": True, "read": 8}
    assert not peers.judged(truth, reader(order=slice(0, 7)))["frames"]
    assert not peers.judged(replace(truth, seconds=[2 * second for second in truth.seconds]), reader())["times"]
    assert peers.judged(truth, broken) == {"frames": False, "times": False, "read": 1, "error": "RuntimeError"}
    assert sum(map(len, peers.FILES.values())) >= 40


def test_names_are_opened_where_no_folder_is_before_them(monkeypatch):
    seen = []
    monkeypatch.setattr(containers, "read", lambda source, *_: seen.append(source) or Reading([], []))
    for seed in (1, 2):
        tried(seed)
    assert [type(source) for source in seen] == [str, type(Path())]
    assert not any(Path(source).is_absolute() for source in seen)


@pytest.fixture
def log_levels():
    """Of the package and of FFmpeg, which a benchmark of files changes for its process."""
    logger = logging.getLogger("hebbstream")
    levels = logger.level, av.logging.get_level()
    yield
    logger.setLevel(levels[0])
    av.logging.set_level(levels[1])


@pytest.mark.usefixtures("log_levels")
def test_readers_that_are_not_here_keep_what_was_measured_of_them(tmp_path, monkeypatch, capsys):
    read = []

    def reader():
        read.append("here")
        return "1", lambda path: iter(())

    def absent():
        raise ImportError

    def call(*given):
        monkeypatch.setattr("sys.argv", ["peers", "--output", str(tmp_path / "peers.json"), *given])
        peers.main()

    monkeypatch.setattr(peers, "READERS", {"here": reader, "away": reader})
    call("--limit", "1")
    monkeypatch.setattr(peers, "READERS", {"here": reader, "away": absent, "gone": absent})
    capsys.readouterr()
    call("--limit", "1")
    assert "missing: gone (ImportError)" in capsys.readouterr().out
    assert [row["reader"] for row in store.read(tmp_path / "peers.json")["readers"]] == ["here", "away"]
    assert len(read) == 2
    with pytest.raises(SystemExit, match="of other settings \\(limit 1, not 2\\)"):
        call("--limit", "2")


def test_a_thousand_seeds_are_not_written_over_by_three(tmp_path, monkeypatch):
    path = tmp_path / "containers.json"
    store.save(path, {"seeds": [0, 999]})
    monkeypatch.setattr("sys.argv", ["containers", "--count", "3", "--output", str(path)])
    with pytest.raises(SystemExit, match=r"of seeds \[0, 999\], not \[0, 2\]: name another --output"):
        containers.main()
    assert store.read(path) == {"seeds": [0, 999]}
