"""What the site's own style makes of what its theme and its gallery bring, in a real Chromium."""

import pytest
from browsing import expect, sync_api
from pages import ROOT

from benchmarks.core.chromium import CHROMIUM, launch

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium: `make browser` installs it, on Debian and as root"
)

_PAGE = """
<style>
.pst-scrollable-table-container { overflow-x: auto; width: 100px; }
.sphx-glr-thumbcontainer p a span { display: none; }
</style>
<div class="bd-article">
  <div class="pst-scrollable-table-container"><table><tr><td>A_table_that_is_wider_than_a_phone</td></tr></table></div>
  <div class="sphx-glr-thumbcontainer"><p><a href="1.html"><span>A tutorial</span></a></p></div>
</div>
"""


def test_wide_tables_scroll_where_keys_reach_them_and_tutorials_have_names():
    with sync_api.sync_playwright() as playwright, launch(playwright) as browser:
        page = browser.new_page()
        page.set_content(_PAGE)
        page.add_style_tag(path=ROOT / "docs" / "_static" / "site.css")
        # The theme lets keys scroll what is around a table.
        assert page.locator(".pst-scrollable-table-container").evaluate(
            "(around) => around.scrollWidth > around.clientWidth"
        )
        expect(page.get_by_role("link")).to_have_accessible_name("A tutorial")
