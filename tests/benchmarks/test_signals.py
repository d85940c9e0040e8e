"""Signals are measured seed by seed, and the tables say on how many sets learning paid."""

import json

import numpy as np
import pytest
import torch

from benchmarks.quality.signals import __main__ as signals
from benchmarks.quality.signals import peers, solvers
from benchmarks.quality.signals.tables import TABLES


def arrays(seed=0, count=24):
    """Slow waves of two lengths, in noise."""
    random = np.random.default_rng(seed)
    y = np.arange(count) % 2
    t = np.arange(40)[None] / np.where(y, 5.0, 9.0)[:, None]
    x = (np.sin(t + random.uniform(0, 6, (count, 1))) + 0.1 * random.standard_normal((count, 40))).astype(np.float32)
    return {"train": x[:16, None], "train_y": y[:16], "test": x[16:, None], "test_y": y[16:]}


def test_rows_of_one_set(monkeypatch):
    monkeypatch.setattr(signals, "_SHOWN", 40)
    rows = list(signals.measure(arrays(), ["untrained", "learned"], 4, seed=0))
    assert [row["row"] for row in rows] == ["raw", "untrained", "learned"]
    assert rows[1]["cosine"] == 1.0 > rows[2]["cosine"]
    assert rows[2]["offline"] >= 75
    assert all(0 <= row[way] <= 100 for row in rows for way in ("prequential", "still"))


def test_a_network_that_stands_still_learns_nothing_more(monkeypatch):
    learned, learn_one = [], signals.hs.SoftHebbNet.learn_one
    monkeypatch.setattr(signals, "_SHOWN", 32)
    monkeypatch.setattr(signals.hs.SoftHebbNet, "learn_one", lambda net, x: learned.append(x) or learn_one(net, x))
    list(signals.measure(arrays(), ["learned"], 4, seed=1))
    assert len(learned) == 32 + 24  # what was shown, and all samples where it learns along


def test_windows_become_statistics_with_names():
    found = peers.statistics(np.array([[0.0, 1.0, 0.0, 1.0], [2.0, 2.0, 2.0, 2.0]]))
    assert (found["mean 0"], found["crossings 0"], found["deviation 1"], found["mean of quarter 4 0"]) == (0.5, 1, 0, 1)


def test_a_set_counts_where_learned_is_above_untrained_and_that_above_raw(tmp_path):
    (tmp_path / "quality").mkdir()
    rows = []
    for name, offline, prequential in (("Trace", (50, 60, 70), (50, 60, 55)), ("GunPoint", (50, 60, 70), (40, 41, 42))):
        for row, *found in zip(("raw", "untrained", "learned"), offline, prequential, strict=True):
            rows += [
                {
                    "set": name,
                    "row": row,
                    "seed": seed,
                    "offline": found[0] + seed,
                    "prequential": found[1],
                    "still": 50,
                }
                for seed in ((0,) if row == "raw" else (0, 1))
            ]
    rows += [
        {
            "set": "Trace",
            "row": f"{row}, aligned",
            "seed": 0,
            "offline": offline,
            "prequential": prequential,
            "still": 50,
        }
        for row, offline, prequential in (("untrained", 49.5, 60), ("learned", 70.5, 57))
    ]
    (tmp_path / "quality" / "signals.json").write_text(json.dumps({"rows": rows}))
    counts = TABLES["quality/signals-counts"](tmp_path).splitlines()
    assert counts[2:] == [
        "| choosing | signal | 1 | 70.5 / 55.0 / 50.0 | 1 / 0 / 0 | 1 / 0 / 0 | +10.0 / -5.0 / +0.0 |",
        "| choosing | aligned-signal | 1 | 70.5 / 57.0 / 50.0 | 1 / 0 / 0 | 0 / 0 / 0 | +21.0 / -3.0 / +0.0 |",
        "| reporting | sound | 1 | 70.5 / 42.0 / 50.0 | 1 / 1 / 0 | 1 / 1 / 0 | +10.0 / +1.0 / +0.0 |",
    ]
    assert "+10.0 ± 0.0 / -5.0 ± 0.0 / +0.0 ± 0.0" in TABLES["quality/signals"](tmp_path)


def test_every_probe_learns_in_both_orders():
    probes = [*solvers.PROBES, *solvers.SNAPSHOTS]
    rows = list(solvers.measure(arrays(count=48), probes, 4, seed=0))
    assert [row["probe"] for row in rows[: len(probes)]] == probes
    assert [(row["order"], row["row"]) for row in rows[:: len(probes)]] == [
        (order, row) for order in ("random", "in runs") for row in solvers.ROWS
    ]
    assert all(0 <= row[way] <= 100 for row in rows for way in ("prequential", "later"))


def test_a_probe_looks_at_samples_again_as_they_look_by_now():
    contender, seen = solvers.Contender("gradient, with Replay()"), []
    for at in range(32):
        x = np.full(3, at, np.float32)
        contender.learn(x, torch.from_numpy(x), at % 2, lambda sample: seen.append(sample) or torch.zeros(3))
    assert len(seen) == 96 == contender.probe.steps - 32


