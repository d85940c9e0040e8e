"""A probe that begins: what its solver is, where the user does not say."""

import argparse
from typing import Any

import hebbstream as hs
from hebbstream.probe._solvers import SOLVERS


def add_solver(group: Any, title: str) -> None:
    """Add the option that chooses a new probe's solver to a parser, or to a group of one."""
    default = "slda for `signal` and `sound`, whose features are averages over time, else gradient"
    group.add_argument("--solver", choices=SOLVERS, help=f"{title} (default: {default})")


def new_probe(options: argparse.Namespace, net: hs.SoftHebbNet) -> hs.OnlineProbe:
    """Return a probe for the features of a network.

    Averages over time are as few as neurons, so that sums of their products cost little; and with windows of signals such sums
    are several points better than gradients, whether the network learns on or not. Features of neurons that imprint stay as
    strong beside each other as they are.
    """
    last = net.layers[-1].spec
    solver = options.solver or ("slda" if last.pool == "time_avg" else "gradient")
    return SOLVERS[solver](standardise=last.plasticity != "imprinting")
