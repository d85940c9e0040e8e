"""Pages in a real Chromium."""

from contextlib import contextmanager

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
expect = sync_api.expect

WAIT_MS = 60_000  # for a machine with much else to do


@contextmanager
def opened(browser, address):
    """The page, which must have no errors in its scripts."""
    errors = []
    with browser.new_context(viewport={"width": 1400, "height": 1000}) as context:
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        yield page
    assert errors == []


def shows(page, name, text):
    expect(page.locator(f"#{name}")).to_contain_text(text, timeout=WAIT_MS)
