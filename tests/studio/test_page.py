"""The page in a real Chromium: from an empty folder to taught classes, taken away as a model."""

import asyncio
import json
import re
import threading
import time
from pathlib import Path

import browsing
import numpy as np
import pytest
from browsing import WAIT_MS, expect, shows, sync_api
from clips import write_clip
from studio_bench import VIDEO, ask, parsed, served

from benchmarks.core.chromium import CHROMIUM, launch, write_camera
from hebbstream.adapters.video import open_video
from hebbstream.cli._studio import _opened
from hebbstream.cli._studio_signals import signal_opener, signal_settings
from hebbstream.clip import CLIP, clip_label
from hebbstream.studio._picture import scaled

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium: `make browser` installs it, on Debian and as root"
)

THINGS = ("flower", "rocket")
AXE = Path(__file__).parent / "npm" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")
def things():
    """Frames of two photographs, those to show and those to hold out of each: every fourth."""
    found = {name: [] for name in THINGS}
    with open_video(CLIP, label=clip_label()) as stream:
        for sample in stream:
            if sample.y in found and len(found[sample.y]) < 48:
                found[sample.y].append(sample.x)
            if all(len(frames) == 48 for frames in found.values()):
                break
    return {name: ([f for i, f in enumerate(frames) if i % 4], frames[::4]) for name, frames in found.items()}


@pytest.fixture(scope="module")
def scenes(things):
    """What a camera sees: one thing for a while, nothing, the other."""
    gap = [np.full((128, 128, 3), 128, np.uint8)] * 8
    shown = {
        name: [np.kron(frame, np.ones((2, 2, 1), np.uint8)) for frame in frames] for name, (frames, _) in things.items()
    }
    return [frame for name in THINGS for frame in [*shown[name], *gap]]


@pytest.fixture(scope="module")
def browser(scenes, tmp_path_factory):
    camera = write_camera(tmp_path_factory.mktemp("camera") / "camera.y4m", scenes)
    with sync_api.sync_playwright() as playwright, launch(playwright, camera) as browser:
        yield browser


def opened(browser, studio):
    return browsing.opened(browser, studio.door.address)


@pytest.fixture(scope="module")
def clip(scenes, tmp_path_factory):
    """A short video: the bundled one takes seconds to read."""
    return str(write_clip(tmp_path_factory.mktemp("clip") / "scenes.mp4", np.stack(scenes)))


def cut_off(studio):
    """Close the connections of all pages."""
    viewers = studio.app.viewers
    for viewer in list(viewers._all.values()):
        asyncio.run_coroutine_threadsafe(viewer.socket.close(1001), viewers._beating.get_loop()).result(30)


def in_view(studio, source, things):
    """Which of the things the source's latest picture shows."""
    latest = studio.session.sources[source].latest
    if latest is None:
        return None
    small = scaled(latest.pixels, (8, 8)).astype(float)
    if small.std() < 3:
        return None
    distances = {name: np.abs(shown - small).mean(axis=(1, 2, 3)).min() for name, shown in things.items()}
    return min(distances, key=distances.get)


def hold_keys(page, studio, source, things, wanted):
    """Hold each thing's key while it is in view, until it has so many examples."""
    small = {name: np.stack([scaled(frame, (8, 8)) for frame in shown]) for name, (shown, _) in things.items()}
    until = time.monotonic() + 50
    held = None
    while min(studio.session.examples.counts().values()) < wanted and time.monotonic() < until:
        seen = in_view(studio, source, small)
        if seen != held:
            if held:
                page.keyboard.up(str(THINGS.index(held) + 1))
                page.wait_for_timeout(100)
            if seen:
                page.keyboard.down(str(THINGS.index(seen) + 1))
            held = seen
        page.wait_for_timeout(10)
    if held:
        page.keyboard.up(str(THINGS.index(held) + 1))


