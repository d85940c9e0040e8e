"""The command line on sound and tables: learn, predict, embed, evaluate, resume."""

import glob
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sounds import RATE, encode, tone

import hebbstream as hs
from hebbstream.cli._main import main
from hebbstream.cli._types import media_in
from hebbstream.clip import CLIP
from hebbstream.export import OnnxExtractor

COLUMNS = ("--columns", "x", "y")
CR_IN_QUOTES = '"l\rr"'  # a line end of the text that lies beside features


@pytest.fixture(scope="module")
def sensors(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "sensors.csv"
    noise = np.random.default_rng(0).standard_normal((1200, 2))
    lines = ["time,x,y,activity"]
    for t, (a, b) in enumerate(noise):
        walking = t // 200 % 2
        wave = np.sin(t * (0.3 if walking else 0.9))
        lines.append(f"{t / 50},{wave + 0.1 * a:.4f},{b:.4f},{('rest', 'walk')[walking]}")
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    wave = np.concatenate([tone(hertz, 1.0) for hertz in (300, 900) * 4])
    return encode(wave, into=tmp_path_factory.mktemp("sound") / "song.flac", form="flac", codec="flac")


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    assert code == 0, said.err
    return said.out


def test_a_table_is_learned_predicted_embedded_and_evaluated(sensors, tmp_path, capsys):
    run_ = tmp_path / "run.safetensors"
    learn = ("learn", sensors, "--quiet", "--width", 4, *COLUMNS, "--label", "activity", "--checkpoint", run_)
    assert "\nstream: 1,200 read\n" in run(capsys, *learn, "--window", 50, "--hop", 10)  # rows
    saved = hs.Learner.load(run_)
    assert (saved.net.preset, saved.net.in_channels, saved.net.frame_size) == ("signal", 2, (1, 50))
    assert saved.net.samples_seen == 116
    assert (saved.probe.solver, set(saved.probe.classes)) == ("slda", {"rest", "walk"})

    said = run(capsys, "predict", sensors, "--json", *COLUMNS, "--time", "time", "--novelty", "--checkpoint", run_)
    found = [json.loads(line) for line in said.splitlines()]
    assert [line["time"] for line in found] == [float(t) for t in range(24)]
    assert all(line["label"] in ("rest", "walk") and 0 <= line["novelty"] <= 1 for line in found)

    embed = ("embed", sensors, "--quiet", *COLUMNS, "--checkpoint", run_, "--output", tmp_path / "features.npy")
    assert run(capsys, *embed).startswith("24 samples, ")
    assert np.load(tmp_path / "features.npy").shape == (24, saved.probe.n_features)

    said = run(capsys, "evaluate", run_, sensors, "--quiet", *COLUMNS, "--label", "activity", "--hop", 10)
    assert "% over 116 samples, 2 classes" in said
    said = run(capsys, "inspect", run_, "--quiet", "--source", sensors, *COLUMNS)
    assert "\non 24 samples of " in said

    said = run(capsys, *learn, "--window", 50, "--hop", 10, "--resume")
    assert "after 116 samples" in said
    assert hs.Learner.load(run_).net.samples_seen == 116


def test_columns_are_read_as_they_were_learned(sensors, tmp_path, capsys):
    run_, other = tmp_path / "run.safetensors", tmp_path / "other.csv"
    learn = ("learn", sensors, "--quiet", "--width", 4, "--window", 50, "--checkpoint", run_)
    run(capsys, *learn, "--columns", "y", "x", "--label", "activity")
    assert hs.Learner.load(run_).net.channel_names == ("y", "x")
    predict = ("predict", sensors, "--json", "--checkpoint", run_)
    learned = run(capsys, *predict, "--columns", "y", "x")
    assert run(capsys, *predict) == learned
    assert ", columns y, x, seed 0" in run(capsys, "inspect", run_, "--quiet", "--source", sensors)
    for command in (predict, (*learn, "--resume")):
        assert main([*map(str, command), "--columns", "x", "y"]) == 1
        assert "--columns x y: expected y x, the order in which the network has learned them" in capsys.readouterr().err
    other.write_text(sensors.read_text().replace("time,x,y,activity", "time,x,z,activity"))
    assert main([str(argument) for argument in ("predict", other, *predict[2:])]) == 1
    assert "no column 'y', which the network has learned: found time, x, z, activity" in capsys.readouterr().err
    assert run(capsys, "predict", other, *predict[2:], "--columns", "z", "x") == learned.replace(
        "sensors.csv", "other.csv"
    )
    # A model knows them as well, where there is no checkpoint.
    model = tmp_path / "net.onnx"
    run(capsys, "export", run_, model)
    assert OnnxExtractor(model).contract.input.channel_names == ("y", "x")
    verify = ("verify", model, sensors, "--seconds", 0.01)
    assert ", columns y, x\n" in run(capsys, *verify)
    assert main([*map(str, verify), "--columns", "x", "y"]) == 1
    assert "--columns x y: expected y x" in capsys.readouterr().err
    # Another sensor calls them otherwise.
    other.write_text(sensors.read_text().replace("time,x,y,activity", "t,a,b,c"))
    assert run(capsys, "predict", other, *predict[2:], "--columns", "b", "a") == learned.replace(
        "sensors.csv", "other.csv"
    )


def test_values_beyond_the_valid_range_are_missing(sensors, tmp_path, capsys):
    lines = sensors.read_text().splitlines()
    lines[300] = "5.98,-9999,0.1,rest"
    made = {}
    for name, value, more in (("blank", "", ()), ("far", "-9999", ("--valid-range", -50, 50))):
        table, made[name] = tmp_path / f"{name}.csv", tmp_path / f"{name}.safetensors"
        table.write_text("\n".join(lines).replace("-9999", value))
        run(
            capsys, "learn", table, "--quiet", "--width", 4, "--window", 50, *COLUMNS, *more, "--checkpoint", made[name]
        )
    blank, far = (hs.Learner.load(path).net.layers[0].weight for path in made.values())
    assert (blank == far).all()


def test_the_same_movements_three_times_as_strong_are_more_novel(sensors, tmp_path, capsys):
    run_, strong = tmp_path / "run.safetensors", tmp_path / "strong.csv"
    run(capsys, "learn", sensors, "--quiet", "--width", 4, "--window", 50, *COLUMNS, "--checkpoint", run_)
    head, *rows = (line.split(",") for line in sensors.read_text().splitlines())
    lines = [head, *([t, *(str(3 * float(value)) for value in (x, y)), what] for t, x, y, what in rows)]
    strong.write_text("\n".join(map(",".join, lines)))
    predict = ("--json", *COLUMNS, "--novelty", "--checkpoint", run_)
    usual, novel = (
        [json.loads(line)["novelty"] for line in run(capsys, "predict", table, *predict).splitlines()]
        for table in (sensors, strong)
    )
    assert 0 <= max(usual) < min(novel) <= 1


def test_a_table_is_read_again_as_it_was_learned(tmp_path, capsys):
    table, run_ = tmp_path / "two.csv", tmp_path / "run.safetensors"
    times = [t + 50 * (t > 25) for t in range(60)]
    lines = [f"{t},{who},{t % 7},{-9999 if t == 5 else t % 3}" for t in times for who in "ab"]
    table.write_text("\n".join(["t,who,x,y", *lines]))
    how = ("--time", "t", "--group", "who", "--gap", 2, "--valid-range", 0, "inf")
    learn = ("--quiet", "--width", 4, "--window", 10, *COLUMNS, "--checkpoint", run_)
    run(capsys, "learn", table, *learn, *how)
    assert hs.load(run_).window_options == {"time": "t", "group": "who", "gap": 2.0, "valid_range": [0.0, math.inf]}
    predict = ("--checkpoint", run_, "--json", "--novelty")
    found = run(capsys, "predict", table, *predict)
    assert [json.loads(line)["time"] for line in found.splitlines()] == [0, 0, 10, 10, 76, 76, 86, 86, 96, 96]
    assert run(capsys, "predict", table, *predict, *how) == found
    longer = run(capsys, "predict", table, *predict, "--gap", 100)
    assert len(longer.splitlines()) == 12
    assert main([*map(str, ("predict", table, *predict, "--time", "when"))]) == 1
    assert "no column 'when': found" in capsys.readouterr().err
    # Of another sensor, the options that are about columns do not hold.
    table.write_text(table.read_text().replace("t,who", "seconds,whom"))
    assert json.loads(run(capsys, "predict", table, *predict).splitlines()[1])["time"] is None

    state = hs.load(run_).to_state()
    for wrong in ({"rows": 3}, {"gap": "wide"}, ["gap"]):
        state["config"]["window_options"] = wrong
        with pytest.raises((ValueError, LookupError)):
            hs.SoftHebbNet.from_state(state)


def test_shorter_windows_go_on_once_those_kept_are_dropped(sensors, tmp_path, capsys):
    run_ = tmp_path / "run.safetensors"
    learn = ["learn", sensors, "--quiet", "--width", 4, *COLUMNS, "--label", "activity", "--checkpoint", run_]
    run(capsys, *learn, "--window", 50, "--limit", 4)
    before = run_.read_bytes()
    shorter = [*map(str, learn), "--window", "25", "--limit", "3", "--resume"]
    assert main(shorter) == 1
    message = (
        f"--window 25 with --resume: {run_} keeps samples of 50; expected the same, or --replay 0, which drops them"
    )
    assert message in capsys.readouterr().err
    assert run_.read_bytes() == before
    run(capsys, *shorter, "--replay", 0)
    saved = hs.Learner.load(run_)
    assert (saved.counters.position, saved.net.frame_size, saved.replay) == (7, (1, 25), None)


def test_sound_is_learned_and_predicted(sound, tmp_path, capsys):
    run_ = tmp_path / "run.safetensors"
    labels = tmp_path / "labels.csv"
    labels.write_text("start,end,label\n" + "".join(f"{t},{t + 1},{('low', 'high')[t % 2]}\n" for t in range(8)))
    learn = ("learn", sound, "--quiet", "--width", 4, "--checkpoint", run_, "--labels", labels)
    run(capsys, *learn, "--length", 0.5, "--hop", 0.1)
    net = hs.Learner.load(run_).net
    assert (net.preset, net.frame_size) == ("sound", (64, 50))
    found = [json.loads(line) for line in run(capsys, "predict", sound, "--json", "--checkpoint", run_).splitlines()]
    assert len(found) == 16
    assert found[2]["source"] == "song.flac"
    assert {line["label"] for line in found} == {"low", "high"}


def test_sound_is_read_at_the_rate_that_was_learned(sound, tmp_path, capsys):
    run_ = tmp_path / "run.safetensors"
    run(capsys, "learn", sound, "--quiet", "--width", 4, "--form", "wave", "--rate", 8000, "--checkpoint", run_)
    assert hs.Learner.load(run_).net.sample_rate == 8000
    predict = ("predict", sound, "--novelty", "--json", "--checkpoint", run_)
    known = run(capsys, *predict)
    assert (known.count("\n"), run(capsys, *predict, "--rate", 8000)) == (8, known)
    assert main([*map(str, predict), "--rate", "16000"]) == 1
    assert "--rate 16000: expected 8000, at which the network has learned" in capsys.readouterr().err
    run(capsys, "export", run_, tmp_path / "net.onnx")
    assert main(["verify", str(tmp_path / "net.onnx"), str(sound), "--rate", "16000"]) == 1
    assert "--rate 16000: expected 8000" in capsys.readouterr().err


def test_waves_are_learned_by_a_network_for_signals(sound, tmp_path, capsys):
    run_ = tmp_path / "run.safetensors"
    run(capsys, "learn", sound, "--quiet", "--width", 2, "--form", "wave", "--length", 0.05, "--checkpoint", run_)
    net = hs.Learner.load(run_).net
    assert (net.preset, net.frame_size) == ("signal", (1, RATE // 20))
    said = run(capsys, "predict", sound, "--novelty", "--limit", 3, "--checkpoint", run_)
    assert "3 samples" in said


def test_sound_of_another_length_than_that_kept_is_refused_before_any_is_learned(sound, tmp_path, capsys):
    labels, run_ = tmp_path / "labels.csv", tmp_path / "run.safetensors"
    labels.write_text("start,end,label\n2,8,late\n")
    learn = ("learn", sound, "--labels", labels, "--width", 4, "--quiet", "--checkpoint", run_, "--length")
    run(capsys, *learn, 0.57)
    before = run_.read_bytes()
    assert main([*map(str, learn), "0.5", "--resume"]) == 1
    assert f"--length 0.5 with --resume: {run_} keeps samples of 0.57; expected the same" in capsys.readouterr().err
    assert run_.read_bytes() == before
    assert "nothing was left to learn" in run(capsys, *learn, 0.57, "--resume")


def test_a_table_without_a_column_to_learn_is_refused(tmp_path, capsys):
    (tmp_path / "t.csv").write_text("t,l\n" + "1,a\n" * 20)
    table = [str(tmp_path / "t.csv"), "--window", "5", "--time", "t", "--label", "l"]
    assert main(["learn", *table, "--checkpoint", str(tmp_path / "run.safetensors")]) == 1
    assert "columns t, l: expected one to learn besides the label, time and group" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("{sensors}",), "sensors.csv without --window: expected the number of rows in a sample, such as 100"),
        (("{sensors}", "--window", 50, "--columns", "z"), "no column 'z': found time, x, y, activity"),
        (("{sensors}", "--window", 50, "--label", "what"), "no column 'what': found"),
        (("{sensors}", "--window", 50), "column 'activity' is 'rest': expected a number, or columns without it"),
        (("{sensors}", "--window", 50, "--hop", 0.5, *COLUMNS), "--hop 0.5"),
        (("{sensors}", "--window", 50, "--valid-range", 5, -5, *COLUMNS), "valid_range=[5.0, -5.0]"),
        (("{sensors}", "--window", 50, "--rate", 5, *COLUMNS), "--rate for "),
        (("{sensors}", "--window", 50, "--size", 32, *COLUMNS), "--size for "),
        (("{sound}", "--window", 50), "--window for "),
        (("{sound}", "--valid-range", -5, 5), "--valid-range for "),
        (("{sound}", "--fit", "crop"), "--fit for "),
        *((("{sound}", "--rate", rate), f"--rate {rate} for ") for rate in ("nan", "inf", "0.5", "-3")),
    ],
)
def test_options_of_another_kind_of_source_are_refused(arguments, message, sensors, sound, tmp_path, capsys):
    given = [str(each).format(sensors=sensors, sound=sound) for each in arguments]
    assert main(["learn", *given, "--checkpoint", str(tmp_path / "run.safetensors")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run.safetensors").exists()


def test_pictures_in_parquet_files_are_told_where_to_go(tmp_path, capsys):
    pd.DataFrame({"image": [b"PNG"]}).to_parquet(tmp_path / "a.parquet")
    assert main(["learn", str(tmp_path / "a.parquet"), "--checkpoint", str(tmp_path / "run.safetensors")]) == 1
    assert "; pictures in Parquet files are read in Python" in capsys.readouterr().err


def test_what_a_network_is_not_for_is_refused(sensors, sound, tmp_path, capsys):
    runs = {}
    for name, source, more in (
        ("table", sensors, ("--window", 50, *COLUMNS)),
        ("sound", sound, ()),
        ("video", CLIP, ()),
    ):
        runs[name] = tmp_path / f"{name}.safetensors"
        run(capsys, "learn", source, "--quiet", "--width", 4, "--limit", 3, *more, "--checkpoint", runs[name])
    before = {path: path.read_bytes() for path in runs.values()}
    refused = {
        (
            "table",
            CLIP,
        ): "is read as pictures: expected a table or sound, for a network of 2 input channels and samples of 1×50",
        ("sound", CLIP): "is read as pictures: expected sound, for a network of 1 input channel and samples of 64×100",
        ("sound", sensors): "is read as table: expected sound",
        (
            "video",
            sensors,
        ): "is read as table: expected pictures, for a network of 3 input channels and samples of 32×32",
        ("video", sound): "is read as sound: expected pictures",
    }
    for (name, source), message in refused.items():
        command = ("embed", source, "--checkpoint", runs[name], "--output", tmp_path / "features.npy")
        assert main([str(argument) for argument in command]) == 1
        assert message in capsys.readouterr().err
    for command in (
        ("predict", CLIP, "--novelty", "--video", tmp_path / "drawn.mp4", "--checkpoint", runs["sound"]),
        ("learn", CLIP, "--resume", "--quiet", "--checkpoint", runs["sound"]),
        ("learn", CLIP, "--preset", "signal", "--quiet", "--checkpoint", runs["video"]),
        ("evaluate", runs["table"], CLIP, "--labels", CLIP.with_suffix(".json")),
        ("inspect", runs["sound"], "--source", CLIP),
        ("export", runs["sound"], tmp_path / "model.onnx", "--verify", "--source", CLIP),
        ("search", tmp_path / "features.npy", f"{CLIP}@1", "--checkpoint", runs["sound"]),
    ):
        assert main([str(argument) for argument in command]) == 1, command
        assert "is read as pictures: expected" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in runs.values()} == before
    assert not (tmp_path / "features.npy").exists()
    assert not (tmp_path / "drawn.mp4").exists()


def test_features_of_a_table_are_searched_by_row(tmp_path, capsys):
    rows = [f"{np.sin(moment)},{'left' if moment < 80 else CR_IN_QUOTES}" for moment in range(160)]
    (tmp_path / "s.csv").write_text("\n".join(["x,group", *rows]), newline="")
    kept, features = tmp_path / "run.safetensors", tmp_path / "f.npy"
    table = (tmp_path / "s.csv", "--group", "group", "--quiet", "--checkpoint", kept)
    run(capsys, "learn", *table, "--window", 40, "--width", 4)
    run(capsys, "embed", *table, "--output", features)
    assert "1.0000           -       3  l r" in run(capsys, "search", features, 3, "--count", 1)
    assert main(["search", str(features), f"{tmp_path / 's.csv'}@1", "--checkpoint", str(kept)]) == 1
    assert "expected a picture; of sound and tables, a row of" in capsys.readouterr().err


def test_tables_of_a_glob_are_told_apart_and_read_on_as_more_come(sensors, tmp_path, capsys):
    lines, run_ = sensors.read_text().splitlines(), tmp_path / "run.safetensors"
    learn = (
        "learn",
        tmp_path / "day*",
        "--quiet",
        "--width",
        4,
        "--window",
        50,
        *COLUMNS,
        "--checkpoint",
        run_,
        "--resume",
    )
    for day in range(3):
        rows = lines[1 + 200 * day : 201 + 200 * day]
        (tmp_path / f"day{day}.csv").write_text("\n".join([lines[0], *rows, ""]))
        assert "learned 4 samples" in run(capsys, *learn)
    assert main(["predict", str(tmp_path / "day*.csv"), "--checkpoint", str(run_)]) == 1
    assert "expected one that has (`hebbstream learn --label`), or --novelty" in capsys.readouterr().err
    predict = ("predict", tmp_path / "day*.csv", "--novelty", "--checkpoint", run_, "--time")
    assert [line.split()[2] for line in run(capsys, *predict, "time").splitlines()[:12:4]] == [
        f"day{day}.csv" for day in range(3)
    ]


def test_pandas_row_numbers_may_be_the_time(tmp_path, capsys):
    frame = pd.DataFrame({"x": np.arange(40.0)}, index=pd.date_range("2026-01-01", periods=40, freq="s"))
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_csv(tmp_path / "a.csv")
    for name, time in {"a.parquet": "__index_level_0__", "a.csv": ""}.items():
        run_ = tmp_path / f"{name}.safetensors"
        table = (tmp_path / name, "--quiet", "--time", time, "--checkpoint", run_)
        run(capsys, "learn", *table, "--window", 20, "--width", 4)
        assert hs.Learner.load(run_).net.channel_names == ("x",)
        found = run(capsys, "predict", *table[:1], *table[2:], "--json", "--novelty")
        assert [json.loads(line)["time"] for line in found.splitlines()] == [1_767_225_600, 1_767_225_620]


@pytest.mark.parametrize("axes", [(0, 1, 2), (0, 2, 1), None])
def test_windows_in_an_array_file_are_no_pictures(axes, sensors, tmp_path, capsys):
    values = pd.read_csv(sensors)[["x", "y"]].to_numpy(np.float32)
    made = values.reshape(-1, 50, 2).transpose(0, 2, 1)
    made = made[:, :, None] if axes is None else made.transpose(axes)
    np.savez(tmp_path / "made.npz", x=made, y=np.arange(len(made)) // 4 % 2)
    table, array = tmp_path / "table.safetensors", tmp_path / "array.safetensors"
    learn = ("learn", sensors, "--quiet", "--width", 4, *COLUMNS, "--window", 50, "--checkpoint", table)
    run(capsys, *learn)
    source = (tmp_path / "made.npz", "--quiet", "--arrays", "x,y", "--checkpoint")
    run(capsys, "learn", *source, array, "--width", 4, "--preset", "signal")
    assert hs.Learner.load(array).probe.classes == [0, 1]
    found = []
    for name, read in {
        "a": (sensors, "--quiet", "--checkpoint", table),
        "b": (*source, table),
        "c": (*source, array),
    }.items():
        run(capsys, "embed", *read, "--output", tmp_path / f"{name}.npy")
        found.append(np.load(tmp_path / f"{name}.npy"))
    assert (found[0] == found[1]).all()  # the windows that `windows` cuts
    assert (found[0] == found[2]).all()  # of the network that learned these
    assert main(["learn", *map(str, source), str(array), "--preset", "signal", "--fit", "crop"]) == 1
    assert "--fit for " in (said := capsys.readouterr().err)
    assert "expected pictures, found windows of a signal" in said


def test_a_folder_of_tables_is_read_as_their_glob(sensors, tmp_path, capsys):
    logs, run_ = tmp_path / "logs", tmp_path / "run.safetensors"
    logs.mkdir()
    (logs / "1.csv").write_bytes(sensors.read_bytes())
    (logs / "README.txt").touch()
    learn = ("learn", logs, *COLUMNS, "--width", 4, "--window", 100, "--quiet", "--checkpoint", run_)
    assert "learned 12 samples" in run(capsys, *learn)
    (logs / "2.csv").write_text(sensors.read_text().replace(",walk", ",run"))
    assert "learned 12 samples" in run(capsys, *learn, "--resume")


def test_a_table_beside_videos_in_a_folder_is_not_learned(tmp_path):
    for name in ("a.mp4", "labels.csv"):
        (tmp_path / name).touch()
    assert media_in(str(tmp_path)) == str(tmp_path / "*.mp4")


@pytest.mark.parametrize(
    ("names", "read"),
    [
        (["a.CSV", "b.csv", "notes.txt"], ["a.CSV", "b.csv"]),
        (["a.CSV", "b.csv", "c.parquet"], ["a.CSV", "b.csv", "c.parquet"]),
        (["a.MP4", "b.Mp4", "labels.csv"], ["a.MP4", "b.Mp4"]),
    ],
)
def test_a_folder_of_one_kind_is_read_however_its_files_end(tmp_path, names, read):
    for name in names:
        (tmp_path / name).touch()
    assert sorted(Path(found).name for found in glob.glob(media_in(str(tmp_path)))) == read  # noqa: PTH207


def test_a_table_has_no_streams_to_choose_from(run, sensors):
    code, _, err = run("learn", sensors, "--window", 10, "--stream", 1)
    assert (code, "--stream for" in err, "expected sound or a video, found a table" in err) == (1, True, True)
