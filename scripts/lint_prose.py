"""Check the prose of every page: proselint, and the style of this house.

    python scripts/lint_prose.py [PAGE.md ...]

Code, tables and links' targets are left out. The style: British spelling, short sentences, no phrase that must be decoded.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "RELEASE.md", "SECURITY.md", "CONTRIBUTING.md", "docs/**/*.md", "examples/start/*.py")
MADE = {"_build", "reference", "modules"}  # folders of what the site's build writes
MOST_WORDS = 40  # of a sentence

HOUSE = {
    r"\bof late\b": "lately, or 'the latest'",
    r"\bso many (samples|frames)\b(?! as)": "say how many, or 'a number of'",
    r"\bto choose by\b": "say what decides",
    r"\bwithout a word\b": "in silence",
    r"\b(utili[sz]e|leverage)\b": "use",
    r"\b(simply|just|easily|obviously)\b(?! (as|received|read))": "leave it out",
    r"\b(color|behavior|center|gray|normalize|standardize|optimize|recognize|license)s?\b": "British spelling",
    r"\bvs\.?\b": "against, or beside",
    r"\betc\b": "say what else, or leave it out",
    r"\be\.g\.|\bi\.e\.": "for example; that is",
    r"\bplease\b": "leave it out",
}
NOT_OURS = (
    "typography.",
    "dates_times.",
    "weasel_words.very",
    "misc.capitalization",
)  # marks that code needs, and jokes
_LEFT_OUT = [
    re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE),
    re.compile(r"^<!-- table: .*?^<!-- end -->$", re.DOTALL | re.MULTILINE),
    re.compile(r"^---\n.*?^---$", re.DOTALL | re.MULTILINE),
    re.compile(r"^(?:#|\||:::).*$", re.MULTILINE),
    re.compile(r"^ {4}.*$", re.MULTILINE),
    re.compile(r"\$\$.*?\$\$", re.DOTALL),
    re.compile(r"\$[^$\n]+\$"),
    re.compile(r"`[^`]+`"),
    re.compile(r"(?<=\])\([^)]*\)|<https?:[^>]*>"),
    re.compile(r"\{[a-z:+-]+\}"),
]


def prose(path: Path) -> str:
    """Return a page's text with all but its prose blanked out; lines keep their numbers."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        text = "\n".join(line[2:] if line.startswith("# ") else "" for line in text.splitlines())
    for pattern in _LEFT_OUT:
        text = pattern.sub(lambda found: re.sub(r"[^\n]+", "", found[0]) if "\n" in found[0] else "", text)
    return text


def house(text: str) -> Iterator[tuple[int, str]]:
    """Yield what the house's style objects to, with the number of its line."""
    for pattern, instead in HOUSE.items():
        for found in re.finditer(pattern, text, flags=re.IGNORECASE):
            yield text.count("\n", 0, found.start()) + 1, f"{found[0]!r}: {instead}"
    for paragraph in re.finditer(r"(?:[^\n]+\n?)+", text):
        for sentence in re.split(r"(?<=[.!?:;])\s|\n(?=[-*\d#:])", paragraph[0]):
            words = len(re.findall(r"[A-Za-z’']+", sentence))
            if words > MOST_WORDS:
                line = text.count("\n", 0, paragraph.start()) + 1
                yield line, f"a sentence of {words} words: {' '.join(sentence.split()[:6])} …"


def proselint(texts: dict[Path, str]) -> Iterator[tuple[Path, int, str]]:
    """Yield what proselint objects to."""
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for number, (path, text) in enumerate(texts.items()):
            files[str(file := Path(folder) / f"{number}.md")] = path
            file.write_text(text, encoding="utf-8")
        command = [sys.executable, "-c", "from proselint.command_line import main; main()", "check", *files]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):
            sys.exit(done.stderr)
        for line in done.stdout.splitlines():
            if (found := re.match(r"(.+\.md):(\d+):\d+: ([\w.]+): (.*)", line)) and not found[3].startswith(NOT_OURS):
                yield files[found[1]], int(found[2]), f"{found[3]}: {found[4]}"


def main(names: list[str]) -> int:
    """Print every objection; return 1 if there is one."""
    pages = [Path(name).absolute() for name in names] or [path for glob in PAGES for path in sorted(ROOT.glob(glob))]
    pages = [page for page in pages if not MADE & set(page.parts)]
    texts = {page: prose(page) for page in pages}
    found = [(page, line, message) for page, text in texts.items() for line, message in house(text)]
    found += proselint(texts)
    for page, line, message in sorted(found):
        print(f"{page.relative_to(ROOT) if page.is_relative_to(ROOT) else page}:{line}: {message}")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
