"""Put the stored results into the tables of the pages: `python -m benchmarks.page [--check]`."""

import argparse
import sys

import benchmarks.overview
import benchmarks.paper.tables
import benchmarks.quality.tables
import benchmarks.speed.tables
from benchmarks.core.page import Tables, write_pages
from benchmarks.core.run import RESULTS, ROOT
from hebbstream.errors import HebbstreamError

TABLES: Tables = (
    benchmarks.overview.TABLES
    | benchmarks.speed.tables.TABLES
    | benchmarks.quality.tables.TABLES
    | benchmarks.paper.tables.TABLES
)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing, and fail if a page differs from the results"
    )
    options = parser.parse_args(arguments)
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    try:
        differing = write_pages(pages, TABLES, RESULTS, check=options.check)
    except HebbstreamError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for page in differing:
        name = page.relative_to(ROOT)
        print(
            f"{name} differs from benchmarks/results: python -m benchmarks.page" if options.check else f"wrote {name}"
        )
    return int(options.check and bool(differing))


if __name__ == "__main__":
    sys.exit(main())
