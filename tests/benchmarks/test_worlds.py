import json
from pathlib import Path

import numpy as np
import pytest
import torch
from forked import run_program

from benchmarks.core import store
from benchmarks.core.run import RESULTS
from benchmarks.quality.endless import nearest
from benchmarks.quality.worlds import orders, vicreg
from benchmarks.quality.worlds.layers import specs
from benchmarks.quality.worlds.readout import World
from hebbstream import PRESETS

ROOT = Path(__file__).parents[2]
SMALL = ["--seeds", "0", "--width", "2", "--frames", "70", "--labelled", "40", "--tested", "20"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A world of three brightnesses."""
    random = np.random.default_rng(0)
    y = random.integers(0, 3, (80, 1))
    frames = (80 * y[:, :, None, None] + random.integers(0, 60, (80, 64, 64, 3))).astype(np.uint8)
    path = tmp_path_factory.mktemp("worlds")
    np.savez(path / "plain.npz", train=frames, train_y=y, test=frames[:20], test_y=y[:20])
    return path


@pytest.fixture
def rows(folder, tmp_path):
    def measured(name, *options):
        output = tmp_path / "result.json"
        done = run_program(
            f"benchmarks.quality.{name}", folder, "--worlds", "plain", *SMALL, *options, "--output", output,
            folder=tmp_path, cwd=ROOT,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(output.read_text())["rows"]

    return measured


def test_worlds_are_measured_row_by_row(rows):
    found = rows("worlds")
    assert [row["row"] for row in found][:2] == ["pixels", "untrained, running statistics"]
    assert all(0 <= row["ridge_of_5"] <= row["ridge"] <= 1 for row in found[:1])
    assert found[1]["cosines"] == [1.0, 1.0, 1.0]


def test_what_a_result_file_has_is_not_measured_again(rows, tmp_path):
    first, output = rows("worlds"), tmp_path / "result.json"
    found = json.loads(output.read_text())
    found["rows"] = [row | {"ridge": 0.5} for row in first if row["row"] != "video"]
    output.write_text(json.dumps(found))
    second = {row["row"]: row["ridge"] for row in rows("worlds")}
    assert second.pop("video") == first[-1]["ridge"]
    assert set(second.values()) == {0.5}


def test_only_the_rows_asked_for_are_measured(rows):
    assert [row["row"] for row in rows("worlds", "--rows", "pixels", "video")] == ["pixels", "video"]


def test_a_row_that_there_is_not_is_refused(folder, tmp_path):
    done = run_program(
        "benchmarks.quality.worlds", folder, "--worlds", "plain", *SMALL, "--rows", "pixels", "vido",
        "--output", tmp_path / "r.json", folder=tmp_path, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no row vido" in done.stderr
    assert not (tmp_path / "r.json").exists()


@pytest.mark.parametrize("name", ["worlds", "endless", "crops", "signals"])
def test_files_that_there_are_not_are_told_in_one_line(name, folder, tmp_path):
    option = "--sets" if name == "signals" else "--worlds"
    told = []
    for given in ([tmp_path / "none"], [folder, option, "plane"]):
        done = run_program(
            f"benchmarks.quality.{name}", *given, "--output", tmp_path / "r.json", folder=tmp_path, cwd=ROOT
        )
        assert done.returncode == 1
        told.append(done.stderr.strip().splitlines()[-1])
    assert told[0].startswith(f"{tmp_path / 'none'}: no files of arrays; benchmarks/quality/")
    assert told[1] == f"no plane in {folder}: expected one of plain"
    assert not (tmp_path / "r.json").exists()


def test_layers_learn_by_themselves_and_together(rows):
    found = {(row["preset"], row["row"]): row for row in rows("worlds.layers")}
    assert len(found) == 10
    assert all(0 <= row["ridge"] <= 1 for row in found.values())


def test_a_layer_that_imprints_is_measured_above_both_first_layers(rows):
    found = rows("worlds.motion")
    assert [row["row"] for row in found] == ["untrained", "second layer imprints", "first layer learns", "both"]
    assert all(0 <= row[key] <= 1 for row in found for key in ("ridge", "ridge_of_5", "nearest"))


def test_probes_that_learn_along_are_tested_on_a_later_recording(rows):
    found = rows("worlds.later")
    assert [row["row"] for row in found] == [
        "gradient",
        "gradient, with Replay()",
        "gradient, with Replay(per_sample=1, weight=1)",
        "ridge",
        "slda",
        "untrained, gradient, with Replay(per_sample=1, weight=1)",
        "motion, gradient, with Replay(per_sample=1, weight=1)",
        "motion, first layer alone, gradient, with Replay(per_sample=1, weight=1)",
        "motion, second layer alone, gradient, with Replay(per_sample=1, weight=1)",
        "motion, untrained, gradient, with Replay(per_sample=1, weight=1)",
        "motion, after a still room, gradient, with Replay(per_sample=1, weight=1)",
        "motion, three layers, gradient, with Replay(per_sample=1, weight=1)",
    ]
    assert all(0 <= row[key] <= 1 for row in found for key in ("prequential", "later", "of_five"))
    assert ["refit" in row for row in found] == ["Replay" in row["row"] for row in found]


def test_what_is_known_meanwhile_is_tested_after_each_fifth_of_the_stream(rows):
    found = rows("worlds.meanwhile")
    assert [("untrained" in row["row"], "slda" in row["row"]) for row in found] == [
        (drawn, forgets) for drawn in (True, False) for forgets in (False, True)
    ]
    assert all(len(row["along"]) == 5 for row in found)
    assert all(0 <= share <= 1 for row in found for share in [*row["along"], *row["snapshot"]])


def test_classifiers_of_scikit_learn_are_tested_on_features_as_drawn_and_learned(rows):
    found = rows("worlds.scikit")
    assert [row["row"] for row in found] == ["motion, untrained", "motion"]
    names = ["logistic regression", "logistic regression, one scale", "five nearest", "LDA"]
    assert all(list(row["accuracy"]) == [*names, *(f"{name}, averages" for name in names)] for row in found)
    assert all(0 <= share <= 1 for row in found for share in row["accuracy"].values())


def test_layers_that_do_not_learn_stay_as_drawn():
    first, second, third = specs("video", (0, 2), 16)
    assert (first.learning_rate, second.learning_rate) == (PRESETS["video"].resolve(width=16)[0].learning_rate, 0.0)
    assert (third.learning_rate, third.radius, third.channels) == (pytest.approx(0.03), 5.0, 256)


def test_orders_are_tried_in_the_worlds_of_the_stored_result():
    stored = store.read(RESULTS / "quality" / "orders.json")["rows"]
    assert {row["world"] for row in stored} == set(orders.WORLDS)


def test_both_rules_learn_in_both_orders(rows):
    found = rows("worlds.orders")
    learned = [(row["row"], row["order"]) for row in found if "untrained" not in row["row"]]
    assert learned == [(rule, order) for rule in ("video", "VICReg") for order in ("in order", "shuffled")]
    assert all(0 <= row["ridge"] <= 1 for row in found)


def test_settings_of_backpropagation_are_tried(rows):
    found = rows("worlds.orders", "--tune")
    assert {(row["settings"]["rate"], row["settings"]["apart"]) for row in found} >= {(1e-3, 0), (1e-3, 1)}


def test_an_endless_stream_is_measured_along_the_way(rows):
    found = rows("endless", "--segment", "10")
    assert found[-1]["frames"] == 70
    assert all(1 / 3 < row["accuracy"]["plain"] <= 1 for row in found)


def test_crops_are_measured_beside_whole_frames(rows):
    found = rows("crops")
    assert [row["row"] for row in found] == ["untrained", "whole frames", "1.5", "2"]  # its frames are twice as large
    assert all(0 <= row["ridge"] <= 1 for row in found)


def test_vicreg_asks_for_like_views_that_vary_each_in_its_own_way():
    settings, z = vicreg.Settings(), torch.tensor([[1.0, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]).t()
    apart = z[:, 1:] * 0.75**0.5  # of variance 1, and uncorrelated
    assert vicreg.loss(apart, apart, settings) == pytest.approx(0, abs=1e-5)
    assert vicreg.loss(apart, -apart, settings) == pytest.approx(25 * 4 * 0.75)
    assert vicreg.loss(z[:, :1], z[:, :1], settings) == pytest.approx(25 * 0.99)  # all alike
    twice = apart[:, [0, 0]]
    assert vicreg.loss(twice, twice, settings) == pytest.approx(2 * 2 / 2)


def test_normalisation_settles_on_the_whole_stream():
    frames = np.random.default_rng(0).integers(0, 255, (64, 32, 32, 1)).astype(np.uint8)
    net = vicreg.network(2, 1)
    vicreg.settle(net, frames)
    with torch.no_grad():
        normalised = net[1](net[0](vicreg.as_input(frames)))
    assert normalised.mean((0, 2, 3)).numpy() == pytest.approx(0, abs=1e-3)
    assert normalised.var((0, 2, 3)).numpy() == pytest.approx(1, abs=1e-2)


def test_pixels_that_tell_classes_apart_are_nearest_neighbours():
    known, test = np.array([[0.0], [1.0], [9.0]]), np.array([[0.4], [8.0]])
    world = World(known, np.arange(3), np.array([[0], [1], [2]]), test, np.array([[0], [1]]))
    assert nearest(world, known, test) == 0.5
