"""What each command of `hebbstream` takes."""

import argparse
import importlib
from collections.abc import Container

from hebbstream._commands import COMMANDS, make_parser


def make_full_parser(names: Container[str] = COMMANDS) -> argparse.ArgumentParser:
    """Return the parser of the commands with these names; each sets `run` to the function that does it.

    Of the others it knows what they are called: to load them all takes as long as some of them take to do their work.
    """
    parser, commands = make_parser()
    for name, does in COMMANDS.items():
        if name not in names:
            commands.add_parser(name, help=does)
            continue
        module = importlib.import_module(f"hebbstream.cli._{name}")
        command = commands.add_parser(
            name,
            help=does,
            usage=f"hebbstream {name} [OPTION ...] {module.USAGE}".rstrip(),
            description=does[0].upper() + does[1:] + ".",
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


class _Formatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults, but not the empty ones."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        empty = action.default in (None, []) or action.default is False or "default" in (action.help or "")
        return action.help if empty else super()._get_help_string(action)