@pytest.mark.parametrize("kind", ["browser camera", "file"])
def test_from_an_empty_folder_to_two_classes_and_their_model(kind, browser, things, clip, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    addresses = [] if kind == "browser camera" else [clip]
    with served(addresses, tmp_path / "run") as studio, opened(browser, studio) as page:
        source = 0
        if kind == "browser camera":
            page.click("#camera")
            source = 1
            expect(page.locator("#camera")).to_have_text("Stop the camera", timeout=WAIT_MS)
        shows(page, "status", "ready")
        page.keyboard.press("l")
        shows(page, "status", "learning")
        for name in THINGS:
            page.keyboard.press("n")
            page.keyboard.type(name)
            page.keyboard.press("Enter")
            expect(page.locator("#classes .name", has_text=name)).to_be_visible()
        page.evaluate("document.activeElement.blur()")
        hold_keys(page, studio, source, things, 36)
        counts = studio.session.examples.counts()
        assert min(counts.values()) >= 36, counts
        page.keyboard.press("l")
        shows(page, "status", "paused")
        ask(studio, do="confidence", value=0)
        with page.expect_download() as download:
            page.click("text=ONNX model")
        model = onnxruntime.InferenceSession(str(download.value.path()))
        net, probe = studio.session.net, studio.session.probe
        right = 0
        held_out = [(name, frame) for name, (_, frames) in things.items() for frame in frames]
        for name, frame in held_out:
            small = scaled(frame, (32, 32))
            here = probe.predict_one(net.transform_one(small))
            (shares,) = model.run(["probabilities"], {"frames": small[None]})[0]
            assert probe.classes[int(shares.argmax())] == here
            right += here == name
        assert right / len(held_out) > 0.95
        # A wrong example is taken back, and a page that is loaded again finds everything.
        before = len(studio.session.examples)
        page.locator("#examples button").first.click()
        expect(page.locator("#kept")).to_contain_text(str(before - 1), timeout=WAIT_MS)
        assert probe is not studio.session.probe
        page.reload()
        expect(page.locator("#classes li")).to_have_count(2, timeout=WAIT_MS)
        expect(page.locator("#kept")).to_contain_text(str(before - 1), timeout=WAIT_MS)
        assert "token" not in page.url


def test_the_page_says_what_is_wrong_and_comes_back(browser, tmp_path):
    with served(["/dev/video97"], tmp_path / "run") as studio, opened(browser, studio) as page:
        shows(page, "picture-message", "No picture")
        studio.session.keeper._troubles["checkpoint"] = "cannot write run.safetensors: No space left on device"
        studio.session.keeper._due[0] = time.monotonic() + 3600
        shows(page, "notice", "No space left on device")
        studio.session.keeper._troubles.clear()
        expect(page.locator("#notice")).to_be_hidden(timeout=WAIT_MS)
        port, token = studio.door.port, studio.door.token
        studio.server.should_exit = True
        shows(page, "status", "connection lost")
        shows(page, "picture-message", "connection to the studio is lost")
        assert (port, token) == (studio.door.port, studio.door.token)


def test_a_second_viewer_reads_until_it_takes_the_pen(browser, clip, tmp_path):
    with served([clip], tmp_path / "run") as studio, opened(browser, studio) as first:
        shows(first, "status", "ready")
        with opened(browser, studio) as second:
            shows(second, "pen", "Somebody else holds the pen")
            expect(second.locator("#learn")).to_be_disabled()
            ask(studio, do="add-class", name="late")
            expect(second.locator("#classes button")).to_have_count(2, timeout=WAIT_MS)
            for button in second.locator("#classes button").all():
                expect(button).to_be_disabled()
            ask(studio, do="forget", name="late")
            second.click("#take-pen")
            expect(second.locator("#learn")).to_be_enabled()
            shows(first, "pen", "Somebody else holds the pen")
            second.select_option("#preset", "cifar10")
            second.evaluate(
                "document.querySelector('#preset').value = 'video'"
            )  # as what was sent before it arrives late
            second.select_option("#width", "16")
            second.click("#learn")
            shows(second, "status", "learning")
            assert studio.session.net.preset == "cifar10"
            expect(second.locator("#width")).to_be_disabled(timeout=WAIT_MS)
            second.click("#reopen")
            until = time.monotonic() + 10
            while float(studio.session.net.layers[0].opening[0]) == 0 and time.monotonic() < until:
                second.wait_for_timeout(20)
            assert float(studio.session.net.layers[0].opening[0]) > 0


def test_names_are_typed_while_the_studio_is_busy(browser, clip, tmp_path):
    with served([clip], tmp_path / "run") as studio, opened(browser, studio) as page:
        shows(page, "status", "ready")
        busy = threading.Event()
        studio.session.ask(lambda: busy.wait(60))
        for name in (*THINGS, THINGS[0]):
            page.keyboard.press("n")
            page.keyboard.type(name)
            page.keyboard.press("Enter")
        page.keyboard.press("n")
        page.keyboard.type("vase")
        busy.set()
        expect(page.locator("#classes .name")).to_have_text(list(THINGS), timeout=WAIT_MS)
        shows(page, "notice", "is there already")
        expect(page.locator("#name")).to_have_value("vase")
        page.locator("#classes .round").first.click()
        page.fill("#class-name", "")
        page.click("#class-dialog .main")
        shows(page, "notice", "expected a name of 1 to 40 characters")


def test_a_number_key_teaches_until_that_key_goes_up(browser, clip, tmp_path):
    with served([clip], tmp_path / "run") as studio, opened(browser, studio) as page:
        shows(page, "status", "ready")
        for name in ("constructor", "book"):
            ask(studio, do="add-class", name=name)
        shows(page, "classes", "book")
        expect(page.locator("#classes .percent").first).to_have_text("–")
        keys = page.context.new_cdp_session(page)

        def press(kind, number, key):
            keys.send("Input.dispatchKeyEvent", {"type": kind, "key": key, "code": f"Digit{number}"})

        def teaches(*names):
            expect(page.locator("#classes .held .name")).to_have_text(list(names), timeout=WAIT_MS)

        press("keyDown", 1, "1")
        teaches("constructor")
        press("keyUp", 1, "!")  # Shift is down by now
        teaches()
        press("keyDown", 1, "1")
        press("keyDown", 2, "2")
        press("keyUp", 1, "1")
        teaches("book")
        page.wait_for_timeout(300)
        teaches("book")
        press("keyUp", 2, "2")
        teaches()


def test_the_camera_is_opened_once_and_let_go_with_the_page(browser, tmp_path):
    with served([], tmp_path / "run") as studio, opened(browser, studio) as page:
        shows(page, "status", "ready")
        page.evaluate("""() => {
            const media = navigator.mediaDevices, open = media.getUserMedia.bind(media);
            window.tracks = [];
            media.getUserMedia = async (wanted) => {
                const stream = await open(wanted);
                window.tracks.push(...stream.getTracks());
                return stream;
            };
        }""")
        page.dblclick("#camera")
        expect(page.locator("#camera")).to_have_text("Stop the camera", timeout=WAIT_MS)
        camera = studio.session.sources[1]

        def becomes(state, source=camera):
            until = time.monotonic() + 30
            while source.told()["state"] != state:
                assert time.monotonic() < until, state
                page.wait_for_timeout(10)

        becomes("live")
        cut_off(studio)
        becomes("off")
        becomes("live")  # the page comes back, and its camera with it
        page.click("#camera")
        expect(page.locator("#camera")).to_have_text("Use this browser’s camera", timeout=WAIT_MS)
        assert page.evaluate("window.tracks.map((track) => track.readyState)") == ["ended"]
        clip = studio.session.sources[0]
        becomes("live", clip)  # nothing was learned yet
        page.click("#camera")
        expect(page.locator("#camera")).to_have_text("Stop the camera", timeout=WAIT_MS)
        ask(studio, do="learn", on=True)
        expect(page.locator("#samples")).to_have_text(re.compile("[1-9]"), timeout=WAIT_MS)
        page.click("#camera")
        becomes("off")
        shows(page, "picture-message", "turned off")
        assert not clip.wanted  # it is not mixed with what the camera has taught
        page.get_by_role("button", name="Turn on bundled clip").click()
        expect(page.locator("#picture-message")).to_be_hidden(timeout=WAIT_MS)


def test_the_file_that_a_browser_is_given_leads_to_the_page(browser, clip, tmp_path, monkeypatch):
    with served([clip], tmp_path / "run") as studio, opened(browser, studio) as page:
        page.goto("about:blank")
        page.context.clear_cookies()
        monkeypatch.setattr("webbrowser.open", page.goto)
        with _opened(studio.door.address, tmp_path / "run"):
            shows(page, "status", "ready")
        assert page.url == f"http://127.0.0.1:{studio.door.port}/"


def test_a_page_of_the_run_before_says_what_to_open(browser, clip, tmp_path):
    with served([clip], tmp_path / "run") as studio, opened(browser, studio) as page:
        shows(page, "status", "ready")
        page.context.clear_cookies()  # as after another start on the same port, which has another token
        page.evaluate("localStorage.clear()")
        cut_off(studio)
        shows(page, "picture-message", "open the address that it has printed")


@pytest.mark.skipif(not AXE.is_file(), reason="no axe-core: `make browser` installs it, with npm")
def test_axe_finds_nothing_serious_in_any_state(browser, clip, tmp_path):
    found = {}

    def look(state, page):
        """All of axe's rules in the light theme; in the dark one, what depends on colours."""
        for theme, options in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            run = page.evaluate("(options) => axe.run({ resultTypes: ['violations'], ...options })", options)
            serious = [one for one in run["violations"] if one["impact"] in ("serious", "critical")]
            found[f"{state}, {theme}"] = [(one["id"], one["nodes"][0]["html"][:200]) for one in serious]

    with served([clip, "/dev/video97"], tmp_path / "run") as studio, opened(browser, studio) as page:
        waiting = page.context.new_page()
        waiting.route_web_socket("**/ws*", lambda _: None)
        waiting.goto(f"http://127.0.0.1:{studio.door.port}/")
        shows(waiting, "status", "connecting")
        expect(waiting.locator("#camera")).to_be_disabled()  # it cannot know yet what to turn off
        waiting.evaluate(AXE.read_text())
        look("connecting", waiting)
        waiting.close()
        shows(page, "status", "ready")
        page.evaluate(AXE.read_text())
        look("nothing taught", page)
        page.locator("#sources .source").nth(1).click()
        shows(page, "picture-message", "No picture")
        look("no camera", page)
        page.locator("#sources .source").first.click()
        for name in THINGS:
            ask(studio, do="add-class", name=name)
            ask(studio, do="hold", label=name, source=0, seconds=60)
            until = time.monotonic() + 20
            while not studio.session.examples.counts()[name] and time.monotonic() < until:
                time.sleep(0.02)
        ask(studio, do="release")
        ask(studio, do="learn", on=True)
        shows(page, "status", "learning")
        expect(page.locator("#examples li").first).to_be_visible()
        look("taught", page)
        page.set_viewport_size({"width": 390, "height": 844})
        look("narrow", page)
        page.click("#show-help")
        look("help", page)
        page.keyboard.press("Escape")
        page.locator("#classes .round").first.click()
        look("class", page)
        page.keyboard.press("Escape")
        ask(studio, do="learn", on=False)
        shows(page, "status", "paused")
        look("paused", page)
        studio.session.keeper._troubles["checkpoint"] = "cannot write: No space left on device"
        studio.session.keeper._due[0] = time.monotonic() + 3600
        shows(page, "notice", "No space left on device")
        look("full disk", page)
        studio.server.should_exit = True
        shows(page, "status", "connection lost")
        look("lost", page)
    assert json.dumps({state: wrong for state, wrong in found.items() if wrong}, indent=1) == "{}"


def test_a_signal_is_shown_as_curves(browser, tmp_path):
    path = tmp_path / "sensors.csv"
    path.write_text("x,y\n" + "\n".join(f"{np.sin(t / 3):.3f},{np.cos(t / 9):.3f}" for t in range(300)))
    options = parsed(path, "--window", "50", "--width", "8")
    settings = signal_settings(options, "table", VIDEO)
    with (
        served([str(path)], tmp_path / "run", settings, signals=signal_opener(options, "table")) as studio,
        opened(browser, studio) as page,
    ):
        shows(page, "picture-title", "Live signal")
        expect(page.locator("#camera")).to_be_hidden()
        expect(page.locator("#picture-message")).to_be_hidden(timeout=WAIT_MS)
        shows(page, "filters-note", "8 filters")
        expect(page.locator("#channels li")).to_have_text(["x", "y"])
        expect(page.locator("#channels li").last).to_have_css("color", "rgb(120, 190, 255)")  # of the second curve
        drawn = """() => {
            const canvas = document.getElementById("filters");
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return new Set(Array.from(new Uint32Array(data.buffer))).size;
        }"""
        assert page.evaluate(drawn) > 10  # lines in several colours, smoothed
        page.keyboard.press("l")
        shows(page, "status", "learning")
        ask(studio, do="add-class", name="wave")
        shows(page, "classes", "wave")
        page.keyboard.down("1")
        shows(page, "classes", "recognised first")
        page.keyboard.up("1")
