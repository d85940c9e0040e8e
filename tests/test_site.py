"""The pages: figures come from results, links lead somewhere, programs run, and the style of the house is kept."""

import importlib
import inspect
import re
import subprocess
import sys

import pytest
from forked import run_program
from pages import PAGES, RENDERED, ROOT, typed_figures
from PIL import Image
from test_structure import PUBLIC

GUIDES = {page.stem: page for page in PAGES if page.parent.name == "guides" and "**Task:**" in page.read_text()}
_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#([^)\s]+))?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_figure_is_typed_by_hand(page):
    found = typed_figures(page.read_text(encoding="utf-8"))
    assert not found, f"{found}: let benchmarks.page render a table of the results, or say it in words"


@pytest.mark.parametrize("tutorial", sorted((ROOT / "examples" / "start").glob("*.py")), ids=lambda path: path.stem)
def test_no_figure_is_typed_into_a_tutorial(tutorial):
    assert typed_figures("\n".join(re.findall(r"^# (.*)$", tutorial.read_text(encoding="utf-8"), re.MULTILINE))) == []


def test_no_figure_is_typed_into_the_text_of_a_public_name():
    for name in PUBLIC:
        module = importlib.import_module(name)
        for thing in (getattr(module, exported) for exported in getattr(module, "__all__", ())):
            members = [thing, *vars(thing).values()] if inspect.isclass(thing) else [thing]
            for member in filter(callable, members):
                text = (inspect.getdoc(member) or "").partition("Examples\n---")[0]
                assert typed_figures(text.replace("\n    ", "\n")) == [], f"{name}: {thing}"


@pytest.mark.parametrize(
    "typed",
    [
        "It reaches 70.4 % there.",
        "takes 12 ms",
        "| a | 3 points |",
        "1.5 times as fast",
        "<!-- end --> 12.5% <!-- end -->",
    ],
)
def test_a_figure_typed_by_hand_is_found(typed):
    assert typed_figures(typed)


def test_figures_of_results_and_code_are_none_by_hand():
    page = (
        "<!-- table: speed/step -->\n| 70.4 % |\n<!-- end -->\n```python\nx = '70 %'\n```\n`--rate 3 ms`\n32×32 pixels"
    )
    assert typed_figures(page) == []
    assert len(RENDERED.findall(page)) == 1


def anchors(page):
    for heading in re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_repository_lead_somewhere(page):
    for target, anchor in _LINK.findall(page.read_text(encoding="utf-8")):
        file = page.parent / target
        assert file.is_file(), target  # Sphinx does not link to folders
        if anchor:
            assert anchor in anchors(file), f"{target}#{anchor}"


# Sections whose program goes on with what the first has made.
GOES_ON = {"deploy": "Without hebbstream", "cameras": "Frames from a callback", "extend": "A network"}


@pytest.mark.parametrize("name", GUIDES)
def test_a_guide_begins_with_a_task_and_a_program_that_runs(name, tmp_path):
    text = GUIDES[name].read_text(encoding="utf-8")
    start, program = re.search(r"\A# .+?\n\n\*\*Task:\*\* (.+?)```python\n(.*?)```", text, flags=re.DOTALL).groups()
    assert len(start.split()) < 40
    if name in GOES_ON:
        program += re.search(rf"## {GOES_ON[name]}\n.*?```python\n(.*?)```", text, flags=re.DOTALL)[1]
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    done = run_program(tmp_path / "program.py", folder=tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr  # of another thread
    assert done.stdout
    if name == "extend":  # what was stopped and went on knows what the whole run does
        resumed, whole = re.search(r"^(\d+) of 60 .+ (\d+)$", done.stdout, flags=re.MULTILINE).groups()
        assert resumed == whole != "0"
    if name == "signals":  # to repeat the last label is right in nine of ten windows
        assert float(re.search(r"prequential accuracy (.+?)%", done.stdout)[1]) > 90


def test_the_forecast_of_the_guide_on_river_is_better_than_the_last_value(tmp_path):
    text = GUIDES["river"].read_text(encoding="utf-8")
    program = re.search(r"## How do I predict a number\?\n.*?```python\n(.*?)```", text, flags=re.DOTALL)[1]
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    done = run_program(tmp_path / "program.py", folder=tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    forecast, last_value = map(float, re.findall(r"MAE: (\S+)", done.stdout))
    assert forecast < last_value / 4


def test_an_exponent_of_bars_is_of_all_that_they_enclose(monkeypatch):
    for package in ("sphinx", "latex2mathml"):
        pytest.importorskip(package, reason=f"{package} is not installed: make docs installs it")
    monkeypatch.syspath_prepend(ROOT / "docs" / "_ext")
    mathml = importlib.import_module("mathml").mathml
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES if page.parent.name == "concepts")
    equations = [first or second for first, second in re.findall(r"\$\$(.+?)\$\$|\$(.+?)\$", text, flags=re.DOTALL)]
    assert any(r"\rvert^" in equation for equation in equations)
    for equation in equations:
        assert not re.search(r"<msup><mo[^>]*>&#x0(007C|2016);", mathml(equation)), equation


def lint(*pages):
    command = [sys.executable, ROOT / "scripts" / "lint_prose.py", *pages]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def test_every_page_is_in_the_style_of_the_house():
    done = lint()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        ("What is of late, is late.", "'of late'"),
        ("It has a color.", "British spelling"),
        (f"A sentence {'and more ' * 20}.", "a sentence of 42 words"),
        ("This is a very unique idea.", "uncomparables"),
    ],
)
def test_a_planted_sentence_is_found(planted, said, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n`color` of code is fine.\n\n{planted}\n")
    done = lint(page)
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith(f"{page}:5: ")
    assert said in done.stdout


def test_the_film_on_the_first_page_comes_to_an_end():
    with Image.open(ROOT / "docs" / "_static" / "filters.gif") as film:
        assert film.info["loop"] > 0  # 0 is for ever
