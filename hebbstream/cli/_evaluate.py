"""`hebbstream evaluate`."""

import argparse
import copy
from collections.abc import Hashable
from contextlib import closing
from typing import Any

from torch import Tensor

import hebbstream as hs
from hebbstream._bar import expected
from hebbstream.cli._execution import add_device, add_quiet, check_device
from hebbstream.cli._medium import as_learned
from hebbstream.cli._new_probe import add_solver, new_probe
from hebbstream.cli._signals import called
from hebbstream.cli._source import before_failure, has_labels, imprints, left_out, open_source
from hebbstream.cli._source_options import add_labels, add_size, add_source
from hebbstream.cli._types import natural, path, positive
from hebbstream.errors import ConfigurationError, EmptyStreamError, StreamError
from hebbstream.inspection._canvas import check_picture
from hebbstream.probe._solvers import as_online_probe
from hebbstream.streams import Stream

USAGE = "CHECKPOINT SOURCE [--labels FILE]"
WRITES = ("plot",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("checkpoint", type=path, metavar="CHECKPOINT", help="file that `hebbstream learn` wrote")
    add_device(parser)
    add_quiet(parser)
    add_size(parser, "that of the frames learned")
    add_labels(parser)
    parser.add_argument("--limit", type=positive, metavar="N", help="stop after N frames")
    add_source(parser, window=False)
    group = parser.add_argument_group("what learns")
    group.add_argument(
        "--learn-features", action="store_true", help="let the network learn on, too (default: it stays as it is)"
    )
    group.add_argument("--fresh-probe", action="store_true", help="start a new probe instead of the checkpoint's")
    add_solver(group, "how a new probe learns")
    group = parser.add_argument_group("scores")
    group.add_argument(
        "--metrics",
        type=_metric,
        nargs="+",
        default=[],
        metavar="NAME",
        help="river's metrics of classification besides Accuracy, such as CohenKappa, MacroF1 or CrossEntropy",
    )
    group.add_argument(
        "--window", type=positive, default=1000, metavar="N", help="frames in the score of the last frames"
    )
    group.add_argument("--delay", type=natural, default=0, metavar="N", help="let each label come N frames late")
    group.add_argument("--plot", type=path, metavar="FILE", help="draw the metrics along the stream to this file")


def run(options: argparse.Namespace) -> None:
    """Score a probe on a checkpoint's features, predicting first and learning then."""
    from river.metrics import Accuracy
    from river.metrics.base import Metrics

    from hebbstream.adapters.river import prequential

    if not has_labels(options):
        raise ConfigurationError(
            f"evaluate {options.source} without --labels: expected the file of its labels, or --label, their column"
        )
    if options.plot:
        check_picture(options.plot)
    check_device(options.device)
    saved = hs.Learner.load(options.checkpoint, options.device)
    options = as_learned(options, saved.net, options.source)
    held = _held_probe(options, saved)
    probe = _Beside(held or new_probe(options, saved.net))
    wanted = {type(metric): metric for metric in (Accuracy(), *options.metrics)}  # type: ignore[no-untyped-call]
    mixed = not (options.learn_features and imprints(saved.net))
    failures: list[StreamError] = []
    with (
        open_source(options, saved.net.in_channels, saved.net.frame_size, mixed=mixed) as frames,
        closing(before_failure(frames, options.limit, failures)) as samples,
    ):
        try:
            found = prequential(
                saved.net,
                Stream(samples, length=expected(frames, options.limit)),
                probe,
                Metrics(list(wanted.values())),  # type: ignore[no-untyped-call]
                window=options.window,
                delay=options.delay,
                frozen=not options.learn_features,
                progress=not options.quiet,
            )
        except EmptyStreamError as error:
            raise (failures or [error])[0] from None
    last = found.scores[-1]
    print(found)
    print(
        f"prequential accuracy {last.cumulative['Accuracy']:.1%} over {last.scored:,} {called(options)}s{left_out(frames)},"
        f" {len(probe.learns.classes)} classes"
    )
    if held is not None and probe.scored and not options.learn_features:
        print(f"without learning any of these labels, as an exported model: {probe.right / probe.scored:.1%}")
    written = f"picture {found.plot(options.plot)}; " if options.plot else "nothing was written: "
    print(f"{written}the checkpoint is as it was")
    if failures:
        raise failures[0]


class _Beside:
    """A probe that learns, and beside it a copy that does not: what that gets right, a model to take away would."""

    def __init__(self, probe: hs.OnlineProbe) -> None:
        self.learns, self._stays = probe, copy.deepcopy(probe)
        self.right = self.scored = 0
        self.predict_one, self.predict_proba_one = probe.predict_one, probe.predict_proba_one

    def learn_one(self, x: Tensor, y: Hashable) -> None:
        found = self._stays.predict_one(x)
        self.scored += found is not None
        self.right += found == y
        self.learns.learn_one(x, y)


def _held_probe(options: argparse.Namespace, saved: hs.Learner) -> hs.OnlineProbe | None:
    """Return the checkpoint's, as it would be taken away; ``None`` where a new one is wanted."""
    held = None if options.fresh_probe else as_online_probe(saved.probe, "evaluate")
    if held is None:
        return None
    if options.solver:
        raise ConfigurationError(
            f"--solver {options.solver}: {options.checkpoint} holds a probe ({held.solver}); expected --fresh-probe"
            " to start another"
        )
    return saved.refit_probe(progress=not options.quiet) or held


def _metric(text: str) -> Any:
    """Read the name of a river metric that scores any number of classes and is a number itself."""
    from river import metrics

    from hebbstream.adapters.river._evaluation import is_number

    def make(name: str) -> Any:
        kind = getattr(metrics, name, None)
        if not isinstance(kind, type) or not issubclass(kind, metrics.base.MultiClassMetric):
            return None
        try:
            made = kind()
        except TypeError:  # it has parameters that must be given
            return None
        return made if is_number(made) else None

    found = make(text)
    if found is None:
        names = ", ".join(name for name in metrics.__all__ if make(name) is not None)
        raise argparse.ArgumentTypeError(f"{text!r}: expected one of {names}")
    return found
