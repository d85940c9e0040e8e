"""Build sdist and wheel so that the same commit gives the same bytes, whoever builds it, and when.

python scripts/build_packages.py FOLDER [--no-isolation]
"""

import gzip
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def repack(sdist: Path, time: int) -> None:
    """Write an sdist anew, for setuptools keeps who owned each file, who might read it, and when it was made."""
    content = io.BytesIO()
    with tarfile.open(sdist) as old, tarfile.open(fileobj=content, mode="w") as new:
        for member in old:
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.mtime, member.uid, member.gid, member.uname, member.gname = time, 0, 0, "", ""
            member.pax_headers = {}
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
    sdist.write_bytes(gzip.compress(content.getvalue(), mtime=time))


def main() -> None:
    folder, *options = sys.argv[1:]
    os.umask(0o022)
    if "SOURCE_DATE_EPOCH" not in os.environ:
        latest = ["git", "log", "-1", "--format=%ct"]
        os.environ["SOURCE_DATE_EPOCH"] = subprocess.check_output(latest, cwd=ROOT, text=True).strip()
    build = [sys.executable, "-m", "build", *options, "--outdir", folder]
    subprocess.run([*build, "--sdist", ROOT], check=True)
    sdist = next(Path(folder).glob("*.tar.gz"))
    repack(sdist, int(os.environ["SOURCE_DATE_EPOCH"]))
    with tempfile.TemporaryDirectory() as place:
        with tarfile.open(sdist) as tar:
            tar.extractall(place, filter="data")
        subprocess.run([*build, "--wheel", next(Path(place).iterdir())], check=True)


if __name__ == "__main__":
    main()
