import doctest
import importlib
import inspect
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
