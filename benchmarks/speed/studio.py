"""Do those who watch the studio slow it down, how old are their pictures, and does memory grow?

A network learns as fast as it can, from pictures of 640 × 480 that never run out, with and without three viewers in turns.
One viewer has a line of 50 kB/s. Then, with the viewers, memory over many frames.
"""

import gc
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import psutil

from benchmarks.core import run, store
from benchmarks.speed._viewers import Viewers, Watched
from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP
from hebbstream.studio._actions import act
from hebbstream.studio._picture import Picture, Pixels
from hebbstream.studio._server import Studio
from hebbstream.studio._settings import Settings
from hebbstream.studio._source import Source

Half = tuple[float, float, float]
LINES: list[int | None] = [None, None, 50_000]
SETTLE = 0.4  # seconds after viewers came or went
PICTURES = 120


class Endless(Source):
    """Has a new picture whenever one is asked for."""

    pictures: list[Pixels]

    def take(self) -> Picture | None:
        """Take the next one."""
        number = 1 if self.latest is None else self.latest.number + 1
        self.latest = Picture(self.number, number, self.pictures[number % PICTURES], None, time.monotonic())
        self._state = "live"
        return self.latest


def main() -> None:
    parser = run.arguments("speed/studio", __doc__)
    parser.add_argument("--rounds", type=int, default=40, help="of learning without viewers, and with them")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each half of a round")
    parser.add_argument("--frames", type=int, default=20_000, help="over which memory is watched")
    parser.add_argument("--width", type=int, default=24, help="neurons of the first layer")
    parser.add_argument(
        "--only", choices=("speed", "memory"), help="measure this, and keep what is stored of the other"
    )
    options = run.begin(parser)
    result = store.Result()
    with tempfile.TemporaryDirectory() as folder, learning(Path(folder) / "run", options.width) as studio:
        door = studio.door
        viewers = Viewers({"port": door.port, "token": door.token}, LINES)
        teach(studio)
        if options.only != "memory":
            found = speed(studio, viewers, options.rounds, options.seconds)
            result["speed"] = {"measured": run.machine()} | found
        if options.only != "speed":
            result["memory"] = {"measured": run.machine()} | memory(studio, viewers, options.frames)
        viewers.close()
    before = store.read(options.output)
    before.pop("machine", None)  # each part says what it was measured on
    store.write(options.output, before | result)


@contextmanager
def learning(folder: Path, width: int) -> Iterator[Studio]:
    """Run a studio that learns all the time."""
    with Studio([], folder, Settings(width=width, start=True, every_frame=True)) as studio:
        clip, session = studio.session.sources[0], studio.session
        clip.close()
        endless = Endless(0, "endless", session.arrived)
        endless.pictures = pictures()
        session.sources[0] = endless
        thread = threading.Thread(target=studio.serve)
        thread.start()
        try:
            yield studio
        finally:
            studio.server.should_exit = True
            thread.join()


def pictures() -> list[Pixels]:
    """Return frames of the bundled clip, as large as a webcam's."""
    with open_video(CLIP) as stream:
        return [np.kron(sample.x, np.ones((4, 5, 1), np.uint8))[:480] for sample in islice(stream, PICTURES)]


def teach(studio: Studio) -> None:
    """Teach two classes, so that there is something to tell apart, and to look at again."""
    session = studio.session
    for name in ("one", "other"):
        session.ask(lambda name=name: act(session, {"do": "add-class", "name": name})).result()
        session.ask(lambda name=name: act(session, {"do": "hold", "label": name, "source": 0, "seconds": 600})).result()
        while session.examples.counts()[name] < 30:
            time.sleep(0.01)
        session.ask(lambda: act(session, {"do": "release"})).result()


