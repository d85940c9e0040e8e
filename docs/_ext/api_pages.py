"""Write a page for every public module, so that no public name can be missing from the site.

A name that several modules export has one page; the other modules point there.
"""

import importlib
import inspect
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.pycode import ModuleAnalyzer

ROOT = Path(__file__).parent.parent.parent


def public_modules() -> Iterator[ModuleType]:
    """Yield the modules that users import: no part of their path begins with an underscore, and they export names."""
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
    for package, folder in packages.items():
        for path in sorted((ROOT / folder).glob("*.py")):
            name = package if path.stem == "__init__" else f"{package}.{path.stem}"
            if any(part.startswith("_") for part in name.split(".")):
                continue
            module = importlib.import_module(name)
            if getattr(module, "__all__", None):
                yield module


def homes(modules: list[ModuleType]) -> dict[tuple[str, str], str]:
    """Return, by name and where it is defined, the module whose page shows it.

    That is where it is defined, if users import that module, or else the module with the shortest path.
    """
    found: dict[tuple[str, str], str] = {}
    for module in modules:
        found |= {_identity(module, name): module.__name__ for name in module.__all__ if _is_at_home(module, name)}
    for module in sorted(modules, key=lambda module: (module.__name__.count("."), module.__name__)):
        for name in module.__all__:
            found.setdefault(_identity(module, name), module.__name__)
    return found


def _is_at_home(module: ModuleType, name: str) -> bool:
    return getattr(getattr(module, name), "__module__", None) == module.__name__


def _identity(module: ModuleType, name: str) -> tuple[str, str]:
    thing = getattr(module, name)
    return getattr(thing, "__module__", None) or str(id(thing)), name


def page(module: ModuleType, home: dict[tuple[str, str], str]) -> str:
    """Return the text of a module's page."""
    names = [name for name in module.__all__ if name != "__version__"]
    own = [name for name in names if home[_identity(module, name)] == module.__name__]
    elsewhere = [name for name in names if name not in own]
    title = module.__name__
    lines = [title, "=" * len(title), "", f".. automodule:: {title}", ""]
    shown = [name for name in own if callable(getattr(module, name))]
    lines += [f".. currentmodule:: {title}", ""]
    if shown:
        lines += [".. autosummary::", "   :toctree: ../reference", "   :nosignatures:", ""]
        lines += [f"   {name}" for name in shown]
    for name in own:
        if name not in shown:
            lines += ["", f".. py:data:: {name}", "", f"   {_text_of_data(module, name)}"]
    if elsewhere:
        links = (f":py:obj:`~{home[_identity(module, name)]}.{name}`" for name in elsewhere)
        lines += ["", f"Also here: {', '.join(links)}."]
    return "\n".join(lines) + "\n"


def _text_of_data(module: ModuleType, name: str) -> str:
    """Return what stands under a variable where it is made; the object itself has only its type's text."""
    for found in [known for known in sys.modules if known.startswith("hebbstream")]:
        if getattr(sys.modules[found], name, None) is getattr(module, name):
            text = ModuleAnalyzer.for_module(found).find_attr_docs().get(("", name))
            if text:
                return " ".join(text)
    raise LookupError(f"{module.__name__}.{name} has no text: expected one under the line that makes it")


def write_pages(app: Sphinx, config: Config) -> None:
    """Write `api/modules/MODULE.rst` for each module."""
    folder = Path(app.srcdir) / "api" / "modules"
    folder.mkdir(parents=True, exist_ok=True)
    modules = sorted(public_modules(), key=lambda module: module.__name__)
    home = homes(modules)
    for module in modules:
        _write(folder / f"{module.__name__}.rst", page(module, home))
    config.autosummary_generate = [str(folder / f"{module.__name__}.rst") for module in modules]
    told = [(module.__name__, inspect.getdoc(module).partition("\n\n")[0].replace("\n", " ")) for module in modules]
    _write(folder / "list.txt", "\n".join(f":doc:`{name} <modules/{name}>`\n    {text}\n" for name, text in told))


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def only_our_text(
    app: Sphinx, what: str, name: str, thing: object, options: dict[str, object], lines: list[str]
) -> None:
    """Leave out what a class inherits the text of from outside the package."""
    del app, options, name
    if what in ("method", "property") and inspect.isroutine(thing):
        module = getattr(thing, "__module__", "") or ""
        if not module.startswith("hebbstream"):
            lines.clear()


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect."""
    app.connect("config-inited", write_pages)
    app.connect("autodoc-process-docstring", only_our_text)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
