"""The commands of `hebbstream` by name, and what can be answered without loading one."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from hebbstream._credentials import mask_credentials
from hebbstream._quote import printable, shorten
from hebbstream._version import __version__

COMMANDS = {
    "demo": "learn from the bundled clip; write pictures, a checkpoint and a model",
    "learn": "learn features from a video, a camera, pictures, sound or a table, one sample at a time",
    "predict": "name what each frame shows, by the labels that were learned, or score how unusual it is",
    "embed": "write the features of each frame, with its time, to a file",
    "search": "find the frames that are most like one, in a file that `hebbstream embed` wrote",
    "evaluate": "measure accuracy on labelled frames; the checkpoint stays as it is",
    "export": "write an ONNX model of a checkpoint's network and probe",
    "verify": "check an ONNX model, compare it with its checkpoint, and time it on real frames",
    "inspect": "show a checkpoint's layers, and draw what their neurons look for",
    "studio": "open a page that shows a network learn from a camera, and teach it by holding a key",
    "bench": "time learning steps on this machine; write nothing",
    "info": "show versions, devices and presets",
}
"""What each does, in a line."""

_OTHER_WORDS = {
    "train": "learn",
    "fit": "learn",
    "classify": "predict",
    "test": "evaluate",
    "score": "evaluate",
    "transform": "embed",
    "features": "embed",
    "convert": "export",
    "show": "inspect",
    "watch": "studio",
    "teach": "studio",
    "serve": "studio",
    "benchmark": "bench",
    "-o": "--checkpoint",
    "--output": "--checkpoint",
    "-n": "--limit",
    "--frames": "--limit",
    "--epochs": "--loop",
    "--gpu": "--device",
}


def make_parser() -> tuple[argparse.ArgumentParser, Any]:
    """Return the parser of `hebbstream` itself, and the group that takes its commands."""
    parser = _Parser(
        prog="hebbstream",
        description="Streaming, online, backprop-free feature learning from video, pictures, sound and sensors.",
        epilog="Begin with `hebbstream demo`, or `hebbstream learn webcam`. `hebbstream COMMAND --help` lists what a command takes.",
    )
    parser.add_argument("--version", action="version", version=f"hebbstream {__version__}")
    return parser, parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Command)


def answer(arguments: Sequence[str]) -> None:
    """Print the help, the version or what is wrong, and exit, where no command is named: to load one takes seconds."""
    arguments = spelled_out(arguments)
    if not arguments or arguments[0] not in COMMANDS:
        parser, commands = make_parser()
        for name, does in COMMANDS.items():
            commands.add_parser(name, help=does)
        if not arguments:
            parser.print_help(sys.stderr)
            parser.exit(2, "\nhebbstream: error: the following arguments are required: COMMAND\n")
        parser.parse_args(arguments)


def spelled_out(arguments: Sequence[str]) -> Sequence[str]:
    """Return the arguments with ``--help`` for ``help``.

    Examples
    --------
    >>> spelled_out(["help", "learn"]), spelled_out(["learn", "help.mp4"])
    (['learn', '--help'], ['learn', 'help.mp4'])
    """
    return [*arguments[1:2], "--help"] if arguments[:1] == ["help"] else arguments


class _Parser(argparse.ArgumentParser):
    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Name the choice that is nearest to what is none."""
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            error.message += _meant(value, action.choices or ())
            raise

    def error(self, message: str) -> NoReturn:
        """Quote no more than people read, no password, and nothing that a terminal takes for a command."""
        super().error(printable(shorten(mask_credentials(message))))


class _Command(_Parser):
    _inner = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Take names before, between and after options, and refuse what this command does not know.

        Left to `hebbstream` itself, its usage would be shown instead.
        """
        if self._inner:  # options first, then names: the library calls this method for either
            return super().parse_known_args(args, namespace)
        self._inner = True
        try:
            known, unknown = self.parse_known_intermixed_args(args, namespace)
        finally:
            self._inner = False
        if unknown:
            meant = _meant(unknown[0].partition("=")[0], self._option_string_actions)
            self.error(f"unrecognized arguments: {' '.join(unknown)}{meant}")
        return known, unknown


def _meant(text: Any, known: Iterable[Any]) -> str:
    known = list(map(str, known))
    other = _OTHER_WORDS.get(str(text))
    near = [other] if other in known else get_close_matches(str(text), known, 1, cutoff=0.7)
    return f"; did you mean {near[0]}?" if near else ""
