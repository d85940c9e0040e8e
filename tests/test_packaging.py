import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hebbstream.studio._export import _PAGE, _SCRIPTS

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS = {name.replace(".", "/"): folder for name, folder in PROJECT["tool"]["setuptools"]["package-dir"].items()}


def build(folder, **options):
    command = [sys.executable, str(ROOT / "scripts" / "build_packages.py"), str(folder), "--no-isolation"]
    subprocess.run(command, check=True, capture_output=True, **options)
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(tmp_path_factory.mktemp("dist"), env=os.environ | {"SOURCE_DATE_EPOCH": "1700000000"})


def test_the_same_files_give_the_same_packages_whoever_builds_them(built, tmp_path):
    again = build(tmp_path, env=os.environ | {"SOURCE_DATE_EPOCH": "1700000000"}, umask=0o077)
    packages = sorted(path.name for path in built.iterdir())
    assert len(packages) == 2
    for name in packages:
        assert (again / name).read_bytes() == (built / name).read_bytes()


def test_wheel_and_sdist_hold_every_module_and_asset(built):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        sources = {name.partition("/")[2] for name in sdist.getnames()}
    for package, folder in FOLDERS.items():
        for path in (ROOT / folder).glob("*.py"):
            assert f"{package}/{path.name}" in names
            assert f"{folder}/{path.name}" in sources
    assert "CHANGELOG.md" in sources
    for asset in (
        "hebbstream/py.typed",
        *(f"hebbstream/clip/{name}" for name in ("demo.mp4", "demo.json", "example.safetensors", "LICENSES.md")),
        *(f"hebbstream/studio/page/{path.name}" for path in (ROOT / "hebbstream" / "studio" / "page").iterdir()),
    ):
        assert asset in names
        assert asset in sources
    assert not [name for name in names if name.startswith(("adapters/", "export/", "tests/"))]
    assert not [name for name in sources if name.startswith("tests")]  # they need much that is not there


def test_the_page_that_the_studio_hands_out_is_there_wherever_it_is_installed(built):
    """Its folder is no link, which git makes a file of on Windows."""
    page = ROOT / "hebbstream" / "studio" / "browser"
    assert page == page.resolve()
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel, tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        root = sdist.getnames()[0].partition("/")[0]
        for name in (*_PAGE, *_SCRIPTS):
            path, content = f"hebbstream/studio/browser/{name}", (page / name).read_bytes()
            assert wheel.read(path) == content
            assert sdist.getmember(f"{root}/{path}").isreg()
            assert sdist.extractfile(f"{root}/{path}").read() == content


def test_the_image_is_built_from_every_folder_that_packages_hold_files_of():
    needed = {folder.partition("/")[0] for folder in FOLDERS.values()}
    lines = [line.split() for line in (ROOT / "Dockerfile").read_text().splitlines()]
    assert needed <= {line[1] for line in lines if line[:1] == ["COPY"]}
    assert needed <= {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines()}


def test_the_workers_of_the_site_can_write_into_the_folder_of_who_starts_them():
    """The image's own user can not."""
    assert 'user: "${UID:-1000}:${GID:-1000}"' in (ROOT / "examples" / "site" / "compose.yaml").read_text()


@pytest.fixture
def bare(built, tmp_path):
    """An environment of links: the wheel, the packages that it requires and those that they require, and no others."""
    wheel = str(next(built.glob("*.whl")))
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path / "env"), wheel]
    subprocess.run(install, check=True)
    wanted, seen = [Requirement(text) for text in PROJECT["project"]["dependencies"]], set()
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        if name in seen or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        seen.add(name)
        found = distribution(name)
        assert requirement.specifier.contains(found.version, prereleases=True)
        wanted += map(Requirement, found.requires or ())
        for top in {file.parts[0] for file in found.files} - {"..", "__pycache__"}:
            link = tmp_path / "env" / top
            if not link.exists():
                link.symlink_to(found.locate_file(top))
    return tmp_path / "env"


def test_the_wheel_runs_on_what_it_requires(bare, tmp_path):
    code = (
        "import hebbstream, hebbstream.adapters.video, hebbstream.adapters.river, hebbstream.export, importlib.util as u\n"
        "assert 'env' in hebbstream.__file__ and hebbstream.adapters.__name__ == 'hebbstream.adapters'\n"
        "assert u.find_spec('adapters') is None and u.find_spec('export') is None and u.find_spec('pytest') is None\n"
        "from hebbstream.clip import CLIP\n"
        "with hebbstream.adapters.video.open_video(CLIP, size=32) as s:\n"
        "    print(hebbstream.learn(hebbstream.SoftHebbNet.from_preset('cifar10', width=4), s, limit=5).samples)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(bare)}
    command = [sys.executable, "-S", "-W", "error", "-c", code]  # -S: no site-packages
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "5\n"


def test_every_folder_with_modules_is_listed_as_a_package():
    folders = {path.parent for name in FOLDERS.values() for path in (ROOT / name).rglob("*.py")}
    mapped = PROJECT["tool"]["setuptools"]["package-dir"]
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == set(mapped)
    assert {ROOT / folder for folder in mapped.values()} == folders


@pytest.mark.parametrize(
    ("platform", "machine", "gpu"),
    [
        ("linux", "x86_64", True),
        ("linux", "aarch64", True),
        ("linux", "ppc64le", False),
        ("win32", "AMD64", True),
        ("win32", "ARM64", False),
        ("darwin", "arm64", False),
        ("darwin", "x86_64", False),
    ],
)
def test_each_extra_brings_exactly_one_onnx_runtime(platform, machine, gpu):
    environment = {"sys_platform": platform, "platform_machine": machine}

    def names(extra):
        requirements = map(Requirement, PROJECT["project"]["optional-dependencies"][extra])
        return [r.name for r in requirements if r.marker is None or r.marker.evaluate(environment)]

    assert names("gpu") == ["onnxruntime-gpu" if gpu else "onnxruntime"]
    assert names("cpu") == ["onnxruntime"]


def test_nothing_heavy_is_imported_before_it_is_used():
    code = (
        "import sys, hebbstream\n"
        "print([m for m in ('av', 'river', 'onnx', 'onnxruntime', 'hebbstream.adapters', 'hebbstream.export', *HEAVY)"
        " if m in sys.modules])\n"
        "import hebbstream.inspection\n"
        "print([m for m in ('hebbstream.adapters', *HEAVY) if m in sys.modules])\n"
        "from hebbstream.adapters import arrays, huggingface, images, shards, torch\n"
        "print([m for m in ('PIL', 'braceexpand', 'datasets', 'av', 'river') if m in sys.modules])\n"
        "Net = hebbstream.SoftHebbNet\n"
        "[Net.from_state(Net.from_preset(name, width=4).to_state()) for name in hebbstream.PRESETS]\n"
        "print([m for m in ('sympy', 'torch._dynamo') if m in sys.modules])\n"
        "import hebbstream.cli._learn, hebbstream.cli._model\n"
        "print([m for m in ('onnx', 'onnxruntime') if m in sys.modules])\n"
    )
    code = "HEAVY = 'matplotlib', 'umap', 'numba', 'sklearn'\n" + code
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed == "[]\n" * 5
