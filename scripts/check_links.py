"""Check that no link within the built site is dead: `python scripts/check_links.py docs/_build/html`."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

_ELSEWHERE = re.compile(r"[a-z]+:|//")


class Page(HTMLParser):
    """What a page links to, and what can be linked to on it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        named = dict(attrs)
        self.anchors |= {value for value in (named.get("id"), named.get("name")) if value}
        self.links |= {
            value for value in (named.get("href"), named.get("src")) if value and not _ELSEWHERE.match(value)
        }


def main(site: Path) -> int:
    """Print every dead link; return 1 if there is one."""
    pages = {path: Page(path) for path in site.rglob("*.html") if "_static" not in path.relative_to(site).parts}
    dead = []
    for path, page in pages.items():
        for link in page.links:
            target, _, anchor = unquote(link).partition("#")
            place = (path.parent / target.partition("?")[0]).resolve() if target else path
            if not place.exists() or (anchor and place in pages and anchor not in pages[place].anchors):
                dead.append(f"{path.relative_to(site)}: {link}")
    print("\n".join(dead) or f"{len(pages)} pages, {sum(len(page.links) for page in pages.values())} links, none dead")
    return bool(dead)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
