"""What each command of `hebbstream` takes."""

import argparse

from hebbstream._commands import COMMANDS, make_parser
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

_MODULES = (_demo, _learn, _predict, _embed, _search, _evaluate, _export, _verify, _inspect, _studio, _bench, _info)


def make_full_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; each sets `run` to the function that does it."""
    parser, commands = make_parser()
    for module in _MODULES:
        name = module.__name__.rpartition("._")[2]
        does = COMMANDS[name]
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
