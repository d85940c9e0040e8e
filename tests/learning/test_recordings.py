"""A learner knows which streams it has learned, and goes on with each where it was left."""

import logging
import os
import shutil
import threading

import numpy as np
import pytest
import torch
from clips import ramp, write_clip

import hebbstream as hs
from hebbstream.adapters.tables import open_table
from hebbstream.adapters.video import open_video
from hebbstream.errors import ConnectionLostError, TruncatedVideoError
from hebbstream.learning import _recordings
from hebbstream.learning._recordings import TOGETHER, samples_to_pass, worth_knowing
from hebbstream.streams import Stream, augment, crops, interleave, novel, schedule, shuffle, windows


def tiny():
    return hs.Learner(hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3))


@pytest.fixture
def clips(tmp_path):
    """Three clips of 12, 7 and 9 frames."""
    noise = np.random.default_rng(0).integers(0, 256, (9, 24, 40, 3), np.uint8)
    pictures = {"a": ramp(12), "b": ramp(7), "c": noise}
    return {name: write_clip(tmp_path / f"{name}.mp4", made) for name, made in pictures.items()}


def learn(learner, source, *, resume=True, limit=None, **options):
    with open_video(source, **options) as stream:
        return learner.learn(stream, resume=resume, limit=limit, progress=False).samples


def saved_and_loaded(learner, tmp_path):
    learner.save(tmp_path / "run.safetensors")
    return hs.Learner.load(tmp_path / "run.safetensors")


def test_a_new_recording_is_learned_whole_and_a_known_one_goes_on(clips, tmp_path, caplog):
    learner = tiny()
    assert learn(learner, clips["a"], limit=8) == 8  # nothing was learned before: there is nothing to say
    assert not caplog.records
    learner = saved_and_loaded(learner, tmp_path)
    assert learn(learner, clips["b"], limit=5) == 5
    assert "VideoStream('b.mp4', recorded) is new, or has changed: what was learned is kept" in caplog.text
    caplog.clear()
    learner = saved_and_loaded(learner, tmp_path)
    assert [learn(learner, clips[name]) for name in "abab"] == [4, 2, 0, 0]
    assert not caplog.records
    assert learner.counters.position == 19
    assert sorted(learner.recordings.values()) == [7, 12]


def test_going_on_is_exact_whatever_was_learned_between(clips, tmp_path):
    whole, parts = tiny(), tiny()
    for name, limit in (("a", 5), ("c", None)):
        learn(whole, clips[name], limit=limit)
        learn(parts, clips[name], limit=limit)
    with open_video(clips["a"]) as stream:
        stream.fast_forward(5)
        whole.learn(stream, progress=False)
    parts = saved_and_loaded(parts, tmp_path)
    assert learn(parts, clips["a"]) == 7
    assert all(torch.equal(one, other) for one, other in zip(whole.net.buffers(), parts.net.buffers(), strict=True))


def test_a_recording_is_known_wherever_it_lies(clips, tmp_path, monkeypatch):
    learner = tiny()
    learn(learner, clips["a"], limit=8)
    (tmp_path / "away").mkdir()
    moved = shutil.move(clips["a"], tmp_path / "away" / "renamed.mov")
    monkeypatch.chdir(tmp_path / "away")
    assert learn(learner, "renamed.mov", size=16, fit="crop", limit=1) == 1
    assert learn(learner, f"file:{moved}", duration=10.0) == 3


@pytest.mark.parametrize("options", [{"stride": 2}, {"start": 0.2}, {"rate": 5.0}])
def test_one_that_is_read_in_another_way_has_other_samples(clips, caplog, options):
    learner = tiny()
    learn(learner, clips["a"])
    with open_video(clips["a"], **options) as stream:
        expected = len(list(stream))
    assert learn(learner, clips["a"], **options) == expected
    assert "is new" in caplog.text


def test_recordings_that_were_added_behind_the_others_are_learned(clips, tmp_path, caplog):
    learner, folder = tiny(), tmp_path / "folder"
    folder.mkdir()
    for name in "ab":
        shutil.copy(clips[name], folder)
    assert learn(learner, f"{folder}/*.mp4", limit=15) == 15
    shutil.copy(clips["c"], folder)
    assert learn(learner, f"{folder}/*.mp4") == 4 + 9
    assert not caplog.records
    shutil.copy(clips["c"], folder / "0.mp4")  # before the others: another order
    assert learn(learner, f"{folder}/*.mp4", limit=9) == 9
    assert "is new" in caplog.text


def cropped(learner, source):
    with crops(open_video(source), 16) as stream:
        return learner.learn(stream, resume=True, progress=False).samples


def test_recordings_behind_a_known_one_are_learned_where_pieces_are_cut_of_them(clips, tmp_path, caplog):
    learner = tiny()
    assert cropped(learner, clips["a"]) == 12
    assert cropped(learner, f"{tmp_path}/[ab].mp4") == 7
    assert not caplog.records
    assert cropped(learner, f"{tmp_path}/*.mp4") == 9
    assert learner.counters.position == 28


