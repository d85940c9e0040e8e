"""A frame in the browser: onnxruntime-web in headless Chromium against ONNX Runtime, on the same model and the same frames.

The page's own speed is that of its camera, a file of 30 frames a second, where the machine keeps up.
"""

import argparse
import tempfile
import time
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import onnxruntime
import psutil
from playwright.sync_api import expect, sync_playwright

import hebbstream as hs
from benchmarks.chromium import launch, missing, serve, write_camera
from benchmarks.common import output_option, timing, write_result
from hebbstream.adapters.river import LinearProbe
from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP, clip_frames, clip_label
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


def measure(width: int, precision: str, rounds: int, seconds: float, browser: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name, serve(Path(name)) as address:
        session = native(export(width, precision, Path(name) / "models"))
        page = browser.new_page()
        page.goto(address)
        expect(page.locator("#samples")).to_have_text("100", timeout=60_000)
        frame = clip_frames(32, 1)[0]
        in_page: list[float] = []
        natively: list[float] = []
        arguments = [frame.ravel().tolist(), 32, _CALLS]
        end = time.monotonic() + 2 * seconds
        while time.monotonic() < end:  # Chromium compiles again, and better, what is called often, but takes its time
            page.evaluate(_TIME_RUNS, arguments)
        cpu = {"onnxruntime_web": 0.0, "onnxruntime": 0.0}
        for _ in range(rounds):
            before = renderers_cpu()
            in_page += page.evaluate(_TIME_RUNS, arguments)
            cpu["onnxruntime_web"] += renderers_cpu() - before
            before = time.process_time()
            for _ in range(_CALLS):
                started = time.perf_counter()
                session.run(None, {"frames": frame[None]})
                natively.append(1e3 * (time.perf_counter() - started))
            cpu["onnxruntime"] += time.process_time() - before
        page.click("#toggle")
        page.wait_for_timeout(1000 * seconds)
        shown = page.locator("#speed").inner_text()
        latency = page.locator("#latency").inner_text()
        page.close()
    return {
        "width": width,
        "precision": precision,
        # What the processor spent on a call: on a machine with other work it tells more than the clock.
        "cpu_ms": {name: round(1e3 * seconds_spent / len(in_page), 2) for name, seconds_spent in cpu.items()},
        "onnxruntime_web": timing(in_page).as_dict(),
        "onnxruntime": timing(natively).as_dict(),
        "page_shows": f"{shown}, {latency}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.browser", description=__doc__)
    parser.add_argument("--widths", type=int, nargs="+", default=[24, 48, 96])
    parser.add_argument("--precisions", nargs="+", default=["float32", "int8"])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=3.0, help="in front of the camera; twice as many to warm up")
    output_option(parser, "browser")
    options = parser.parse_args()
    if reason := missing():
        parser.exit(1, f"{reason}\n")
    rows = []
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        with open_video(CLIP, size=(480, 640)) as stream:
            camera = write_camera(Path(name) / "camera.y4m", (s.x for s, _ in zip(stream, range(60), strict=False)), 30)
        with launch(playwright, camera) as browser:
            for width, precision in product(options.widths, options.precisions):
                rows.append(measure(width, precision, options.rounds, options.seconds, browser))
                web, ort = rows[-1]["cpu_ms"].values()
                print(
                    f"width {width}, {precision}: {web:.1f} ms of a core in Chromium, {ort:.1f} natively; the page shows {rows[-1]['page_shows']}"
                )
            version = browser.version
    write_result(options.output, {"chromium": version, "preset": "cifar10", "threads_each": 1, "rows": rows})


if __name__ == "__main__":
    main()
