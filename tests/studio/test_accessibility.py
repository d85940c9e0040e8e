"""The page without a mouse, without eyes, on small screens, in high contrast, and in other languages."""

import time

import pytest
from browsing import WAIT_MS, expect, opened, shows, sync_api
from clips import ramp, write_clip
from studio_bench import ask, served

from benchmarks.core.chromium import CHROMIUM, launch
from hebbstream.errors import InputError
from hebbstream.studio._actions import ACTIONS

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium: `make browser` installs it, on Debian and as root"
)

NAMES = ("the cup that stands at the left hand", "the cup that stands at the left side")
FOCUSED = "document.activeElement.ariaLabel ?? document.activeElement.id"


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright, launch(playwright) as browser:
        yield browser


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """One with two classes, some examples of each, and two sources."""
    folder = tmp_path_factory.mktemp("accessible")
    clip = str(write_clip(folder / "clip.mp4", ramp(50)))
    with served([clip, "/dev/video97"], folder / "run") as studio:
        for name in NAMES:
            ask(studio, do="add-class", name=name)
            teach(studio, name, 3)
        yield studio


@pytest.fixture
def page(browser, studio):
    with opened(browser, studio.door.address) as page:
        shows(page, "status", "ready")
        expect(page.locator("#classes li").nth(1)).to_be_visible(timeout=WAIT_MS)
        expect(page.locator("#examples li").nth(1)).to_be_visible(timeout=WAIT_MS)
        yield page


def teach(studio, name, wanted):
    ask(studio, do="hold", label=name, source=0, seconds=60)
    until = time.monotonic() + 30
    while studio.session.examples.counts()[name] < wanted and time.monotonic() < until:
        time.sleep(0.02)
    ask(studio, do="release")


def becomes(page, script, wanted):
    page.wait_for_function(f"(wanted) => ({script}) === wanted", arg=wanted, timeout=WAIT_MS)


def test_a_click_without_a_pointer_teaches_and_what_it_did_is_said(page, studio):
    before = studio.session.examples.counts()[NAMES[0]]
    hold = page.locator("#classes .hold").first
    hold.evaluate("(button) => button.click()")  # as of a screen reader
    shows(page, "said", f"Teaching {NAMES[0]}")
    expect(hold).to_have_accessible_name(f"Teaching … {NAMES[0]}")
    shows(page, "said", f"{NAMES[0]}: ")
    assert studio.session.held is None
    after = studio.session.examples.counts()[NAMES[0]]
    assert after > before + 2
    shows(page, "said", f"{NAMES[0]}: {after} examples")
    hold.press("Space", delay=300)  # a key holds for as long as it is down
    page.wait_for_timeout(100)
    assert studio.session.held is None


def test_the_focus_goes_on_where_what_had_it_is_gone(page, studio):
    second = page.locator("#examples button").nth(1).get_attribute("aria-label")
    page.locator("#examples button").first.press("Enter")
    becomes(page, FOCUSED, second)
    for name in ("vase", "book"):
        ask(studio, do="add-class", name=name)
    menu = page.get_by_role("button", name="Rename or forget vase")
    menu.press("Enter")
    page.fill("#class-name", "bowl")
    page.keyboard.press("Enter")
    becomes(page, FOCUSED, "Rename or forget bowl")
    page.keyboard.press("Enter")
    page.locator("#class-dialog .danger").press("Enter")
    becomes(page, FOCUSED, "Rename or forget book")
    page.keyboard.press("Enter")
    page.locator("#class-dialog .danger").press("Enter")
    becomes(page, FOCUSED, f"Rename or forget {NAMES[1]}")


def test_the_focus_goes_on_where_a_peak_has_passed(page):
    show = """async (ages) => {
        const { Novelty } = await import("/page/novelty.js");
        window.novelty ??= new Novelty();
        const peaks = ages.map((age) => ({ id: 1000 + age, age }));
        window.novelty.show({ strip: [], bins: 1, seconds: 1, peaks });
    }"""
    page.evaluate(show, [20, 30, 40])
    page.get_by_role("button", name="30 s ago").focus()
    page.evaluate(show, [20, 40])
    becomes(page, FOCUSED, "Unusual moment, 20 s ago")


def test_whoever_only_reads_presses_nothing_and_keeps_the_focus_with_the_pen(page, browser, studio):
    with opened(browser, studio.door.address) as second:
        shows(second, "pen", "Somebody else holds the pen")
        expect(second.locator("#examples button").first).to_be_disabled()
        second.locator("#take-pen").press("Enter")
        becomes(second, FOCUSED, "learn")
        page.focus("#likes-layer")
        before = page.input_value("#likes-layer")
        page.select_option("#likes-layer", "2")
        shows(page, "notice", "somebody else holds the pen")
        expect(page.locator("#likes-layer")).to_have_value(before)  # not what was refused
        expect(second.locator("#examples button").first).to_be_enabled()
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("n")
        shows(page, "notice", "Somebody else holds the pen: take it first.")


def test_a_browser_that_keeps_nothing_is_told_what_to_allow(browser, studio):
    with browser.new_context() as context:
        page = context.new_page()
        page.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('denied'); } })")
        page.goto(studio.door.address)
        shows(page, "status", "not connected")
        shows(page, "notice", "allow cookies and storage")


