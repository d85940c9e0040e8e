"""What the layout promises: public names are public on purpose, and imports go downwards."""

import ast
import importlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS = {package: ROOT / folder for package, folder in PROJECT["tool"]["setuptools"]["package-dir"].items()}
MODULES = {
    package if path.stem == "__init__" else f"{package}.{path.stem}": path
    for package, folder in FOLDERS.items()
    for path in folder.glob("*.py")
}
PUBLIC = {name: path for name, path in MODULES.items() if not any(part.startswith("_") for part in name.split("."))}
MOST_NAMES = 114


def bound(path):
    """The names that a module's top level makes, and those that a package takes from its own modules."""
    for node in ast.parse(path.read_text()).body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.ImportFrom(module=module, names=names) if path.stem == "__init__" and module.startswith("hebb"):
                yield from (alias.asname or alias.name for alias in names)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_exported_on_purpose(name):
    exported = getattr(importlib.import_module(name), "__all__", [])
    found = {bound_name for bound_name in bound(PUBLIC[name]) if not bound_name.startswith("_")}
    assert found == set(exported) - {"__version__"}
    assert len(set(exported)) == len(exported)


def test_there_are_few_public_names():
    names = set()
    for name in PUBLIC:
        module = importlib.import_module(name)
        for exported in set(getattr(module, "__all__", [])) - {"__version__"}:
            thing = getattr(module, exported)
            names.add((getattr(thing, "__module__", name), exported))
    assert len(names) <= MOST_NAMES, sorted(names)


def test_test_files_have_names_of_their_own():
    """Two of one name in different folders cannot be collected in one run."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("*.py"))
    names.pop("conftest.py", None)
    assert [name for name, count in names.items() if count > 1] == []


def lint_imports(tree):
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"]
    environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1"}
    options = [str(ROOT / "pyproject.toml"), "--no-cache"]
    return subprocess.run([*command, *options], cwd=tree, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The whole package in one folder, as it is installed."""
    folder = tmp_path_factory.mktemp("tree")
    for package, source in sorted(FOLDERS.items()):
        target = folder.joinpath(*package.split("."))
        target.mkdir(parents=True, exist_ok=True)
        for path in source.glob("*.py"):
            shutil.copy(path, target)
    return folder


def test_imports_go_downwards_and_in_no_circle(tree):
    done = lint_imports(tree)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "planted", "contract"),
    [
        ("rule/_sparse.py", "from hebbstream.network import LayerSpec", "Imports go downwards BROKEN"),
        ("learning/_run.py", "def later():\n    import hebbstream.adapters.video", "The core knows no adapters"),
        ("adapters/images.py", "from hebbstream.adapters import shards", "Adapters do not import each other BROKEN"),
        ("streams/_sample.py", "from hebbstream.streams import _augment", "No circles, down to the last module BROKEN"),
    ],
)
def test_a_planted_import_breaks_its_contract(tree, module, planted, contract):
    path = tree / "hebbstream" / module
    before = path.read_text()
    path.write_text(f"{before}\n{planted}\n")
    try:
        done = lint_imports(tree)
    finally:
        path.write_text(before)
    assert done.returncode == 1, done.stdout
    assert contract in done.stdout
    assert contract.removesuffix(" BROKEN") + " KEPT" not in done.stdout
