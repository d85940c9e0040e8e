"""The progress bar: alive on a terminal, a line now and then in a log."""

import io
import sys

import torch

import hebbstream as hs


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
