import errno
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from forked import run_program

import hebbstream as hs
from hebbstream import _starting
from hebbstream.cli._main import main
from hebbstream.cli._parser import make_full_parser
from hebbstream.clip import CLIP

ADDRESS = "rtsp://me:hunter2@127.0.0.1:9/live?token=hunter2"
COMMANDS = ["demo", "learn", "predict", "embed", "search", "evaluate", "export", "verify", "inspect", "bench", "info"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(run, command):
    assert f"\n    {command} " in run("--help")[1]
    code, out, _ = run(command, "--help")
    assert code == 0
    assert out.startswith(f"usage: hebbstream {command} [OPTION ...]")
    assert "--debug" in out
    assert run("help", command) == (code, out, "")


def test_info(run):
    code, out, _ = run("info")
    assert code == 0
    assert f"hebbstream {hs.__version__}" in out
    assert "cifar10        96/384/1536 neurons, 32×32 pixels, 3 channels" in out
    assert "28×28 pixels, 1 channel\n" in out


def test_no_other_command_is_loaded(run, monkeypatch):
    loaded, load = [], importlib.import_module
    monkeypatch.setattr(importlib, "import_module", lambda name: loaded.append(name) or load(name))
    assert run("info")[0] == 0
    assert [name for name in loaded if name.startswith("hebbstream.cli.")] == ["hebbstream.cli._info"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["learn", "missing.mp4"], "no file at missing.mp4"),
        (["learn", "."], ".: it holds no image"),
        (["learn", CLIP, "--rate", "-3"], "rate=-3.0"),
        (["learn", CLIP, "--size", "4", "--quiet"], "4×4 pixels: too small"),
        (["learn", CLIP, "--labels", "missing.json"], "labels missing.json"),
        (["inspect", "missing.safetensors"], "no checkpoint at missing.safetensors"),
        (["inspect", CLIP], "not a checkpoint"),
        (["export", "missing.safetensors", "net.onnx"], "no checkpoint at"),
        *(
            ([*command, "--device", device], f"device='{device}': ")
            for command, devices in (
                (["learn", CLIP], ("nonsense", "meta", "mps", "cuda:99")),
                (["learn", CLIP, "--resume"], ("meta",)),
                (["bench"], ("cuda:99",)),
            )
            for device in devices
        ),
    ],
)
def test_an_error_is_one_line_and_exit_code_1(run, arguments, message):
    code, _, err = run(*arguments)
    assert code == 1
    assert err.startswith("hebbstream: ")
    assert message in err
    assert err.count("\n") == 1
    with pytest.raises(hs.HebbstreamError):
        main([*map(str, arguments), "--debug"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["nonsense"], "invalid choice: 'nonsense'"),
        (["lern"], "; did you mean learn?"),
        (["train", CLIP], "; did you mean learn?"),
        (["learn", CLIP, "--output", "x"], "unrecognized arguments: --output x; did you mean --checkpoint?"),
        (["learn", CLIP, "-n", "5"], "; did you mean --limit?"),
        (["predict", CLIP, "--window-size", "5"], "unrecognized arguments: --window-size 5"),
        (["learn"], "the following arguments are required: SOURCE"),
        (["learn", CLIP, "--limit", "0"], "argument --limit: '0': expected a positive integer"),
        (["learn", CLIP, "--preset", "x"], "argument --preset: invalid choice: 'x'"),
        *(
            (["learn", CLIP, "--size", size], f"{size!r}: expected N or WxH")
            for size in ("32x", "x32", "0", "wide", "4x4x4")
        ),
        (["learn", CLIP, "--option", "probesize"], "'probesize': expected KEY=VALUE"),
        (["learn", CLIP, "--checkpoint-seconds", "-1"], "'-1': expected a positive number of seconds"),
        (["learn", CLIP, "--labls", "x.json"], "unrecognized arguments: --labls x.json; did you mean --labels?"),
        (["learn", CLIP, "--nonsense"], "hebbstream learn: error: unrecognized arguments: --nonsense"),
        (["learn", CLIP, "--\x1b[31m.mp4"], r"unrecognized arguments: --\x1b[31m.mp4"),
        (["export", "http://there/a.safetensors"], "expected a file or a folder, found an address"),
        (["bench", "--seconds", "nan"], "'nan': expected a positive number of seconds"),
        (["studio", "mic", "--length", "inf"], "argument --length: 'inf': expected a positive number of seconds"),
        *((["studio", "a.csv", "--hop", hop], f"--hop: {hop!r}: expected a positive number") for hop in ("0", "inf")),
        (["bench", "--seconds", "long"], "'long': expected a positive number of seconds"),
    ],
)
def test_wrong_usage_is_exit_code_2(run, arguments, message):
    code, _, err = run(*arguments)
    assert code == 2
    assert "usage: hebbstream" in err
    assert message in err.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["a.safetensors", "b.onnx", "--verify", "--layout", "NHWC"],
        ["--verify", "a.safetensors", "--layout", "NHWC", "b.onnx"],
        ["a.safetensors", "--layout", "NHWC", "b.onnx", "--verify"],
    ],
)
def test_names_may_stand_on_either_side_of_options(arguments):
    found = make_full_parser().parse_args(["export", *arguments])
    assert (found.checkpoint, found.model) == (Path("a.safetensors"), Path("b.onnx"))
    assert (found.verify, found.layout) == (True, "NHWC")


