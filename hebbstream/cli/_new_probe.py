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
    are several points better than gradients, whether the network learns on or not.
    """
    few_features = net.layers[-1].spec.pool == "time_avg"
    solver = options.solver or ("slda" if few_features else "gradient")
    return SOLVERS[solver]()
