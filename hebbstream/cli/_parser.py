"""What the `hebbstream` command understands."""

import argparse
from difflib import get_close_matches
from typing import Any, NoReturn

import hebbstream as hs
from hebbstream._credentials import mask_credentials
from hebbstream._quote import shorten
from hebbstream.cli import (
    _bench,
    _demo,
    _embed,
    _evaluate,
    _export,
    _info,
    _inspect,
    _learn,
    _predict,
    _search,
    _studio,
    _verify,
)

_COMMANDS = (_demo, _learn, _predict, _embed, _search, _evaluate, _export, _verify, _inspect, _studio, _bench, _info)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser; each command sets `run` to the function that does it."""
    parser = _Parser(
        prog="hebbstream",
        description="Streaming, online, backprop-free feature learning from video, pictures, sound and sensors.",
        epilog="`hebbstream COMMAND --help` lists what a command takes.",
    )
    parser.add_argument("--version", action="version", version=f"hebbstream {hs.__version__}")
    group = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Command)
    for module in _COMMANDS:
        name = module.__name__.rpartition("._")[2]
        command = group.add_parser(
            name,
            help=module.HELP,
            usage=f"hebbstream {name} [OPTION ...] {module.USAGE}".rstrip(),
            description=module.HELP[0].upper() + module.HELP[1:] + ".",
            formatter_class=_Formatter,
        )
        module.add_arguments(command)
        command.add_argument("--debug", action="store_true", help="show a traceback when something fails")
        command.add_argument(
            "--log-level",
            default="warning",
            choices=("debug", "info", "warning", "error"),
            help="what to log to stderr",
        )
        command.set_defaults(run=module.run, writes=getattr(module, "WRITES", ()))
    return parser


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Quote no more than people read, and no password."""
        super().error(shorten(mask_credentials(message)))


class _Command(_Parser):
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Refuse what this command does not know: left to `hebbstream` itself, its usage would be shown instead."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            near = get_close_matches(unknown[0].partition("=")[0], self._option_string_actions, 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{meant}")
        return known, unknown


class _Formatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults, but not the empty ones."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        empty = action.default in (None, []) or action.default is False or "default" in (action.help or "")
        return action.help if empty else super()._get_help_string(action)