@pytest.mark.parametrize(("name", "learned"), [("snapshots", 52), ("snapshots, slda", 60)])
def test_the_latest_snapshot_predicts_by_what_its_copy_sees(name, learned):
    class Grows:
        scale = 1.0

        def look(self, sample):
            return torch.from_numpy(sample) * self.scale

    grows, snapshots, rng = Grows(), solvers.Snapshots(name), np.random.default_rng(0)
    for at in range(60):
        grows.scale += 1
        x = np.array([at % 2, *rng.normal(0, 0.1, 2)], np.float32)
        snapshots.learn(x, grows.look(x), at % 2, grows.look)
    copied, probe = snapshots.held
    x = np.array([1, 0, 0], np.float32)
    assert copied(x)[0] == 52 + 1  # copies after 32, 41 and 52 labels
    assert probe.predict_one(copied(x)) == 1
    assert probe.steps == learned
    assert snapshots.right > 40
    assert snapshots.predict_many(x[None], grows.look) == [1]


def test_labels_come_in_two_runs():
    y = np.arange(60) % 3
    order = solvers.in_runs(y, seed=0)
    assert sorted(order) == list(range(60))
    assert all(len(set(y[order][at : at + 10])) == 1 for at in range(0, 60, 10))


def test_probes_are_counted_by_half(tmp_path):
    (tmp_path / "quality").mkdir()
    rows = [
        {"set": name, "order": "random", "row": row, "probe": "slda", "seed": 0, "prequential": value, "later": -value}
        for name, values in (("Trace", (50, 60, 70)), ("Watch-a", (50, 40, 70)), ("GunPoint", (5, 6, 5)))
        for row, value in zip(("raw", "untrained", "learned"), values, strict=True)
    ]
    (tmp_path / "quality" / "signals-solvers.json").write_text(json.dumps({"rows": rows}))
    assert TABLES["quality/signals-solvers"](tmp_path).splitlines()[2:] == [
        "| choosing | random | slda | 2 | 50.0 / -50.0 | 50.0 / -50.0 | 70.0 / -70.0 | 1 / 0 |",
        "| reporting | random | slda | 1 | 5.0 / -5.0 | 6.0 / -6.0 | 5.0 / -5.0 | 0 / 0 |",
    ]


def test_snapshots_are_counted_by_half_and_preset(tmp_path):
    (tmp_path / "quality").mkdir()
    values = {"raw": 1, "untrained": 2, "learned": 4, "untrained, aligned": 3, "learned, aligned": 2}
    rows = [
        {
            "set": "Trace",
            "order": order,
            "row": row,
            "probe": probe,
            "seed": 0,
            "prequential": value,
            "later": 2 * value,
        }
        for order, probe in (("random", "snapshots, slda"), ("in runs", "snapshots, slda"), ("random", "slda"))
        for row, value in values.items()
    ]
    (tmp_path / "quality" / "signals-solvers.json").write_text(json.dumps({"rows": rows}))
    assert TABLES["quality/signals-snapshots"](tmp_path).splitlines()[2:] == [
        "| choosing | signal | 1 | 4.0 / 8.0 | 1 / 1 | 1 / 1 | +2.0 / +4.0 |",
        "| choosing | aligned-signal | 1 | 2.0 / 4.0 | 0 / 0 | 0 / 0 | -1.0 / -2.0 |",
    ]


def test_what_others_do_is_kept_and_not_measured_again(tmp_path, monkeypatch):
    measured = []
    monkeypatch.setattr(peers, "CONTENDERS", {"of river": ("river", lambda x, y: lambda test: test)})
    monkeypatch.setattr(peers, "measure", lambda name, arrays: measured.append((name, len(arrays["train"]))) or {})
    np.savez(tmp_path / "Waves.npz", **arrays())
    (tmp_path / "aeon.json").write_text(
        '{"versions": {"aeon": "1"}, "rows": [{"set": "Waves", "contender": "MiniRocket"}]}'
    )
    output = tmp_path / "found" / "peers.json"

    def call(*more):
        given = ["peers", tmp_path, "--output", output, "--also", tmp_path / "aeon.json", *more]
        monkeypatch.setattr("sys.argv", list(map(str, given)))
        peers.main()

    call("--most", 8)
    call("--most", 8)
    found = json.loads(output.read_text())
    assert measured == [("of river", 8)]
    assert [row["contender"] for row in found["rows"]] == ["MiniRocket", "of river"]
    assert found["versions"].keys() == {"aeon", "river"}
    before = output.read_bytes()
    for more, message in (
        (["--most", 9], "of other settings"),
        (["--most", 8, "--sets", "Noise"], "no Noise in .*: expected some of Waves"),
    ):
        with pytest.raises(SystemExit, match=message):
            call(*more)
    assert output.read_bytes() == before
    (tmp_path / "Waves.npz").unlink()
    with pytest.raises(SystemExit, match="no files of arrays"):
        call("--most", 8)
