"""The options that say where and how a command computes."""

import argparse
from typing import get_args

from hebbstream.network.engine import Engine
from hebbstream.network.engine._make import EngineName, make_engine
from hebbstream.rule._precision import PrecisionName


def add_execution(parser: argparse.ArgumentParser) -> None:
    """Let a command choose device, engine and precision."""
    group = parser.add_argument_group("execution")
    add_device(group)
    group.add_argument("--engine", default="eager", choices=get_args(EngineName), help="how to execute a step")
    group.add_argument(
        "--precision",
        default="float32",
        choices=get_args(PrecisionName),
        help="precision of matrix products while learning",
    )


def add_device(parser: "argparse._ActionsContainer") -> None:
    """Let a command choose where it computes."""
    parser.add_argument("--device", default="cpu", metavar="NAME", help="torch device to compute on")


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Let a command do without its progress bar."""
    parser.add_argument("--quiet", action="store_true", help="show no progress bar")


def engine_of(options: argparse.Namespace) -> Engine:
    """Return the engine that the options choose."""
    return make_engine(options.engine, options.precision)