@pytest.mark.parametrize(
    "arguments",
    [
        [ADDRESS],
        ["learn", CLIP, "--limit", ADDRESS],
        ["learn", CLIP, "--nonsense", ADDRESS],
        ["learn", CLIP, "--device", ADDRESS],
        ["learn", CLIP, "--format", ADDRESS],
        ["predict", CLIP, ADDRESS],
        ["evaluate", ADDRESS, CLIP],
        ["evaluate", CLIP, CLIP, ADDRESS],
        ["export", ADDRESS],
        ["search", "features.npy", ADDRESS],
        ["studio", "--host", ADDRESS],
    ],
)
def test_no_password_is_shown_wherever_an_address_is_put_by_mistake(run, arguments):
    code, out, err = run(*arguments)
    assert code in (1, 2)
    assert err
    assert "hunter2" not in out + err


@pytest.mark.parametrize(
    "arguments",
    [
        ["demo", "--output", "~/a"],
        ["learn", "~/a.mp4", "~/b/*.mp4", "--labels", "~/c.json", "--checkpoint", "~/d", "--metrics", "~/e"],
        ["learn", "~/a.mp4", "--tensorboard", "~/f", "--export", "~/g.json"],
        ["evaluate", "~/a", "~/b.mp4", "--labels", "~/c.json", "--plot", "~/d.png"],
        ["export", "~/a", "~/b.onnx", "--source", "~/c.mp4"],
        ["predict", "~/a.mp4", "--checkpoint", "~/b", "--video", "~/c.mp4"],
        ["embed", "~/a.mp4", "--checkpoint", "~/b", "--output", "~/c.npy"],
        ["search", "~/a.npy", "~/b.mp4@3", "--checkpoint", "~/c"],
        ["verify", "~/a.onnx", "~/b.mp4", "--checkpoint", "~/c"],
        ["inspect", "~/a", "--source", "~/b.mp4", "--labels", "~/c", "--picture", "~/d.png", "--report", "~/e"],
    ],
)
def test_wherever_a_path_is_taken_a_quoted_tilde_is_the_home_folder(monkeypatch, arguments):
    monkeypatch.setenv("HOME", "/home/me")
    options = make_full_parser().parse_args(arguments)
    values = [
        value for option in vars(options).values() for value in (option if isinstance(option, list) else [option])
    ]
    found = {str(value) for value in values if isinstance(value, str | Path) and "/" in str(value)}
    assert found == {argument.replace("~", "/home/me") for argument in arguments if argument.startswith("~")}


@pytest.mark.parametrize(("text", "height_and_width"), [("32", (32, 32)), ("64x48", (48, 64))])
def test_a_size_is_width_by_height(text, height_and_width):
    assert make_full_parser().parse_args(["learn", "a.mp4", "--size", text]).size == height_and_width


def test_other_names_are_left_as_they_are():
    names = ["rtsp://me@host/~you/live", "a~/b.mp4", "~draft.mp4", "0"]
    assert make_full_parser().parse_args(["learn", *names]).source == names


def test_the_installed_command_runs():
    command = Path(sys.executable).parent / "hebbstream"
    printed = subprocess.run([command, "--version"], check=True, capture_output=True, text=True).stdout
    assert printed == f"hebbstream {hs.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "stderr_too", "unbuffered"),
    [
        (["--help"], False, ""),
        (["learn", CLIP, "--width", "4", "--limit", "3", "--quiet"], False, ""),
        (["learn", CLIP, "--width", "4", "--limit", "3", "--quiet"], False, "1"),
        (["learn", "missing.mp4"], True, ""),
    ],
    ids=["help", "learn", "learn unbuffered", "error"],
)
def test_when_nobody_reads_it_ends_quietly(tmp_path, arguments, stderr_too, unbuffered):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "hebbstream.cli", *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        stdout=writer,
        stderr=writer if stderr_too else subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    assert not done.stderr
    assert done.returncode in (0, 1)  # argparse passes over what it cannot print
    if "--limit" in arguments:
        assert hs.load(tmp_path / "run.safetensors").samples_seen == 3