def test_of_recordings_in_another_order_it_says_that_they_are_learned_again(clips, tmp_path, caplog):
    learner = tiny()
    learn(learner, clips["b"])
    assert learn(learner, f"{tmp_path}/[ab].mp4") == 19
    assert (
        "is new, or has changed: what was learned is kept, and all of it is learned, though recordings in it were"
        in caplog.text
    )
    learn(learner, clips["c"])
    assert learn(learner, f"{tmp_path}/*.mp4") == 9
    assert "recordings in it that were learned before, but not as a part of it, are learned again" in caplog.text


def test_a_loop_goes_on_where_one_pass_ended(clips):
    learner = tiny()
    assert learn(learner, clips["b"]) == 7
    assert learn(learner, clips["b"], loop=True, limit=10) == 10
    assert sorted(learner.recordings.values()) == [7, 17]


def test_the_last_reading_counts(clips):
    learner = tiny()
    learn(learner, clips["a"])
    learn(learner, clips["a"], resume=False, limit=3)  # a second epoch, broken off
    assert learn(learner, clips["a"]) == 9
    with open_video(clips["b"]) as stream:
        next(stream)
        assert learner.learn(stream, limit=2, progress=False).samples == 2
        assert learner.learn(stream, limit=2, resume=True, progress=False).samples == 2
    assert learn(learner, clips["b"]) == 2


def test_what_a_fingerprint_is_of(clips, tmp_path):
    def of(source, **options):
        with open_video(source, **options) as stream:
            return stream.fingerprint

    one = of(clips["a"])
    assert len({of(clips[name]) for name in "abc"}) == 3
    assert one == of(str(clips["a"]), size=8, gray=True, duration=0.2, prefetch=0)
    assert "a.mp4" not in one
    assert str(tmp_path) not in one
    assert of("lavfi:testsrc2=size=64x48:duration=1") != of("lavfi:testsrc2=size=64x48:duration=2")
    assert hs.streams.Stream([]).fingerprint is None


def test_a_pipe_has_none_and_is_read_by_nobody_else(clips, tmp_path):
    os.mkfifo(tmp_path / "pipe.ts")
    content = write_clip(tmp_path / "a.ts", ramp(12), codec="mpeg2video").read_bytes()
    thread = threading.Thread(target=(tmp_path / "pipe.ts").write_bytes, args=(content,))
    thread.start()
    with open_video(tmp_path / "pipe.ts") as stream:
        assert stream.fingerprint is None
        assert len(list(stream)) == 12
    thread.join()


def test_what_is_made_from_a_stream_has_a_fingerprint_of_its_own(clips, caplog):
    def made(of, **options):
        with of(open_video(clips["a"]), **options) as stream:
            return stream.fingerprint

    def both(by, names="ab"):
        return lambda a: interleave({"x": a, "y": open_video(clips["b"])} if names == "ab" else {"z": a}, by=by)

    found = [
        made(augment, seed=1),
        made(novel),
        made(novel, threshold=0.3),
        made(shuffle, buffer_size=4),
        made(schedule, learn=2, skip=1, unit="samples"),
        made(both("turn")),
        made(both("time")),
        made(both("turn", "z")),
    ]
    assert len(set(found)) == len(found)
    assert not [text for text in found if "a.mp4" in text or "/" in text]
    learner = tiny()
    for _ in range(3):
        with both("turn")(open_video(clips["a"])) as stream:
            learner.learn(stream, resume=True, limit=8, progress=False)
    assert learner.counters.position == 19
    assert not caplog.records
    with interleave({"a": open_video(clips["a"]), "bare": [np.zeros((24, 40, 3), np.uint8)]}) as stream:
        assert stream.fingerprint is None


@pytest.mark.parametrize(("error", "passed"), [(ConnectionLostError, 4), (TruncatedVideoError, 8)])
def test_where_one_of_several_broke_off_the_next_run_misses_nothing_of_it(error, passed):
    frames = np.random.default_rng(0).integers(256, size=(2, 6, 8, 8, 3), dtype=np.uint8)

    def breaks_off():
        yield from frames[0][:2]
        raise error("monday: broke off")

    learner = tiny()
    for monday in (breaks_off(), frames[0]):
        sources = {"monday": Stream(monday, known_by="m"), "tuesday": Stream(frames[1], known_by="t")}
        with interleave(sources) as stream:
            found = learner.learn(stream, resume=True, progress=False)
    assert found.samples == 12 - passed  # what is damaged stays so


def test_without_a_fingerprint_all_that_was_learned_is_passed_over(clips, caplog):
    learner = tiny()
    learn(learner, clips["b"])
    frames = list(np.zeros((10, 8, 8, 3), np.uint8))
    assert learner.learn(frames, resume=True, progress=False).samples == 3
    assert "its first 7 samples are skipped" in caplog.text


