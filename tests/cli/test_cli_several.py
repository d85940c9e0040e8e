"""`hebbstream learn` with several sources."""

import json
from pathlib import Path

import pytest
import torch

import hebbstream as hs
from hebbstream import cli, errors
from hebbstream.adapters.video import open_video
from hebbstream.learning import _run
from hebbstream.streams import interleave


@pytest.fixture
def learn(run):
    return lambda *arguments: run("learn", *arguments, "--width", 4, "--size", 32, "--quiet", "--checkpoint-every", 5)


def test_several_recordings_take_turns_and_resume_exactly(learn, clips, monkeypatch):
    sources = []
    take = _run.Run._take

    def watched(self, features):
        sources.append(self._under_way[0].source)
        take(self, features)

    monkeypatch.setattr(_run.Run, "_take", watched)
    a, b, _ = clips
    code, out, _ = learn(a, b, "--checkpoint", "whole", "--metrics", "m.jsonl")
    assert code == 0
    assert "learned 19 samples" in out
    assert sources == [a, b] * 7 + [a] * 5
    assert json.loads(Path("m.jsonl").read_text().splitlines()[-1])["stream"]["frames"] == 19
    for limit in (6, 9, 100):
        assert learn(a, b, "--checkpoint", "parts", "--resume", "--limit", limit)[0] == 0
    assert sources[19:] == sources[:19]
    whole, parts = hs.Learner.load("whole"), hs.Learner.load("parts")
    assert whole.counters == parts.counters
    assert all(torch.equal(one, other) for one, other in zip(whole.net.buffers(), parts.net.buffers(), strict=True))


def test_a_source_that_dies_is_reported_and_the_others_go_on(learn, clips):
    a, b, cut = clips
    code, out, err = learn(a, cut, b)
    assert code == 0
    assert f"source {cut!r} is dropped: TruncatedVideoError" in err
    assert f"dropped {cut}: {cut}: truncated" in out
    learned = hs.load("run.safetensors").samples_seen
    assert 19 < learned < 39
    assert learn(a, cut, b, "--limit", 15, "--checkpoint", "parts")[0] == 0
    assert learn(a, cut, b, "--resume", "--checkpoint", "parts")[0] == 0
    assert hs.load("parts").samples_seen == learned
    code, _, err = learn(cut, cut)
    assert code == 1
    assert f"source '{cut} (2)' is dropped" in err


AWAY = "rtsp://operator-7:hunter2@away"


@pytest.fixture
def orders(monkeypatch):
    """Let all but a.mp4 be live, and one source be out of reach; give the orders that were asked for."""
    found = []

    def opened(source, **options):
        if "away" in source:
            raise errors.ConnectionLostError("rtsp://***@away: cannot connect")
        return open_video(source, **options | {"live": "a.mp4" not in source, "retry_for": 0})

    def ordered(streams, by):
        found.append(by)
        return interleave(streams, by)

    monkeypatch.setattr(cli._source, "open_video", opened)
    monkeypatch.setattr(cli._source, "interleave", ordered)
    return found


def test_cameras_are_read_as_they_come_and_one_out_of_reach_is_left_out(learn, clips, orders):
    a, b, _ = clips
    code, out, err = learn(b, AWAY, b, "--every-frame", "--resume")
    assert code == 0
    assert "stream: 14 read" in out
    learned = hs.load("run.safetensors").samples_seen
    assert 2 <= learned <= 14  # what learning was too slow for is dropped
    assert "source 'rtsp://***@away' is left out" in err
    assert "hunter2" not in out + err
    code, out, _ = learn(b, AWAY, b, "--every-frame", "--resume")
    assert f"after {learned} samples" in out
    assert "stream: 14 read" in out  # cameras go on from now
    assert learn(a, b)[0] == 0
    assert orders == ["arrival"] * 3


@pytest.mark.parametrize(
    ("sources", "options", "message"),
    [
        ("ab", ["--resume"], "--resume with recordings and live sources"),
        (["a", AWAY], [], "cannot connect"),
        ([AWAY, AWAY], [], "cannot connect"),
        (["a", "missing.mp4"], [], "no file at missing.mp4"),
        (["a", "song.wav"], [], "a.mp4 is read as pictures, song.wav as sound: expected sources of one kind"),
        (["rtsp://user:hunter2@away", "x.csv"], [], "rtsp://***@away is read as pictures, x.csv as table"),
        ("ab", ["--labels", "labels.json"], "--labels labels.json: expected a single source"),
    ],
)
def test_several_sources_that_do_not_go_together_are_refused(learn, clips, orders, sources, options, message):
    named = dict(zip("ab", clips, strict=False))
    code, _, err = learn(*(named.get(source, source) for source in sources), *options)
    assert code == 1
    assert message in err
    assert "left out" not in err
    assert orders == []


def test_a_folder_of_recordings_is_learned_one_after_another(run, clips):
    folder = Path(clips[0]).parent
    (folder / "labels.json").write_text("{}", encoding="utf-8")
    learn = ("--width", 4, "--size", 32, "--quiet", "--checkpoint")
    assert "learned 19 samples" in run("learn", folder, *learn, "a.safetensors", "--limit", 19)[1]
    run("learn", f"{folder}/*.mp4", *learn, "b.safetensors", "--limit", 19)
    first, other = hs.load("a.safetensors"), hs.load("b.safetensors")
    assert first.layers[0].weight.equal(other.layers[0].weight)


@pytest.mark.parametrize("other", ["c.png", "inner"])
def test_a_folder_of_several_kinds_is_not_guessed_at(run, clips, other):
    folder = Path(clips[0]).parent
    (folder / other).mkdir() if other == "inner" else (folder / other).touch()
    code, _, err = run("learn", folder, "--quiet")
    assert code == 1
    assert "no image" in err or "c.png" in err
