"""A fuzz of containers: small clips that differ in all that files differ in, whose frames carry their numbers.

Each seed draws a container, a codec and a few oddities, writes the clip by FFmpeg's muxers and reads it by `open_video`.
The numbers must come back in order and at the right times; a frame may be missing only where an error or a count says so.
"""

import contextlib
import logging
import tempfile
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import av

from benchmarks.core import barcode, run, store
from benchmarks.quality.mutations import Mutation
from benchmarks.quality.muxing import HEIGHT, WIDTH, Truth, write
from benchmarks.quality.oddities import drawn
from hebbstream.adapters.video import open_video
from hebbstream.errors import HebbstreamError, NotAVideoError

_MOST = 200  # frames to read, of clips that have 32


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader found in a file.

    Parameters
    ----------
    numbers
        In the frames; ``None`` where it cannot be read.
    seconds
        Their times.
    counted
        Frames that the reader itself counts as lost.
    error
        What ended it.
    """

    numbers: list[int | None]
    seconds: list[float]
    counted: int = 0
    error: Exception | None = None


def read(source: str | Path, mutation: Mutation, start: float) -> Reading:
    """Read a file by `open_video`."""
    numbers, seconds = [], []
    stream = None
    try:
        stream = open_video(source, size=(HEIGHT, WIDTH), fit=mutation.fit, start=start, prefetch=0)  # type: ignore[arg-type]
        with stream:
            for sample in stream:
                numbers.append(barcode.read(sample.x))
                seconds.append(float(sample.t or 0.0))
                if len(numbers) == _MOST:
                    break
    except Exception as error:  # whatever it is, it is a finding
        return Reading(numbers, seconds, _counted(stream), error)
    return Reading(numbers, seconds, _counted(stream))


def _counted(stream: Any) -> int:
    return 0 if stream is None else int(stream.stats.corrupt + stream.stats.failed + stream.stats.dropped)


def faults(truth: Truth, found: Reading) -> list[str]:
    """Say what is wrong with a reading; nothing where it is right.

    Examples
    --------
    >>> truth = Truth(Path("clip.mp4"), [0, 1, 2], [0.0, 0.1, 0.2], 0.01, whole=True)
    >>> faults(truth, Reading([0, 1, 2], [0.0, 0.1, 0.2]))
    []
    >>> faults(truth, Reading([0, 2], [0.0, 0.2]))
    ['lost silently: 1 of 3 frames']
    """
    wrong = []
    numbers = found.numbers[:-1] if not truth.whole and found.numbers[-1:] == [None] else found.numbers  # cut in two
    if None in numbers:
        wrong.append(f"unreadable: {numbers.count(None)} of {len(numbers)} frames")
    read = [number for number in numbers if number is not None]
    if any(after <= before for before, after in pairwise(read)):
        wrong.append(f"out of order: {read}")
    elif not set(read) <= set(truth.numbers):
        wrong.append(f"not in the file: {sorted(set(read) - set(truth.numbers))}")
    lost = len(set(truth.numbers) - set(read))
    if lost > found.counted and found.error is None and None not in numbers:
        wrong.append(f"lost silently: {lost} of {len(truth.numbers)} frames")
    expected = dict(zip(truth.numbers, truth.seconds, strict=True))
    late = [
        abs(time - expected[number]) for number, time in zip(numbers, found.seconds, strict=False) if number in expected
    ]
    if max(late, default=0.0) > truth.tolerance:
        wrong.append(f"times off: by up to {max(late):.3f} s")
    if any(after <= before for before, after in pairwise(found.seconds)):
        wrong.append("times do not rise")
    return wrong + _wrong_end(truth, found)


def _wrong_end(truth: Truth, found: Reading) -> list[str]:
    error = found.error
    if error is not None and not isinstance(error, HebbstreamError):
        return [f"raw error: {type(error).__name__}: {error}"]
    if truth.whole and error is not None:
        return [f"refused: {type(error).__name__}: {error}".replace(str(truth.path.parent), "")]
    if not truth.numbers and not isinstance(error, NotAVideoError):
        return [f"a video of it: expected NotAVideoError, found {error!r}"]
    return []


def shown_from(truth: Truth, share: float) -> tuple[float, Truth]:
    """Return a time before the frame at a share of a clip, and what there is from there on."""
    if not share or not truth.numbers:
        return 0.0, truth
    index = max(1, int(share * len(truth.numbers)))
    start = (2 * truth.seconds[index] + truth.seconds[index - 1]) / 3
    return start, Truth(truth.path, truth.numbers[index:], truth.seconds[index:], truth.tolerance, truth.whole)


def tried(seed: int) -> store.Result:
    """Write, read and judge the mutation of a seed."""
    mutation = drawn(seed)
    with tempfile.TemporaryDirectory() as folder:
        start, truth = shown_from(write(mutation, Path(folder)), mutation.start)
        with contextlib.chdir(folder):  # names have their meanings only where no folder is before them
            name = mutation.filename
            source = name if seed % 2 and name != "0" else Path(name)  # "0" is a camera
            wrong = faults(truth, read(source, mutation, start))
    return {"seed": seed, "kinds": mutation.kinds, "mutation": mutation.changes, "faults": wrong}


def report(rows: list[store.Result]) -> store.Result:
    """Sum up: how many of each container and kind were right, and every failure."""
    failures = [row for row in rows if row["faults"]]

    def tally(names_of: Any) -> dict[str, dict[str, int]]:
        of, bad = (Counter(name for row in some for name in names_of(row)) for some in (rows, failures))
        return {name: {"tried": of[name], "right": of[name] - bad[name]} for name in sorted(of)}

    return {
        "seeds": [rows[0]["seed"], rows[-1]["seed"]],
        "tried": len(rows),
        "right": len(rows) - len(failures),
        "containers": tally(lambda row: [row["mutation"].get("container", "mp4")]),
        "kinds": tally(lambda row: row["kinds"]),
        "failures": failures,
    }


def main() -> None:
    parser = run.arguments("quality/containers", __doc__)
    parser.add_argument("--count", type=int, default=1000, help="seeds to try")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    options = run.begin(parser)
    seeds = [options.first, options.first + options.count - 1]
    if (earlier := store.read(options.output)) and earlier.get("seeds") != seeds:
        raise SystemExit(
            f"{options.output} is of seeds {earlier.get('seeds')}, not {seeds}: name another --output, or remove it"
        )
    logging.getLogger("hebbstream").setLevel(logging.CRITICAL)
    av.logging.set_level(av.logging.PANIC)
    rows = []
    for seed in range(options.first, options.first + options.count):
        rows.append(tried(seed))
        if rows[-1]["faults"]:
            print(rows[-1], flush=True)
    found = report(rows)
    print(f"{found['right']} of {found['tried']} right")
    store.write(options.output, found)


if __name__ == "__main__":
    main()