def test_the_package_runs_as_a_module(tmp_path):
    done = run_program("hebbstream", "--version", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"hebbstream {hs.__version__}\n")
    done = run_program("hebbstream", "learn", tmp_path / "missing.mp4", folder=tmp_path, cwd=tmp_path)
    assert done.returncode == 1
    assert "missing.mp4" in done.stderr


@pytest.mark.parametrize(
    ("argv", "orig_argv", "is_command"),
    [
        (["-m", "info"], ["python", "-m", "hebbstream", "info"], True),
        (["-m", "info"], ["python", "-m", "hebbstream.cli", "info"], True),
        (["-m", "info"], ["python", "-mhebbstream", "info"], True),
        (["/usr/bin/hebbstream", "info"], ["python", "/usr/bin/hebbstream", "info"], True),
        (["-m", "hebbstream"], ["python", "-m", "pytest", "hebbstream"], False),
        (["train.py"], ["python", "train.py"], False),
        ([str(Path(hs.__file__).parent)], ["python", str(Path(hs.__file__).parent)], False),
    ],
)
def test_ctrl_c_is_watched_for_while_the_command_loads(monkeypatch, argv, orig_argv, is_command):
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", orig_argv)
    assert _starting._is_command() == is_command


@pytest.fixture
def start(tmp_path):
    """Start the command where torch, which takes seconds to load, cannot be loaded."""
    (tmp_path / "torch.py").write_text("raise SystemExit('torch was loaded')")

    def start_command(*arguments, **options):
        command = [sys.executable, "-m", "hebbstream", *arguments]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        return subprocess.run(command, cwd=tmp_path, env=environment, text=True, stderr=subprocess.PIPE, **options)

    return start_command


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--version"], 0, f"hebbstream {hs.__version__}"),
        (["--help"], 0, "embed     write the features of each frame"),
        (["help"], 0, "embed     write the features of each frame"),
        ([], 2, "hebbstream: error: the following arguments are required: COMMAND"),
        ([], 2, "embed     write the features of each frame"),
        (["lern", ADDRESS], 2, "invalid choice: 'lern'"),
        (["info"], 1, "torch was loaded"),
    ],
)
def test_plain_questions_are_answered_at_once(start, arguments, code, message):
    done = start(*arguments, stdout=subprocess.PIPE)
    assert done.returncode == code
    assert message in done.stdout + done.stderr
    assert "hunter2" not in done.stderr


def test_what_the_output_cannot_encode_is_escaped(start, tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text("print('32×32, ключ, cl\\udce4p'); raise SystemExit", encoding="utf-8")
    for encoding in ("ascii", "cp437", "utf-8:strict"):
        monkeypatch.setenv("PYTHONIOENCODING", encoding)
        done = start("info", stdout=subprocess.PIPE)
        assert (done.returncode, done.stderr) == (0, "")
        assert "\\udce4" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="Windows closes no single output of a process")
def test_what_a_closed_stderr_would_have_shown_is_not_among_the_results(start, tmp_path):
    (tmp_path / "torch.py").write_text("import sys; print('said', file=sys.stderr); raise SystemExit", encoding="utf-8")
    done = start("info", stdout=subprocess.PIPE, preexec_fn=lambda: os.close(2))
    assert (done.returncode, done.stdout) == (0, "")


def test_an_answer_that_nobody_reads_ends_quietly(start):
    reader, writer = os.pipe()
    os.close(reader)
    done = start("--help", stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.usefixtures("capsys")
def test_a_pipe_that_nobody_reads_on_windows(monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(os, "name", "nt")
        assert _starting.not_printed(OSError(errno.EINVAL, "Invalid argument")) == 1
        with pytest.raises(OSError, match="no:name"):
            _starting.not_printed(OSError(errno.EINVAL, "Invalid argument", "no:name"))


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_daemon_may_have_closed_its_output(clips, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, name, None)
    assert main(["learn", clips[0], "--width", "4", "--limit", "3"]) == 0
    assert Path("run.safetensors").exists()


def test_a_full_disk_under_what_is_printed_is_said(capsys, monkeypatch):
    def flush():
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(sys.stdout, "flush", flush)
        assert main(["info"]) == 1
    assert "hebbstream: cannot print: No space left on device" in capsys.readouterr().err


def test_a_card_without_the_memory_is_said_in_a_line(capsys, monkeypatch):
    def learn(*arguments, **options):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")

    monkeypatch.setattr(hs.Learner, "learn", learn)
    assert main(["learn", str(CLIP), "--width", "4", "--limit", "2", "--quiet"]) == 1
    found = capsys.readouterr().err.splitlines()
    assert found[-1].startswith("hebbstream: CUDA out of memory. Tried to allocate 2.00 GiB. Expected fewer neurons")
