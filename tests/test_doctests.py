import doctest
import importlib
import inspect
import re
import tomllib
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parent.parent
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
MODULES = sorted(
    f"{package}.{path.stem}"
    for package, folder in PACKAGES.items()
    for path in (ROOT / folder).glob("*.py")
    if path.stem not in ("__init__", "__main__", "_version")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    results = doctest.testmod(
        importlib.import_module(name),
        extraglobs={"torch": torch},
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE,
    )
    assert results.failed == 0


def test_every_public_name_has_an_example():
    without = []
    for name in [*PACKAGES, *(name for name in MODULES if "._" not in name)]:
        module = importlib.import_module(name)
        for exported in getattr(module, "__all__", ()):
            thing = getattr(module, exported)
            if callable(thing) and not (inspect.isclass(thing) and issubclass(thing, Exception)):
                without += [f"{name}.{exported}"] if ">>> " not in (inspect.getdoc(thing) or "") else []
    assert without == []


def described(thing):
    """Return the names under Parameters in a docstring, as they come there."""
    section = re.search(
        r"^Parameters\n-+\n(.*?)(\n\n\w+\n-+\n|\Z)", inspect.getdoc(thing) or "", re.DOTALL | re.MULTILINE
    )
    lines = section[1].splitlines() if section else []
    return [name.strip(" *") for line in lines if line[:1].strip() for name in line.partition(" : ")[0].split(",")]


@pytest.mark.parametrize("name", MODULES)
def test_parameters_are_described_in_the_order_of_the_signature(name):
    made = [thing for thing in vars(importlib.import_module(name)).values() if getattr(thing, "__module__", "") == name]
    classes = [thing for thing in made if inspect.isclass(thing)]
    methods = [each for thing in classes for each in vars(thing).values() if inspect.isroutine(each)]
    for thing in [*made, *(getattr(each, "__func__", each) for each in methods)]:
        if found := described(thing) if callable(thing) else []:
            wanted = list(inspect.signature(thing).parameters)
            assert [one for one in found if one in wanted] == [one for one in wanted if one in found], thing
