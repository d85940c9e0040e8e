"""The same odd files read by hebbstream, OpenCV's VideoCapture, imageio and torchcodec: whose frames and times are right?

Readers that are not installed are left out; what was measured of them before is kept:
``pip install opencv-python-headless "imageio[ffmpeg,pyav]" torchcodec``. Every reader reads with its defaults. Times count
from the first frame's; a reader that gives none is taken at its word about the rate.
"""

import contextlib
import logging
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np

import hebbstream
from benchmarks.core import barcode, run, store
from benchmarks.quality.mutations import Mutation
from benchmarks.quality.muxing import Truth, write
from hebbstream.adapters.video import open_video

Frames = Iterator[tuple[Any, float]]
_MOST = 200  # frames to read, of clips that have 30
_LEFT, _HALF, _RIGHT = (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)  # display matrices
_MIRRORED, _FLIPPED, _TRANSPOSED = (-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0)
FILES: dict[str, list[Mutation]] = {
    "edit lists": [
        Mutation(trim=(0, 15)),
        Mutation(codec="mjpeg", trim=(0, 15)),
        Mutation("mov", "mpeg4", trim=(4, 0)),
        Mutation(codec="libx265", b_frames=3, trim=(5, 8)),
        Mutation("3gp", "mpeg4", trim=(0, 3)),
        Mutation("mov", b_frames=2, trim=(7, 0)),
    ],
    "rates": [
        Mutation(timing="long last"),
        Mutation("mkv", "mjpeg", timing="long last"),
        Mutation("gif", "gif", timing="long last"),
        Mutation("avi", "mjpeg", timing="holes"),
        Mutation("mkv", b_frames=2, timing="uneven"),
        Mutation(timing="gap"),
        Mutation("webm", "libvpx-vp9", timing="holes"),
    ],
    "time stamps": [
        Mutation("mkv", "mjpeg", stamps="repeated"),
        Mutation(stamps="swapped"),
        Mutation("flv", stamps="swapped"),
        Mutation("ts", stamps="repeated"),
        Mutation("ts", stamps="missing"),
        Mutation("ts", "mpeg2video", stamps="restart"),
        Mutation("m2ts", late=3600.0),
        Mutation(late=2.0, b_frames=2),
    ],
    "geometry": [
        Mutation(orientation=_LEFT),
        Mutation("mov", orientation=_HALF),
        Mutation("mkv", orientation=_RIGHT),
        Mutation(orientation=_MIRRORED),
        Mutation("mov", "mpeg4", orientation=_FLIPPED),
        Mutation(orientation=_TRANSPOSED),
    ],
    "streams": [
        Mutation(streams="preview first"),
        Mutation("mkv", streams="preview first"),
        Mutation("avi", "mjpeg", streams="preview first"),
        Mutation("ts", streams="preview first"),
        Mutation(streams="cover"),
        Mutation("mkv", "libvpx", streams="cover"),
        Mutation(streams="sound first"),
    ],
    "formats and names": [
        Mutation("h264", b_frames=2),
        Mutation("hevc", "libx265", b_frames=2),
        Mutation("mjpeg", "mjpeg"),
        Mutation("m2v", "mpeg2video", b_frames=2),
        Mutation("y4m", "rawvideo"),
        Mutation("nut", "ffv1"),
        Mutation("wmv", "wmv2"),
        Mutation(name="cam1:front{}"),
        Mutation(name="%03d{}"),
    ],
}


def _hebbstream() -> tuple[str, Callable[[str], Frames]]:
    def frames(path: str) -> Frames:
        with open_video(Path(path)) as stream:
            for sample in stream:
                yield sample.x, sample.t or 0.0

    return hebbstream.__version__, frames


def _opencv() -> tuple[str, Callable[[str], Frames]]:
    import cv2

    def frames(path: str) -> Frames:
        capture = cv2.VideoCapture(path)
        while True:
            good, picture = capture.read()
            if not good:
                break
            yield picture, capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        capture.release()

    return cv2.__version__, frames


def _imageio(plugin: str) -> tuple[str, Callable[[str], Frames]]:
    import imageio.v3

    if plugin == "FFMPEG":
        import imageio_ffmpeg  # noqa: F401  # whose absence shows only at the first file

    def frames(path: str) -> Frames:
        rate = imageio.v3.immeta(path, plugin=plugin)["fps"]
        for index, picture in enumerate(imageio.v3.imiter(path, plugin=plugin)):
            yield picture, index / rate

    return imageio.__version__, frames


def _torchcodec() -> tuple[str, Callable[[str], Frames]]:
    import torchcodec
    from torchcodec.decoders import VideoDecoder

    def frames(path: str) -> Frames:
        decoder = VideoDecoder(path)
        for index in range(len(decoder)):
            found = decoder.get_frame_at(index)
            yield found.data.permute(1, 2, 0).numpy(), found.pts_seconds

    return torchcodec.__version__, frames


READERS: dict[str, Callable[[], tuple[str, Callable[[str], Frames]]]] = {
    "hebbstream": _hebbstream,
    "OpenCV VideoCapture": _opencv,
    "imageio, FFMPEG": lambda: _imageio("FFMPEG"),
    "imageio, pyav": lambda: _imageio("pyav"),
    "torchcodec": _torchcodec,
}


def judged(truth: Truth, frames: Callable[[str], Frames]) -> store.Result:
    """Say whether a reader's frames are right, and whether their times are too."""
    numbers: list[int | None] = []
    seconds: list[float] = []
    found: store.Result = {}
    try:
        for picture, time in islice(frames(truth.path.name), _MOST):
            numbers.append(barcode.read(picture))
            seconds.append(float(time))
    except Exception as error:  # whatever it is, it is a finding
        found["error"] = type(error).__name__
    right = numbers == truth.numbers and "error" not in found
    in_time = right and np.abs(np.subtract(seconds, seconds[0]) - truth.seconds).max() <= truth.tolerance
    return {"frames": right, "times": bool(in_time), "read": len(numbers)} | found


def compare(folder: Path, names: list[str], limit: int | None) -> Iterator[store.Result]:
    """Let readers read the files; `limit` of each kind."""
    for name in names:
        try:
            version, frames = READERS[name]()
        except (ImportError, OSError, RuntimeError) as error:
            print(f"missing: {name} ({type(error).__name__})")
            continue
        files = []
        for kind, mutations in FILES.items():
            for mutation in mutations[:limit]:
                found = judged(write(mutation, folder), frames)
                files.append({"kind": kind, "file": asdict(mutation)["container"], **mutation.changes, **found})
        print(f"{name} {version}: {_count(files, 'frames')} and {_count(files, 'times')} of {len(files)}", flush=True)
        yield {"reader": name, "version": version, "files": files}


def _count(files: list[store.Result], key: str) -> int:
    return sum(file[key] for file in files)


def main() -> None:
    parser = run.arguments("quality/peers", __doc__)
    parser.add_argument("--readers", nargs="+", choices=READERS, default=list(READERS))
    parser.add_argument("--limit", type=int, help="files of each kind (default: all)")
    options = run.begin(parser)
    logging.getLogger("hebbstream").setLevel(logging.CRITICAL)
    av.logging.set_level(av.logging.PANIC)
    output, settings = options.output.absolute(), {"limit": options.limit}
    rows = store.resume(output, settings).get("readers", [])
    left = [name for name in options.readers if name not in {row["reader"] for row in rows}]
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
    ):  # names mean something only without a folder
        for row in compare(Path(folder), left, options.limit):
            rows.append(row)
            store.write(output, {"settings": settings, "readers": rows})


if __name__ == "__main__":
    main()
