"""Screenshots of the studio, in the states that people see, narrow and wide, in light and dark.

    python -m scripts.studio_screenshots FOLDER [STATE ...]

With --docs, the two that the guide shows are written to docs/_static/ instead. Needs Playwright and Chromium, as
tests/export/test_browser.py does.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

from benchmarks.core.chromium import launch
from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP, clip_label
from hebbstream.studio._actions import act
from hebbstream.studio._server import Studio
from hebbstream.studio._settings import Settings

DOCS = Path(__file__).resolve().parents[1] / "docs" / "_static"
SIZES = {"narrow": {"width": 390, "height": 844}, "wide": {"width": 1600, "height": 1000}}
LABELS = ("astronaut", "cat", "rocket")


@contextmanager
def served(addresses: list[str], folder: Path, *, start: bool = True) -> Iterator[Studio]:
    """Run a studio in a thread."""
    with Studio(addresses, folder, Settings(start=start)) as studio:
        thread = threading.Thread(target=studio.serve)
        thread.start()
        try:
            yield studio
        finally:
            studio.server.should_exit = True
            thread.join()


def ask(studio: Studio, **message: Any) -> Any:
    return studio.session.ask(lambda: act(studio.session, message)).result(60)


def teach(studio: Studio, holds: int) -> None:
    """Teach some of the photographs that the bundled clip shows for some seconds each, as each comes into view."""
    for name in LABELS:
        ask(studio, do="add-class", name=name)
    known = _photographs()
    wanted, before = dict.fromkeys(LABELS, holds), None
    until = time.monotonic() + 150
    while any(wanted.values()) and time.monotonic() < until:
        latest = studio.session.sources[0].latest
        shown = latest and next((n for n, f in known.items() if any(np.array_equal(latest.pixels, x) for x in f)), None)
        if shown != before and wanted.get(shown):
            ask(studio, do="hold", label=shown, source=0, seconds=1.5)
            wanted[shown] -= 1
        before = shown
        time.sleep(0.05)


def wait_for_one_recognised(studio: Studio, page: Page) -> None:
    """Wait until a photograph that was taught is in view, and recognised."""
    known, until = _photographs(), time.monotonic() + 40
    while time.monotonic() < until:
        latest, label = studio.session.sources[0].latest, page.locator("#label").inner_text()
        if latest and any(np.array_equal(latest.pixels, frame) for frame in known.get(label, [])):
            return
        page.wait_for_timeout(30)
    raise TimeoutError("no photograph that was taught was recognised: try again when the machine is less busy")


def _photographs() -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    with open_video(CLIP, label=clip_label()) as stream:
        for sample in islice(stream, 1000):
            found.setdefault(str(sample.y), []).append(sample.x)
    return found


def nothing_taught(_: Studio, page: Page) -> None:
    page.wait_for_timeout(3000)


def taught(studio: Studio, page: Page) -> None:
    teach(studio, 2)
    page.wait_for_timeout(1500)


def paused(studio: Studio, page: Page) -> None:
    teach(studio, 1)
    ask(studio, do="learn", on=False)
    page.wait_for_timeout(1500)


def full_disk(studio: Studio, page: Page) -> None:
    path = studio.session.keeper.checkpoint
    studio.session.keeper._troubles["checkpoint"] = f"cannot write {path}: No space left on device"
    studio.session.keeper._due[0] = time.monotonic() + 3600
    page.wait_for_timeout(3000)


def lost(studio: Studio, page: Page) -> None:
    page.wait_for_timeout(3000)
    studio.server.should_exit = True
    page.wait_for_timeout(2500)


def no_camera(_: Studio, page: Page) -> None:
    page.wait_for_timeout(2500)


def connecting(_: Studio, page: Page) -> None:
    page.route_web_socket("**/ws*", lambda _: None)
    page.reload()
    page.wait_for_timeout(1000)


STATES: dict[str, tuple[list[str], bool, Callable[[Studio, Page], None]]] = {
    "nothing-taught": ([], False, nothing_taught),
    "taught": ([], True, taught),
    "paused": ([], True, paused),
    "full-disk": ([], True, full_disk),
    "lost": ([], True, lost),
    "no-camera": (["/dev/video9"], False, no_camera),
    "connecting": ([], False, connecting),
}


def shoot(browser: Any, name: str, save: Callable[[Page, str, str], None]) -> None:
    """Bring a studio into a state, and take its pictures."""
    addresses, start, prepare = STATES[name]
    with (
        tempfile.TemporaryDirectory() as folder,
        chdir(folder),
        served(addresses, Path("studio"), start=start) as studio,
    ):
        page = browser.new_page(viewport=SIZES["wide"], color_scheme="light")
        page.goto(studio.door.address)
        prepare(studio, page)
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            for size, viewport in SIZES.items():
                page.set_viewport_size(viewport)
                page.wait_for_timeout(1200)
                if name == "taught":
                    wait_for_one_recognised(studio, page)
                save(page, size, theme)
        page.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("states", nargs="*", default=[])
    parser.add_argument("--docs", action="store_true")
    options = parser.parse_args()
    if options.folder is None and not options.docs:
        parser.error("expected a folder for the pictures, or --docs")
    with sync_playwright() as playwright, launch(playwright) as browser:
        if options.docs:
            wanted = {("wide", "light"): "studio.jpg", ("narrow", "dark"): "studio-phone.jpg"}

            def save(page: Page, size: str, theme: str) -> None:
                if (size, theme) in wanted:
                    page.screenshot(path=DOCS / wanted[size, theme], type="jpeg", quality=80)

            shoot(browser, "taught", save)
            return
        folder = options.folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        for name in options.states or STATES:
            shoot(
                browser,
                name,
                lambda page, size, theme, name=name: page.screenshot(
                    path=folder / f"{name}-{size}-{theme}.png", full_page=True
                ),
            )


if __name__ == "__main__":
    main()