def test_a_live_source_goes_on_from_now_and_is_known_by_its_address(clips):
    learner = tiny()
    learn(learner, clips["a"], live=True, retry_for=0, prefetch=20)
    (known,) = learner.recordings
    assert learn(learner, clips["a"], live=True, retry_for=0, prefetch=20) == 12
    assert learner.recordings == {known: 24}


@pytest.mark.parametrize("recordings", [[1], {"a": "many"}, 3])
def test_a_checkpoint_whose_recordings_make_no_sense_is_damaged(tmp_path, recordings):
    learner = tiny()
    learner.recordings = recordings
    learner.save(tmp_path / "run")
    with pytest.raises(hs.errors.CorruptCheckpointError):
        hs.Learner.load(tmp_path / "run")


def test_the_log_says_what_is_new_under_the_name_of_the_checkpoints(clips, caplog):
    learner = tiny()
    learn(learner, clips["a"])
    learn(learner, clips["b"], resume=False)  # not asked to go on with it
    assert not caplog.records
    learn(learner, clips["c"])
    assert [(record.name, record.levelno) for record in caplog.records] == [("hebbstream.checkpoint", logging.WARNING)]


def test_of_several_it_matters_how_long_each_is_read(clips, caplog):
    learner, both = tiny(), str(clips["a"].parent / "[ab].mp4")
    assert learn(learner, both, duration=0.1) == 6
    assert learn(learner, both, duration=0.1) == 0
    assert not caplog.records
    assert learn(learner, both) == 12 + 7  # or else most of the first would never be learned
    assert "is new" in caplog.text
    assert "though recordings in it were learned before" in caplog.text
    assert learn(learner, both, duration=0.1, loop=True, limit=8) == 8
    assert learn(learner, both, duration=0.2, loop=True, limit=8) == 8

    learner = tiny()
    assert learn(learner, clips["a"], duration=0.1) == 3
    assert learn(learner, both, duration=0.2) == 2 + 5


@pytest.mark.parametrize("by", ["turn", "time"])
def test_a_table_that_grows_beside_others_is_learned_again(tmp_path, caplog, by):
    def write(name, rows, mode="w"):
        with (tmp_path / name).open(mode) as file:
            file.writelines(f"{row / 10:.12f},{row % 7:.12f}\n" for row in rows)

    def learn_both():
        tables = {name: open_table(tmp_path / name) for name in ("a.csv", "b.csv")}
        with interleave({name: windows(rows, 100, time="0") for name, rows in tables.items()}, by=by) as stream:
            return learner.learn(stream, resume=True, progress=False).samples

    learner = hs.Learner(hs.SoftHebbNet.from_preset("signal", in_channels=1, width=4))
    write("a.csv", range(6000))
    write("b.csv", range(3000))
    assert learn_both() == 90
    assert learn_both() == 0
    assert not caplog.records
    write("b.csv", range(3000, 6000), "a")
    assert learn_both() == 120
    assert "is new" in caplog.text


def test_a_table_that_has_grown_by_less_than_a_window_is_known_all_the_same(tmp_path):
    def learn_all():
        with windows(open_table(str(tmp_path / "*.csv")), 100) as stream:
            return learner.learn(stream, resume=True, progress=False).samples

    learner = hs.Learner(hs.SoftHebbNet.from_preset("signal", in_channels=2, width=4))
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("".join(f"{row / 10:.12f},{row % 7:.12f}\n" for row in range(3000)))
    assert learn_all() == 60
    for _ in range(2):
        with (tmp_path / "b.csv").open("a") as file:
            file.write("1.0,2.0\n")
        assert learn_all() == 0


def test_a_folder_that_grows_for_years_stays_known_in_a_header_of_bounded_size(monkeypatch):
    """Known by all of its files after each of thousands of runs, it filled more than safetensors writes."""
    monkeypatch.setattr(_recordings, "_MOST_CHARACTERS", 5000)
    files = [f"windows({number:016x}~{number:016x})" for number in range(50)]
    recordings = {"clip": 7, TOGETHER: 9}
    for count in range(1, 51):
        stream = Stream("abcdefgh" * count, known_by="+".join(files[:count]))
        assert samples_to_pass(stream, recordings, position=1) == 8 * (count - 1)
        recordings = worth_knowing(recordings, stream.fingerprint) | {stream.fingerprint: 8 * count}
        assert sum(map(len, recordings)) < 5000 + len(TOGETHER)
    assert (recordings["clip"], recordings[TOGETHER]) == (7, 9)
    assert samples_to_pass(Stream("abcdefgh" * 49, known_by="+".join(files[:49])), recordings, position=1) == 8 * 49


def test_what_was_learned_first_is_forgotten_first_where_nothing_else_can_be(monkeypatch):
    monkeypatch.setattr(_recordings, "_MOST_CHARACTERS", 8)
    assert worth_knowing({"aaa": 1, "bbb": 2, "ccc": 3}, "ddd") == {"ccc": 3}
    assert worth_knowing({"aaa": 1, "much longer than that": 2}, "much longer than that") == {
        "much longer than that": 2
    }
