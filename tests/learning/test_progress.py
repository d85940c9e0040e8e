"""The progress bar: alive on a terminal, a line now and then in a log."""

import errno
import gc
import io
import sys
import threading
from types import SimpleNamespace

import pytest
import torch

import hebbstream as hs
from hebbstream._bar import expected, progress_bar
from hebbstream.streams import Stream, novel
from hebbstream.streams._stats import StreamStats


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(monkeypatch, stream, samples=60):
    monkeypatch.setattr(sys, "stderr", stream)
    clock = iter(range(10**9))  # each look at the clock is a second later, so the status is always due
    learner = hs.Learner(hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3), clock=lambda: float(next(clock)))
    learner.learn(torch.rand(samples, 3, 8, 8))
    return stream.getvalue()


def test_a_log_gets_few_lines(monkeypatch):
    text = shown(monkeypatch, io.StringIO())
    assert len(text.split("\r")) <= 5
    assert "60/60" in text
    assert "turned" in text


def test_a_terminal_is_kept_up_to_date(monkeypatch):
    text = shown(monkeypatch, Terminal())
    assert len(text.split("\r")) > 20
    assert "60/60" in text


def test_frames_that_show_nothing_new_are_counted_whatever_else_is_left_out(monkeypatch):
    """As a share of all that a video decodes, they would be few where a stride leaves most of them out."""
    frames = Stream([torch.full((3, 8, 8), value) for value in (0.0, 0.0, 0.0, 0.5)], stats=StreamStats(dropped=36))
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    hs.learn(hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3), novel(frames, 0.1))
    assert "nothing new in 2]" in stream.getvalue()


def test_the_rate_of_a_resumed_run_leaves_out_what_it_passed_over(monkeypatch):
    now = SimpleNamespace(s=0.0)
    monkeypatch.setattr("tqdm.std.time", lambda: now.s)

    def second_by_second():
        for frame in torch.rand(100, 3, 8, 8):
            now.s += 1.0
            yield frame

    learner = hs.Learner(hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3))
    learner.learn(second_by_second(), limit=80, progress=False)
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    learner.learn(second_by_second(), resume=True)
    assert "20 samples [00:19, " in stream.getvalue()


class Broken(Terminal):
    number = 0

    def write(self, text):
        if self.tell() > 200:
            raise OSError(self.number, "broken")
        return super().write(text)

    def flush(self):
        self.write("")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_under_it_does_not_stop_learning(monkeypatch, number):
    monkeypatch.setattr(Broken, "number", number)
    assert "0/60" in shown(monkeypatch, Broken())


def test_nobody_to_read_it_does(monkeypatch):
    monkeypatch.setattr(Broken, "number", errno.EPIPE)
    with pytest.raises(OSError, match="broken"):
        shown(monkeypatch, Broken())
    gc.collect()  # of what is left of the bar nothing is said either
    other = threading.Thread(target=lambda: list(progress_bar([1, 2, 3], unit="frames", shown=False)), daemon=True)
    other.start()
    other.join(10)
    assert not other.is_alive()  # it waits for no lock that the broken one has left


@pytest.mark.parametrize(("stream", "seconds"), [(io.StringIO, 10), (Terminal, 0.1)])
def test_other_long_work_is_shown_likewise(monkeypatch, stream, seconds):
    monkeypatch.setattr(sys, "stderr", stream())
    with progress_bar(unit="frames", shown=True) as bar:
        assert bar.mininterval == seconds


@pytest.mark.parametrize(
    ("stream", "limit", "passed", "left"),
    [
        ([0] * 8, None, 0, 8),
        ([0] * 8, 5, 0, 5),
        ([0] * 8, 5, 6, 2),
        ([0] * 8, None, 9, 0),
        (iter(int, 1), 5, 0, 5),
        (iter(int, 1), None, 3, None),
    ],
)
def test_what_is_to_come_is_told_where_it_is_known(stream, limit, passed, left):
    assert expected(stream, limit, passed) == left


def test_nothing_is_shown_to_who_wants_none(monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    hs.learn(hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3), torch.rand(2, 3, 8, 8), progress=False)
    assert stream.getvalue() == ""
