"""A frame in the browser: onnxruntime-web in headless Chromium against ONNX Runtime, on the same model and the same frames.

The page's own speed is that of its camera, a file of 30 frames a second, where the machine keeps up.
"""

import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import onnxruntime
import psutil
from playwright.sync_api import expect, sync_playwright

import hebbstream as hs
from benchmarks.core import run, store
from benchmarks.core.chromium import launch, missing, serve, write_camera
from benchmarks.core.timing import milliseconds, timing
from hebbstream.adapters.river import LinearProbe
from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP, clip_label
from hebbstream.clip._clip import clip_frames
from hebbstream.export import publish
from hebbstream.export._options import ExportOptions

_CALLS = 10  # in a row, by turns
_TIME_RUNS = """async ([pixels, size, calls]) => {
    const { run } = await import("/app.js");
    const frame = Uint8Array.from(pixels), taken = [];
    for (let call = 0; call < calls; call++) {
        const started = performance.now();
        await run(frame, size, size);
        taken.push(performance.now() - started);
    }
    return taken;
}"""


def export(width: int, precision: Any, folder: Path) -> Path:
    net, probe = hs.SoftHebbNet.from_preset("cifar10", width=width), LinearProbe()
    with open_video(CLIP, size=32, label=clip_label()) as stream:
        hs.learn(net, stream, probe, limit=100, progress=False)
    options: ExportOptions = {"input_dtype": "uint8", "layout": "NHWC", "precision": precision}
    return publish(net, folder / "net.json", probe, frames=clip_frames(32, 100), **options)


def native(path: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # as many as the page has
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def renderers_cpu() -> float:
    """Return the seconds that Chromium's renderers have computed so far."""
    spent = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "--type=renderer" in process.cmdline():
                times = process.cpu_times()
                spent += times.user + times.system
    return spent


def measure(width: int, precision: str, rounds: int, seconds: float, browser: Any) -> store.Result:
    """Let the page and ONNX Runtime take turns on one model, then let the page look at its camera."""
    with tempfile.TemporaryDirectory() as name, serve(Path(name)) as address:
        session = native(export(width, precision, Path(name) / "models"))
        page = browser.new_page()
        page.goto(address)
        expect(page.locator("#samples")).to_have_text("100", timeout=60_000)
        found = in_turns(page, session, rounds, seconds)
        page.click("#toggle")
        page.wait_for_timeout(1000 * seconds)
        shown = page.locator("#speed").inner_text()
        latency = page.locator("#latency").inner_text()
        page.close()
    return {"width": width, "precision": precision, **found, "page_shows": f"{shown}, {latency}"}


def in_turns(page: Any, session: Any, rounds: int, seconds: float) -> store.Result:
    """Time some calls in the page, then as many natively, and so on."""
    frame = clip_frames(32, 1)[0]
    arguments = [frame.ravel().tolist(), 32, _CALLS]
    end = time.monotonic() + 2 * seconds
    while time.monotonic() < end:  # Chromium compiles again, and better, what is called often, but takes its time
        page.evaluate(_TIME_RUNS, arguments)
    native = partial(session.run, None, {"frames": frame[None]})
    ways: dict[str, tuple[Callable[[], list[float]], Callable[[], float]]] = {
        "onnxruntime_web": (lambda: page.evaluate(_TIME_RUNS, arguments), renderers_cpu),
        "onnxruntime": (lambda: [milliseconds(native) for _ in range(_CALLS)], time.process_time),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    cpu = dict.fromkeys(ways, 0.0)
    for _ in range(rounds):
        for name, (call, clock) in ways.items():
            before = clock()
            taken[name] += call()
            cpu[name] += clock() - before
    return {
        # What the processor spent on a call: on a machine with other work it tells more than the clock.
        "cpu_ms": {name: round(1e3 * spent / (rounds * _CALLS), 2) for name, spent in cpu.items()},
        **{name: timing(values).as_dict() for name, values in taken.items()},
    }


def main() -> None:
    parser = run.arguments("speed/browser", __doc__)
    parser.add_argument("--widths", type=int, nargs="+", default=[24, 48, 96])
    parser.add_argument("--precisions", nargs="+", default=["float32", "int8"])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=3.0, help="in front of the camera; twice as many to warm up")
    options = run.begin(parser)
    if reason := missing():
        parser.exit(1, f"{reason}\n")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        with open_video(CLIP, size=(480, 640)) as stream:
            camera = write_camera(Path(name) / "camera.y4m", (s.x for s, _ in zip(stream, range(60), strict=False)), 30)
        with launch(playwright, camera) as browser:
            rows = (
                measure(width, precision, options.rounds, options.seconds, browser)
                for width, precision in product(options.widths, options.precisions)
            )
            settings = {"chromium": browser.version, "preset": "cifar10", "threads_each": 1}
            store.gather(options.output, rows, settings)


if __name__ == "__main__":
    main()
