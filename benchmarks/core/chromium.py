"""The page of hebbstream/studio/browser in a headless Chromium whose webcam is a file: for its benchmark and its tests."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from benchmarks.core.serving import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

PAGE = Path(__file__).parents[2] / "hebbstream" / "studio" / "browser"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Root has no sandbox, and nothing should look for the network.
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
]


def missing() -> str | None:
    """Say what the page cannot be opened without, if it is not here."""
    if CHROMIUM is None:
        return "no Chromium: `make browser` installs it, on Debian and as root"
    if not (PAGE / "node_modules" / "onnxruntime-web").is_dir():
        return "no onnxruntime-web: `make browser` installs it, with npm"
    return None


@contextmanager
def launch(playwright: "Playwright", camera: Path | None = None) -> "Iterator[Browser]":
    """Start Chromium with a file for a webcam, or without one."""
    fake = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={camera}"] if camera else []
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*_FLAGS, *fake])
    try:
        yield browser
    finally:
        browser.close()


def write_camera(path: Path, pictures: Iterable["np.ndarray[Any, Any]"], rate: int = 25) -> Path:
    """Write uint8 pictures (H, W, 3) as YUV4MPEG2, which Chromium's webcam plays in a loop."""
    with path.open("wb") as file:
        for index, picture in enumerate(pictures):
            if index == 0:
                height, width, _ = picture.shape
                file.write(f"YUV4MPEG2 W{width} H{height} F{rate}:1 Ip A1:1 C420jpeg\n".encode())
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            file.write(b"FRAME\n" + frame.to_ndarray().tobytes())
    return path


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Lay the page into a folder that has, or will have, ``models`` in it; serve it, as ``python -m http.server`` does."""
    for item in PAGE.iterdir():
        if item.name != "models":
            (folder / item.name).symlink_to(item)
    with serving(SimpleHTTPRequestHandler, directory=folder) as address:
        yield f"{address}/"
