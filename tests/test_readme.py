import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_the_program_in_the_readme_runs_as_it_stands(tmp_path):
    (program,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len([line for line in program.splitlines() if line.strip()]) <= 10
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path, capture_output=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["features.onnx", "run.safetensors"]


def test_pictures_and_files_named_in_the_readme_exist():
    for target in re.findall(r"\]\(((?!http)[^)#]+)\)", README):
        assert (Path(__file__).parent.parent / target).exists(), target
