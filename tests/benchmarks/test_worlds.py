import json
from pathlib import Path

import numpy as np
from forked import run_program

ROOT = Path(__file__).parents[2]


def test_worlds_are_measured_row_by_row(tmp_path):
    random = np.random.default_rng(0)
    y = random.integers(0, 3, (60, 1))
    frames = (80 * y[:, :, None, None] + random.integers(0, 60, (60, 64, 64, 3))).astype(np.uint8)
    (tmp_path / "worlds").mkdir()
    np.savez(tmp_path / "worlds" / "plain.npz", train=frames, train_y=y, test=frames[:20], test_y=y[:20])
    options = [
        "--worlds",
        "plain",
        "--seeds",
        "0",
        "--width",
        "2",
        "--frames",
        "50",
        "--labelled",
        "40",
        "--tested",
        "20",
    ]
    output = tmp_path / "worlds.json"
    done = run_program(
        "benchmarks.quality.worlds", tmp_path / "worlds", *options, "--output", output, folder=tmp_path, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(output.read_text())["rows"]
    assert [row["row"] for row in rows][:2] == ["pixels", "untrained, running statistics"]
    assert all(0 <= row["ridge_of_5"] <= row["ridge"] <= 1 for row in rows[:1])
    assert rows[1]["cosines"] == [1.0, 1.0, 1.0]
