"""Real streams over loopback, from a second process that is killed and started again."""

import logging
import socket
import threading
import time
import traceback
import weakref
from http.server import BaseHTTPRequestHandler

import numpy as np
import psutil
import pytest
from clips import ramp, sender, write_clip

import hebbstream as hs
from benchmarks.core.serving import serving
from hebbstream import errors
from hebbstream.adapters._media import _live
from hebbstream.adapters._media._live import live_frames
from hebbstream.adapters.audio import open_audio
from hebbstream.adapters.video import open_video
from hebbstream.adapters.video._cameras import find_sources
from hebbstream.adapters.video._conversion import FrameConverter
from hebbstream.cli import _source
from hebbstream.cli._main import main
from hebbstream.network.engine._make import make_engine
from hebbstream.streams._stats import StreamStats

USER, SECRET = "operator-7", "hunter2"


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Senders:
    """Processes that send, the last one at work; started from threads, and all ended with the test."""

    def __init__(self):
        self.processes, self._threads, self.ended = [], [], threading.Event()

    def start(self, *arguments, **options):
        if not self.ended.is_set():
            self.processes.append(sender(*arguments, **options))

    def later(self, seconds, start):
        """Run a function in a thread after so many seconds."""
        thread = threading.Thread(target=lambda: self.ended.wait(seconds) or start())
        thread.start()
        self._threads.append(thread)

    def kill(self):
        for process in self.processes:
            process.kill()
            process.wait()

    def end(self):
        self.ended.set()
        for thread in self._threads:
            thread.join()
        self.kill()


@pytest.fixture
def senders():
    found = Senders()
    yield found
    found.end()