def speed(studio: Studio, viewers: Viewers, rounds: int, seconds: float) -> store.Result:
    """Compare the samples learned a second, in turns; and say how old the viewers' pictures became.

    Half of the rounds count, those in which other programs took least: what they do is not what viewers cost.
    """
    found, seen = list[tuple[float, Half, Half]](), list[list[Watched]]()
    time.sleep(SETTLE)
    for _ in range(rounds):
        others, started = Others(), time.monotonic()
        alone = rate(studio, seconds)
        with viewers.looking() as watched:
            time.sleep(SETTLE)
            with_viewers = rate(studio, seconds)
        busy = others.cores(time.monotonic() - started)
        studio.session.board.watched_until = 0.0  # as five seconds later
        time.sleep(SETTLE)
        seen.append(watched)
        found.append((busy, alone, with_viewers))
        print(f"{alone[0]:.1f} {with_viewers[0]:.1f} a second; others took {busy:.2f} cores", flush=True)
    quiet = sorted(found)[: max(2, rounds // 2)]
    ratios = [watched[0] / alone[0] for _, alone, watched in quiet]
    sides = [[alone for _, alone, _ in quiet], [watched for _, _, watched in quiet]]
    lower, _, upper = statistics.quantiles(ratios)
    return {
        "alone_per_second": round(statistics.median(half[0] for half in sides[0]), 1),
        "watched_per_second": round(statistics.median(half[0] for half in sides[1]), 1),
        "watched_over_alone": round(statistics.median(ratios), 4),
        "quartiles": [round(lower, 4), round(upper, 4)],
        "learner_cpu_watched_over_alone": round(
            statistics.median(watched[1] / alone[1] for _, alone, watched in quiet), 4
        ),
        "cores_of_other_threads": [round(statistics.median(half[2] for half in halves), 3) for halves in sides],
        "rounds": rounds,
        "quiet_rounds": len(quiet),
        "cores_that_others_took": round(quiet[-1][0], 2),
        "seconds": seconds,
        "viewers": [
            told(line, [one[number] for one in seen], len(seen) * (seconds + SETTLE))
            for number, line in enumerate(LINES)
        ],
    }


class Others:
    """The cores that other programs take, those of a host that does not give us ours included."""

    def __init__(self) -> None:
        self._began = self._spent()

    def cores(self, seconds: float) -> float:
        """Return how many, on average, since this was made."""
        return (self._spent() - self._began) / seconds

    @staticmethod
    def _spent() -> float:
        whole, own = psutil.cpu_times(), psutil.Process()
        ours = sum(sum(one.cpu_times()[:2]) for one in (own, *own.children(recursive=True)))
        return float(sum(whole) - whole.idle - whole.iowait - ours)


def rate(studio: Studio, seconds: float) -> tuple[float, float]:
    """Return, over some seconds, the samples learned a second, what the learner computed for one, and other threads' cores."""
    board, started, computed, whole = (
        studio.session.board,
        time.monotonic(),
        learner_seconds(studio),
        time.process_time(),
    )
    before = board.learned
    time.sleep(seconds)
    learned, took = board.learned - before, time.monotonic() - started
    own = learner_seconds(studio) - computed
    return learned / took, own / learned, (time.process_time() - whole - own) / took


def learner_seconds(studio: Studio) -> float:
    """Return what the learner's thread has computed so far."""
    thread = studio.session.native_id
    return next(one.user_time + one.system_time for one in psutil.Process().threads() if one.id == thread)


def told(line: int | None, seen: list[Watched], seconds: float) -> store.Result:
    """Sum up what one viewer saw: a picture's age is that of the moment when the next takes its place."""
    ages = sorted(age for one in seen for age in one["ages"])
    return {
        "bytes_per_second": line,
        "received_per_second": round(sum(one["bytes"] for one in seen) / seconds),
        "pictures_per_second": round(sum(one["pictures"] for one in seen) / seconds, 1),
        "median_age_seconds": round(statistics.median(ages), 3),
        "oldest_age_seconds": round(ages[-1], 3),
    }


def memory(studio: Studio, viewers: Viewers, frames: int) -> store.Result:
    """Watch the process's memory over so many frames with viewers."""
    process, board = psutil.Process(), studio.session.board
    rows = list[store.Result]()
    first = board.learned
    with viewers.looking() as seen:
        for goal in range(0, frames + 1, max(1, frames // 20)):
            while board.learned - first < goal:
                time.sleep(0.05)
            gc.collect()
            row = {"frames": goal, "resident_mib": round(process.memory_info().rss / 2**20, 1)}
            rows.append(row)
            print(row, flush=True)
    settled = [row["resident_mib"] for row in rows[1:]]  # buffers and allocators fill in the first twentieth
    growth = statistics.linear_regression(range(len(settled)), settled).slope * (len(settled) - 1)
    return {
        "frames": frames,
        "pictures_shown": [one["pictures"] for one in seen],
        "growth_mib": round(growth, 1),
        "growth_percent": round(100 * growth / settled[0], 2),
        "rows": rows,
    }


if __name__ == "__main__":
    main()
