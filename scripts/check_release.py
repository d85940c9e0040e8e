"""Build the release and try it in empty environments; `make release`. RELEASE.md says what it does.

python scripts/check_release.py [--quick] [--python VERSION ...]
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
DIST = ROOT / "dist"
PYTHONS = ("3.11", "3.12", "3.13")
KINDS = ("newest", "oldest")
EXTRAS = "plot,cpu,fast,images,inspect,studio"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def run(*command: str | Path, cwd: Path = ROOT) -> None:
    """Run a command; its output is shown where it fails."""
    print("  $", *command, flush=True)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}\nfailed: {' '.join(map(str, command))}")


def tool(name: str) -> Path:
    """Return a program of this environment."""
    return Path(sys.executable).parent / name


def build() -> Path:
    """Build wheel and sdist anew, and check them."""
    print("build and check")
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, ROOT / "scripts" / "build_packages.py", DIST)
    packages = sorted(DIST.iterdir())
    run(tool("twine"), "check", "--strict", *packages)
    wheel = next(path for path in packages if path.suffix == ".whl")
    run(tool("check-wheel-contents"), wheel)
    run(tool("hadolint"), ROOT / "Dockerfile")
    return wheel


def interpreter(version: str) -> str | None:
    """Find a Python by its version, on the path or among pyenv's."""
    places = [shutil.which(f"python{version}")]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    places += [str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True)]
    if sys.version.startswith(f"{version}."):
        places.insert(0, sys.executable)
    for place in filter(None, places):
        if subprocess.run([place, "-c", "import venv, ssl"], capture_output=True, check=False).returncode == 0:
            return place
    return None


def oldest() -> str:
    """Return constraints that hold each dependency at the oldest version that is allowed."""
    wanted = PROJECT["dependencies"] + [
        one for extra in EXTRAS.split(",") for one in PROJECT["optional-dependencies"][extra]
    ]
    lines = []
    for requirement in map(Requirement, wanted):
        lowest = [one.version for one in requirement.specifier if one.operator == ">="]
        if lowest:
            lines.append(f"{requirement.name}=={lowest[0]}")
    return "\n".join(lines) + "\n"


def available(python: Path, constraints: Path) -> list[str]:
    """Return why the constraints cannot be met by this index, a reason a line; nothing if they can."""
    missing = []
    for line in constraints.read_text().split():
        command = [
            str(python),
            "-m",
            "pip",
            "install",
            "--dry-run",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            line,
        ]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            missing.append(line)
    return missing


def try_wheel(wheel: Path, base: str, kind: str, *, sbom: bool) -> None:
    """Install the wheel in an empty environment, and use it."""
    print(f"{kind} dependencies on {base}")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        run(base, "-m", "venv", place / "env")
        python, constraints = place / "env" / "bin" / "python", place / "constraints.txt"
        constraints.write_text(oldest() if kind == "oldest" else "")
        if kind == "oldest" and (missing := available(python, constraints)):
            print(f"  left out: the index has no wheel of {', '.join(missing)} for this Python")
            return
        install = [python, "-m", "pip", "install", "--quiet", "--no-compile", "--constraint", constraints]
        run(*install, f"{wheel}[{EXTRAS}]")
        if sbom:
            run(tool("cyclonedx-py"), "environment", "--output-file", DIST / "sbom.json", python)
        shutil.copy(ROOT / "scripts" / "try_wheel.py", place)
        run(python.with_name("hebbstream"), "info", cwd=place)
        run(python, "-W", "error::DeprecationWarning:hebbstream", "try_wheel.py", cwd=place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="this Python and the newest dependencies alone")
    parser.add_argument("--python", nargs="+", default=PYTHONS, metavar="VERSION")
    parser.add_argument("--dependencies", nargs="+", default=KINDS, choices=KINDS)
    options = parser.parse_args()
    wheel, sbom = build(), True
    versions = [f"{sys.version_info.major}.{sys.version_info.minor}"] if options.quick else options.python
    for version in versions:
        base = interpreter(version)
        if base is None:
            print(f"Python {version}\n  left out: not found on this machine")
            continue
        for kind in ("newest",) if options.quick else options.dependencies:
            try_wheel(wheel, base, kind, sbom=sbom)
            sbom = False
    files = sorted(path for path in DIST.iterdir() if path.name != "SHA256SUMS")
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in files]
    (DIST / "SHA256SUMS").write_text("\n".join(sums) + "\n")
    print(f"dist/: {', '.join(path.name for path in files)}, SHA256SUMS")


if __name__ == "__main__":
    main()