def open_when_ready(url, **options):
    """The sender needs a moment before it listens."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return open_video(url, **options)
        except (errors.ConnectionLostError, errors.StalledStreamError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@pytest.mark.parametrize(
    ("scheme", "options"), [("tcp", {}), ("udp", {}), ("rtsp", {"rtsp_flags": "listen"})], ids=["tcp", "udp", "rtsp"]
)
def test_learning_resumes_when_the_sender_is_killed_and_restarted(scheme, options, senders):
    url = f"{scheme}://127.0.0.1:{free_port(socket.SOCK_DGRAM if scheme == 'udp' else socket.SOCK_STREAM)}"

    def start():
        if scheme == "tcp":
            senders.start(url + "?listen=1")
        elif scheme == "udp":
            senders.start(url + "?pkt_size=1316")
        else:  # the receiver listens; a sender that comes before it does is refused, and ends
            while not senders.ended.is_set() and (not senders.processes or senders.processes[-1].poll() is not None):
                senders.start(url, "rtsp", "libx264", rtsp_transport="tcp")
                senders.ended.wait(2)

    net = hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3)
    learned = []

    def kill_and_restart(step):
        learned.append(step.index)
        if step.index == 20:
            senders.kill()
            senders.later(3, start)  # longer than the read timeout

    senders.later(0, start)
    with open_when_ready(url, size=16, read_timeout=2, retry_for=30, options=options) as stream:
        assert stream.live
        report = hs.learn(net, stream, limit=50, callbacks=[kill_and_restart], progress=False)
        assert stream.stats.reconnects == 1
    assert report.samples == net.samples_seen == 50  # what was learned before is kept
    assert learned == list(range(50))


def test_a_slow_learner_drops_the_oldest_and_stays_up_to_date(senders):
    url = f"tcp://127.0.0.1:{free_port()}"
    senders.start(url + "?listen=1", rate=60)
    ages, held = [], 4
    with open_when_ready(url, size=16, prefetch=held) as stream:
        for index, sample in enumerate(stream):
            time.sleep(1 / 20)  # three times as long as between frames
            ages.append(time.monotonic() - sample.captured)
            if index == 40:
                break
        stats = stream.stats
    # A frame waits for at most the learner's own step and as many frames as are held.
    assert max(ages[5:]) < 1 / 20 + (held + 2) / 60 + 0.5
    assert ages[-1] < ages[10] + 0.5
    assert stats.dropped > 40
    assert stats.frames == pytest.approx(41 + stats.dropped + held, abs=held + 2)


@pytest.mark.parametrize("engine", ["eager", "pipelined"])
def test_overload_takes_no_more_memory_however_long_it_lasts(engine, monkeypatch):
    """A source three times as fast as learning, large frames, and all of it dropped but what the queue may hold."""
    rate, held, pictures, levels = 240, 4, [], []
    convert = FrameConverter.__call__

    def watched(self, *frame):
        picture = convert(self, *frame)
        pictures.append(weakref.ref(picture))
        return picture

    def slowly(step):
        time.sleep(3 / rate)
        alive = sum(picture() is not None for picture in tuple(pictures))
        levels.append((stream._queue._worker.queue.qsize(), alive, psutil.Process().memory_info().rss))

    monkeypatch.setattr(FrameConverter, "__call__", watched)
    net = hs.SoftHebbNet([hs.LayerSpec(channels=2, kernel_size=3)], 3, engine=make_engine(engine))
    with open_video(f"lavfi:testsrc2=size=320x240:rate={rate},realtime", live=True, prefetch=held) as stream:
        report = hs.learn(net, stream, limit=120, callbacks=[slowly], progress=False)
        stats = stream.stats
    assert stats.frames > 2.5 * report.samples
    assert stats.dropped > 1.5 * report.samples
    queued, alive, resident = zip(*levels, strict=True)
    assert max(queued) <= held
    # The queue's, one on either side of it, one that the look itself may miss; of a pipeline, one in each stage.
    assert max(alive) <= held + 3 + 2 * (engine == "pipelined")
    lost = stats.dropped * 320 * 240 * 3
    assert max(resident[60:]) - max(resident[:60]) < lost / 4


def test_end_stall_and_refusal_are_told_apart():
    port = free_port()
    with pytest.raises(errors.ConnectionLostError, match="cannot connect"):
        open_video(f"tcp://127.0.0.1:{port}")
    with socket.create_server(("127.0.0.1", port)), pytest.raises(errors.StalledStreamError, match="no answer for 1 s"):
        open_video(f"tcp://127.0.0.1:{port}", open_timeout=1, read_timeout=1)
    with pytest.raises(errors.SourceNotFoundError, match="no camera at /dev/video99"):
        open_video("/dev/video99")
    with pytest.raises(errors.ConfigurationError, match="gopher://"):
        open_video("gopher://127.0.0.1/clip")


def test_a_live_stream_that_ends_just_ends_when_it_does_not_come_back(tmp_path):
    clip = write_clip(tmp_path / "clip.ts", ramp(10))
    url, waiting = serve_once(clip.read_bytes())
    with open_video(url, size=16, read_timeout=2, retry_for=1, prefetch=10) as stream:  # room for all
        assert len(list(stream)) == 10
    waiting.join()


def test_a_stall_is_an_error_once_trying_again_has_not_helped(tmp_path):
    clip = write_clip(tmp_path / "clip.ts", ramp(50))
    url, waiting = serve_once(clip.read_bytes(), hold=True)
    with open_video(url, size=16, read_timeout=1, retry_for=0) as stream:
        with pytest.raises(errors.StalledStreamError, match="no frame for 1 s"):
            list(stream)
        assert stream.stats.frames > 0
    waiting.set()


def serve_once(content, *, hold=False):
    """Send bytes over TCP to whoever connects first; then hang up, or hold the line."""
    server = socket.create_server(("127.0.0.1", 0))
    released = threading.Event()

    def serve():
        with server, server.accept()[0] as connection:
            connection.sendall(content)
            if hold:
                released.wait(30)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return f"tcp://127.0.0.1:{server.getsockname()[1]}", released if hold else thread


def test_closing_does_not_wait_for_a_source_that_is_silent(tmp_path):
    clip = write_clip(tmp_path / "clip.ts", ramp(50))
    url, released = serve_once(clip.read_bytes(), hold=True)
    before = threading.active_count()
    stream = open_video(url, size=16, read_timeout=3, retry_for=60)
    for _ in range(5):
        next(stream)
    began = time.monotonic()
    stream.close()
    assert time.monotonic() - began < 2
    assert next(stream, None) is None
    released.set()
    deadline = time.monotonic() + 10
    while threading.active_count() > before - 1 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert threading.active_count() <= before  # nothing is left running


class Line:
    """Stands for an opened source: some frames, some time between them, and what then goes wrong."""

    source, pixel_aspect = find_sources("tcp://camera")[0], 1.0

    def __init__(self, frames, error=None, pause=0.0):
        self._frames, self._error, self._pause = frames, error, pause

    def frames(self):
        for frame in self._frames:
            time.sleep(self._pause)
            yield 0.0, frame
        if self._error:
            raise self._error

    def close(self):
        pass


def frames_over(lines, **options):
    lines = iter(lines)

    def connect():
        line = next(lines, errors.ConnectionLostError("nobody there"))
        if isinstance(line, Exception):
            raise line
        return line

    stats = StreamStats()
    return [
        found.frame for found in live_frames(next(lines), connect, stats, closing=threading.Event(), **options)
    ], stats


def test_trying_again_is_bounded_from_the_last_frame_on():
    lost = errors.ConnectionLostError("lost")
    # The first line lasts longer than there is to try again for.
    frames, stats = frames_over([Line("ab", lost, pause=0.6), Line("c")], retry_for=0.9)
    assert frames == ["a", "b", "c"]
    assert stats.reconnects == 1


def test_a_stall_that_took_longer_to_notice_is_tried_again_once():
    noticed = (frame for pause, frame in [(0, "a"), (0.3, None)] if time.sleep(pause) or frame)
    assert frames_over([Line(noticed, errors.StalledStreamError("no")), Line("b")], retry_for=0.1)[0] == ["a", "b"]


def test_a_source_that_has_come_to_refuse_is_not_asked_again():
    refusal = errors.SourcePermissionError("no")
    with pytest.raises(errors.SourcePermissionError):
        frames_over([Line("a", errors.ConnectionLostError("lost")), refusal, Line("b")], retry_for=5)


def test_one_that_comes_back_with_fewer_tracks_is_tried_again(monkeypatch):
    monkeypatch.setattr(_live, "_FIRST_WAIT", 0.01)
    lost, fewer = errors.ConnectionLostError("lost"), errors.ConfigurationError("stream=1: expected one of 0")
    assert frames_over([Line("a", lost), fewer, Line("b")], retry_for=0.2)[0] == ["a", "b"]
    with pytest.raises(errors.StreamError, match="stream=1: expected one of 0"):
        frames_over([Line("a", lost), *[fewer] * 100], retry_for=0.2)
    with pytest.raises(errors.StalledStreamError, match="silent"):  # what was wrong last
        frames_over([Line("a", lost), *[errors.StalledStreamError("silent")] * 100], retry_for=0.2)


def test_duration_ends_a_source_that_goes_on():
    frames, _ = frames_over([Line("abcdefgh", pause=0.1)], retry_for=0, duration=0.35)
    assert frames == list("abcdefgh")[: len(frames)]
    assert len(frames) <= 3  # on a busy machine fewer


def test_the_log_says_that_one_has_ended(caplog):
    assert frames_over([Line("a")], retry_for=0)[0] == ["a"]
    assert caplog.messages == ["tcp://camera: ended"]


def test_duration_ends_a_source_that_is_away():
    began = time.monotonic()
    frames, _ = frames_over([Line("a", errors.ConnectionLostError("lost"))], retry_for=5, duration=0.3)
    assert frames == ["a"]
    assert 0.3 <= time.monotonic() - began < 2
    with pytest.raises(errors.ConnectionLostError, match="lost"):
        frames_over([Line("a", errors.ConnectionLostError("lost"))], retry_for=0, duration=0.3)


class Waits(threading.Event):
    """Notes how long it is waited for instead of waiting, and is set after some times."""

    def __init__(self, times):
        super().__init__()
        self.times, self.seconds = times, []

    def wait(self, timeout=None):
        self.seconds.append(timeout)
        return len(self.seconds) == self.times


def waits_over(*lines, times=6):
    waits = Waits(times)
    list(live_frames(lines[0], iter(lines[1:]).__next__, StreamStats(), retry_for=60, closing=waits))
    return waits.seconds


def test_one_that_breaks_off_at_once_is_asked_less_and_less_often():
    flapping = waits_over(*[Line("a", errors.ConnectionLostError("lost")) for _ in range(6)])
    assert all(2**k / 4 <= seconds <= 2**k / 2 for k, seconds in enumerate(flapping))


def test_one_that_has_lasted_is_asked_again_soon(monkeypatch):
    monkeypatch.setattr(_live, "_FIRST_WAIT", 0.01)
    steady = waits_over(*[Line("ab", errors.ConnectionLostError("lost"), pause=0.03) for _ in range(6)])
    assert max(steady) <= 0.01


def test_nor_need_it_last_longer_than_an_outage_has_made_the_waits(monkeypatch):
    monkeypatch.setattr(_live, "_FIRST_WAIT", 0.01)
    monkeypatch.setattr(_live, "_LASTING", 0.02)
    lost = errors.ConnectionLostError("lost")
    outage = [Line("", lost) for _ in range(6)]
    waits = waits_over(*outage, *[Line("ab", lost, pause=0.03) for _ in range(4)], times=10)
    assert waits[5] > 0.1
    assert max(waits[6:]) <= 0.01


def test_frames_of_a_live_source_do_not_wait_for_later_ones_to_be_decoded(tmp_path):
    clip = write_clip(tmp_path / "clip.ts", ramp(10))
    url, _ = serve_once(clip.read_bytes())
    with open_video(url, size=16) as live, open_video(clip, size=16) as recorded:
        assert (live._first.video.thread_type.name, recorded._first.video.thread_type.name) == ("SLICE", "AUTO")


def test_a_live_source_goes_on_from_now(tmp_path):
    clip = write_clip(tmp_path / "clip.ts", ramp(10))
    with open_video(clip, live=True, retry_for=0, prefetch=0) as stream:
        assert stream.fast_forward(1000) == 1000
        assert sum(1 for _ in stream) == 10


@pytest.mark.parametrize(
    ("brightest", "arguments", "learned"),
    [(80, [], 1), (80, ["--every-frame"], 10), (255, [], 10), (82, ["--share", "0.05"], 1)],
)
def test_the_command_learns_what_is_new_of_a_live_source(tmp_path, monkeypatch, brightest, arguments, learned):
    levels = np.linspace(80, brightest, 10).astype(np.uint8)
    clip = write_clip(tmp_path / "clip.ts", [np.full((24, 40, 3), level, np.uint8) for level in levels])
    still = open_video(clip, live=True, size=32, retry_for=0, prefetch=0)
    monkeypatch.setattr(_source, "open_source", lambda *_, **__: still)
    checkpoint = tmp_path / "run.safetensors"
    assert main(["learn", "0", "--width", "4", "--quiet", "--checkpoint", str(checkpoint), *arguments]) == 0
    assert hs.load(checkpoint).samples_seen == learned


class Refuse(BaseHTTPRequestHandler):
    def do_GET(self):
        if "page" not in self.path:
            self.send_error(401 if "private" in self.path else 404)
            return
        self.send_response(200)
        self.send_header("Content-Length", "14")
        self.end_headers()
        self.wfile.write(b"<p>log in</p>\n")


@pytest.fixture
def web_server():
    with serving(Refuse) as address:
        yield address.removeprefix("http://")


def test_over_http_refused_and_missing_are_told_apart(web_server):
    with pytest.raises(errors.SourcePermissionError, match="no permission"):
        open_video(f"http://{web_server}/private.ts")
    with pytest.raises(errors.SourceNotFoundError, match=r"no stream at http://.*/missing\.ts"):
        open_video(f"http://{web_server}/missing.ts")


def test_a_page_in_place_of_a_stream_is_no_failure_to_connect(web_server):
    for open_it, what in ((open_video, "a video"), (open_audio, "sound")):
        with pytest.raises(errors.ConnectionLostError, match=f"it answers, but what it sends is not {what}"):
            open_it(f"http://{web_server}/page")


def test_no_password_ever_appears(web_server, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    port = free_port()
    urls = [
        f"rtsp://{USER}:{SECRET}@127.0.0.1:{port}/live",
        f"rtsp://{USER}:p@{SECRET}/x@127.0.0.1:{port}/live?password={SECRET}",
        f"http://{USER}:{SECRET}@{web_server}/private.ts?token={SECRET}",
        f"http://{USER}:{SECRET}@{web_server}/missing.ts",
        f"gopher://{USER}:{SECRET}@127.0.0.1/x",
    ]
    seen = []
    for url in urls:
        with pytest.raises(errors.HebbstreamError) as caught:
            open_video(url, open_timeout=2)
        seen += [str(caught.value), repr(caught.value), "".join(traceback.format_exception(caught.value))]
    clip = write_clip(tmp_path / "clip.ts", ramp(10))
    url, _ = serve_once(clip.read_bytes())
    url = url.replace("tcp://", f"tcp://{USER}:{SECRET}@")
    net = hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3)
    try:
        with open_video(url, size=16, retry_for=0.5) as stream:
            samples = []
            hs.learn(net, stream, checkpoint=tmp_path / "run.safetensors", progress=False, callbacks=[samples.append])
            seen += [repr(stream), repr(samples)]
    except errors.StreamError as error:  # FFmpeg's TCP may refuse credentials; then they are in this error
        seen.append(str(error))
    printed = capfd.readouterr()
    seen += [caplog.text, printed.out, printed.err]
    seen += [path.read_bytes().decode("latin-1") for path in tmp_path.glob("*.safetensors")]
    assert not [text for text in seen if SECRET in text or USER in text]
