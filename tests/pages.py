"""The pages of the site, and what of them is prose."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if not {"_build", "start"} & set(page.relative_to(ROOT).parts)]

RENDERED = re.compile(r"<!-- table: (.+?) -->\n(.*?)<!-- end -->", re.DOTALL)
_CODE = re.compile(r"^```.*?^```$|^ {4}.*?$|``[^`]+``|`[^`\n]+`", re.DOTALL | re.MULTILINE)
_TARGET = re.compile(r"(?<=\])\([^)]*\)")
_FIGURE = re.compile(
    r"\d[\d,.]*\s?(?:%|×(?!\s?\d)|ms\b|milliseconds|[kMG]i?B\b|(?:percentage )?points?\b|times\b|frames a second)"
)


def typed_figures(text: str) -> list[str]:
    """Return the measured figures on a page that no result put there: those outside rendered tables and code."""
    text = _TARGET.sub("", _CODE.sub("", RENDERED.sub("", text)))
    return [found[0] for found in _FIGURE.finditer(text)]
