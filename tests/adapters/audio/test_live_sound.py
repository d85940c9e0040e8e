"""Sound that is sent over loopback, breaks off, and is connected again."""

import time
from http.server import BaseHTTPRequestHandler
from itertools import pairwise

import pytest
from sounds import encode, tone

import hebbstream as hs
from benchmarks.core.serving import serving
from hebbstream import errors
from hebbstream.adapters.audio import open_audio

SOUND = encode(tone(440, 6.0), form="mp3", codec="libmp3lame")


class Radio(BaseHTTPRequestHandler):
    """Sends for ever, as a station does; the first time it breaks off."""

    visits = 0

    def do_GET(self):
        type(self).visits += 1
        breaks = type(self).visits == 1
        self.send_response(200)
        self.send_header("Content-Type", "audio/mpeg")
        self.end_headers()
        try:
            while True:
                for start in range(0, len(SOUND), 4000):
                    self.wfile.write(SOUND[start : start + 4000])
                    time.sleep(0.02)
                if breaks:
                    return
        except OSError:
            return  # nobody listens any more


@pytest.fixture
def radio():
    with serving(Radio) as address:
        yield f"{address}/radio"


def test_learning_goes_on_when_a_station_comes_back(radio):
    net = hs.SoftHebbNet.from_preset("sound", width=2)
    with open_audio(radio, seconds=0.5, read_timeout=5, retry_for=20) as stream:
        assert stream.live
        report = hs.learn(net, stream, limit=20, progress=False)
        assert stream.stats.reconnects >= 1
    assert report.samples == net.samples_seen == 20


def test_a_slow_learner_drops_the_oldest(radio):
    with open_audio(radio, form="wave", seconds=0.1, prefetch=2) as stream:
        samples = []
        for sample in stream:
            time.sleep(0.05)
            samples.append(sample)
            if len(samples) == 25:
                break
        assert stream.stats.dropped > 0
    ages = [b.captured - a.captured for a, b in pairwise(samples)]
    assert min(ages) >= 0
    assert samples[-1].t > samples[0].t


def test_a_password_is_not_shown():
    with pytest.raises(errors.StreamError) as caught:
        open_audio("rtsp://someone:hunter2@127.0.0.1:1/sound", retry_for=0)
    assert "hunter2" not in str(caught.value)
