"""Tables of results on Markdown pages, each between the lines `<!-- table: NAME -->` and `<!-- end -->`."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from hebbstream._files import atomic_write
from hebbstream.errors import ConfigurationError

Tables = dict[str, Callable[[Path], str]]
"""By name, what makes a table in Markdown of the results in a folder."""

_OPENING = "<!-- table:"
_BLOCK = re.compile(r"<!-- table: (.+?) -->\n(.*?)<!-- end -->", re.DOTALL)


def markdown(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table."""
    lines = [f"| {' | '.join(map(str, row))} |" for row in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])


def grouped(rows: Iterable[dict[str, Any]], *keys: str) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    """Gather the rows that have the same values of some keys, in the order in which they first come."""
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in keys), []).append(row)
    return found


def rendered(text: str, tables: Tables, results: Path) -> str:
    """Return a page's text with every table as the results have it.

    Raises
    ------
    ConfigurationError
        If there is no table of some name, or no end of one.
    """

    def table(block: re.Match[str]) -> str:
        name, content = block.groups()
        if _OPENING in content:
            raise ConfigurationError(f"table {name!r}: expected <!-- end --> before the next table")
        if name not in tables:
            raise ConfigurationError(f"no table {name!r}: expected one of {', '.join(tables)}")
        return f"{_OPENING} {name} -->\n{tables[name](results)}\n<!-- end -->"

    found, count = _BLOCK.subn(table, text)
    if count != text.count(_OPENING):
        raise ConfigurationError(f"{text.count(_OPENING)} tables begin, {count} end: expected <!-- end --> after each")
    return found


def write_pages(pages: Iterable[Path], tables: Tables, results: Path, *, check: bool = False) -> list[Path]:
    """Write the pages whose tables differ from the results, or only find them; return them."""
    differing = []
    for page in pages:
        text = page.read_text(encoding="utf-8")
        try:
            new = rendered(text, tables, results)
        except ConfigurationError as error:
            raise ConfigurationError(f"{page.name}: {error}") from None
        if new != text:
            differing.append(page)
            if not check:
                with atomic_write(page) as temporary:
                    Path(temporary).write_text(new, encoding="utf-8")
    return differing