@pytest.mark.parametrize("size", [(320, 256), (320, 700), (390, 844), (1400, 700)])
def test_what_has_the_focus_is_not_under_the_header(size, page):
    page.set_viewport_size({"width": size[0], "height": size[1]})
    covered = """() => {
        const header = document.querySelector("header"), { activeElement: focused } = document;
        const free = focused === document.body || header.contains(focused) || focused.matches(".spoken");
        return !free && focused.getBoundingClientRect().top < header.getBoundingClientRect().bottom - 1
            ? focused.outerHTML : "";
    }"""
    for key in ("Tab", "Shift+Tab"):
        page.evaluate("scrollTo(0, 0)")
        for _ in range(40):
            page.keyboard.press(key)
            assert page.evaluate(covered) == ""


@pytest.mark.parametrize(("key", "code"), [("1", "Digit1"), ("&", "Digit1"), ("١", "Digit1"), ("1", "Numpad1")])
def test_a_number_key_of_any_layout_teaches(key, code, page, studio):
    keys = page.context.new_cdp_session(page)
    keys.send("Input.dispatchKeyEvent", {"type": "keyDown", "key": key, "code": code})
    expect(page.locator("#classes .held .name")).to_have_text(NAMES[0])
    keys.send("Input.dispatchKeyEvent", {"type": "keyUp", "key": key, "code": code})
    expect(page.locator("#classes .held")).to_have_count(0)


def test_letters_are_those_of_the_layout_or_of_the_place_where_it_has_others(page):
    keys = page.context.new_cdp_session(page)
    for key, code, field in (("т", "KeyN", "name"), ("b", "KeyN", ""), ("n", "KeyL", "name"), ("End", "Numpad1", "")):
        keys.send("Input.dispatchKeyEvent", {"type": "keyDown", "key": key, "code": code})
        keys.send("Input.dispatchKeyEvent", {"type": "keyUp", "key": key, "code": code})
        assert page.evaluate("document.activeElement.id") == field
        page.evaluate("document.activeElement.blur()")
    expect(page.locator("#classes .held")).to_have_count(0)


def test_keys_can_be_turned_off_and_stay_so(page):
    page.click("#show-help")
    assert page.evaluate(FOCUSED) == "help-title"  # not further down, out of a small screen
    page.get_by_label("Use these keys").uncheck()
    page.keyboard.press("Escape")
    page.reload()
    shows(page, "status", "ready")
    for key in ("1", "l", "n", "?"):
        page.keyboard.press(key)
    expect(page.locator("#help")).to_be_hidden()
    page.click("#show-help")
    page.get_by_label("Use these keys").check()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()


def test_a_refused_confidence_is_not_shown(page, studio, monkeypatch):
    def refuse(session, message):
        raise InputError(f"value {message['value']}: expected another one")

    shows(page, "confidence-value", "50 %")
    monkeypatch.setitem(ACTIONS, "confidence", refuse)
    page.locator("#confidence").press("ArrowRight")
    shows(page, "notice", "value 0.55: expected another one")
    expect(page.locator("#confidence")).to_have_value("50")
    shows(page, "confidence-value", "50 %")


def test_bars_are_seen_in_high_contrast(page):
    page.emulate_media(forced_colors="active")
    bar = page.locator("#layers .bar span").first
    expect(bar).not_to_have_css("background-color", page.evaluate("getComputedStyle(document.body).backgroundColor"))


@pytest.mark.parametrize("width", [320, 1400])
def test_long_names_are_shown_to_their_end(width, page):
    page.set_viewport_size({"width": width, "height": 900})
    for name in page.locator("#classes .name").all():
        assert name.evaluate("(name) => name.scrollWidth <= name.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_buttons_say_what_they_are_for_and_names_have_their_own_direction(page, studio):
    expect(page.get_by_role("button", name="Turn off clip.mp4")).to_be_visible()
    ask(studio, do="add-class", name="كوب cup")
    expect(page.locator("#classes .name").last).to_have_css("direction", "rtl")
    ask(studio, do="forget", name="كوب cup")
    expect(page.locator("#classes li")).to_have_count(len(NAMES))


def test_a_connection_that_has_fallen_silent_is_taken_for_lost_and_made_anew(browser, studio):
    silent = []

    def route(socket):
        server = socket.connect_to_server()
        server.on_message(lambda message: None if silent else socket.send(message))

    with browser.new_context() as context:
        page = context.new_page()
        page.clock.install()
        page.route_web_socket("**/ws*", route)
        page.goto(studio.door.address)
        shows(page, "status", "ready")
        silent.append(True)
        page.wait_for_timeout(200)
        page.clock.fast_forward(35_000)
        shows(page, "status", "connection lost")
        silent.clear()
        page.clock.fast_forward(2_000)
        shows(page, "status", "ready")


@pytest.mark.parametrize("width", [320, 390])
def test_text_twice_as_large_fits_a_phone(width, browser, studio):
    large = ["--no-sandbox", "--blink-settings=defaultFontSize=32"]
    again = browser.browser_type.launch(executable_path=CHROMIUM, args=large)
    try:
        page = again.new_page(viewport={"width": width, "height": 844})
        page.goto(studio.door.address)
        expect(page.locator("#examples li").nth(1)).to_be_visible(timeout=WAIT_MS)
        expect(page.locator("#likes li").first).to_be_visible(timeout=WAIT_MS)
        assert page.evaluate("document.documentElement.scrollWidth") == width
    finally:
        again.close()
