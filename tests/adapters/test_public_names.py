"""What the adapters offer is chosen, and none of them needs another."""

import ast
import importlib
from pathlib import Path

import pytest

import hebbstream.adapters

FOLDER = Path(hebbstream.adapters.__file__).parent
NAMES = {
    "arrays": ["open_arrays", "samples_from_arrays"],
    "huggingface": ["samples_from_huggingface"],
    "images": ["open_images"],
    "shards": ["open_shards"],
    "torch": ["samples_from_torch"],
    "video": ["open_video", "read_labels"],
}


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_chosen(name):
    module = importlib.import_module(f"hebbstream.adapters.{name}")
    assert module.__all__ == NAMES[name]
    own = [
        public
        for public, thing in vars(module).items()
        if not public.startswith("_") and getattr(thing, "__module__", "").startswith(f"hebbstream.adapters.{name}")
    ]
    assert sorted(own) == NAMES[name]


@pytest.mark.parametrize("name", NAMES)
def test_no_adapter_imports_another(name):
    paths = [FOLDER / f"{name}.py"] if (FOLDER / f"{name}.py").exists() else list((FOLDER / name).glob("*.py"))
    found = {
        node.module.split(".")[2]
        for path in paths
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("hebbstream.adapters.")
    }
    assert not [other for other in found - {name} if not other.startswith("_")]
