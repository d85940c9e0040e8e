import doctest
import importlib
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parent.parent
MODULES = sorted(
    f"{package}.{path.stem}"
    for package, folder in (
        ("hebbstream", "hebbstream"),
        ("hebbstream.engine", "hebbstream/engine"),
        ("hebbstream.inspection", "hebbstream/inspection"),
        ("hebbstream.probe", "hebbstream/probe"),
        ("hebbstream.streams", "hebbstream/streams"),
        ("hebbstream.adapters", "adapters"),
        ("hebbstream.export", "export"),
    )
    for path in (ROOT / folder).glob("*.py")
    if path.stem not in ("__init__", "_version")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    results = doctest.testmod(
        importlib.import_module(name),
        extraglobs={"torch": torch},
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE,
    )
    assert results.failed == 0


def test_there_are_examples_to_run():
    finder = doctest.DocTestFinder()
    examples = sum(len(test.examples) for name in MODULES for test in finder.find(importlib.import_module(name)))
    assert examples > 60
