"""`hebbstream evaluate`."""

import argparse
from typing import Any

import hebbstream as hs
from hebbstream.cli._source import open_source
from hebbstream.errors import ConfigurationError
from hebbstream.inspection._canvas import check_picture
from hebbstream.probe import SOLVERS


def evaluate(options: argparse.Namespace) -> None:
    """Score a probe on a checkpoint's features, predicting first and learning then."""
    from river.metrics import Accuracy
    from river.metrics.base import Metrics

    from hebbstream.adapters.river import prequential

    if options.plot:
        check_picture(options.plot)
    saved = hs.load_checkpoint(options.checkpoint)
    probe = saved.probe
    if probe is not None and options.solver and not options.fresh_probe:
        raise ConfigurationError(
            f"--solver {options.solver}: {options.checkpoint} holds a probe ({probe.solver}); expected --fresh-probe"
            " to start another"
        )
    if probe is None or options.fresh_probe:
        probe = SOLVERS[options.solver or "gradient"]()
    wanted = {type(metric): metric for metric in (Accuracy(), *options.metrics)}  # type: ignore[no-untyped-call]
    with open_source(options, saved.net.in_channels, saved.net.frame_size) as frames:
        found = prequential(
            saved.net,
            frames,
            probe,
            Metrics(list(wanted.values())),  # type: ignore[no-untyped-call]
            window=options.window,
            delay=options.delay,
            frozen=not options.learn_features,
            limit=options.limit,
            progress=not options.quiet,
        )
    last = found.scores[-1]
    print(found)
    print(
        f"prequential accuracy {last.cumulative['Accuracy']:.1%} over {last.scored:,} frames,"
        f" {len(probe.classes)} classes"
    )
    if options.plot:
        print(f"picture {found.plot(options.plot)}; the checkpoint is as it was")
    else:
        print("nothing was written: the checkpoint is as it was")


def metric(text: str) -> Any:
    """Read the name of a river metric that scores any number of classes and is a number itself."""
    # Imported here, as it takes a second that no other command needs to wait.
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
