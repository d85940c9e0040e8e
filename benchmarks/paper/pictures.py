"""Draw what a learned network's neurons look for, as Fig. 2, 5 and B.5 to B.11 of the paper do.

The network is one that `python -m benchmarks.paper EXPERIMENT --keep FOLDER` kept, or any checkpoint; the best patches
and the embedding come from the test set.
"""

import argparse
import sys
from pathlib import Path

import hebbstream as hs
from benchmarks.core.data import load_task
from benchmarks.paper.store import FOLDER
from hebbstream.errors import HebbstreamError
from hebbstream.inspection import write_report


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper.pictures", description=__doc__)
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
    parser.add_argument("--data", default="cifar10", help="of HEBBSTREAM_DATA (default cifar10)")
    parser.add_argument("--images", type=int, default=2_000, help="of the test set (default 2000)")
    parser.add_argument("--neurons", type=int, default=48, help="to show of each layer (default 48)")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    parser.add_argument("--output", type=Path, default=FOLDER / "pictures", metavar="FOLDER", help="for the pictures")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    options = parser.parse_args(arguments)
    try:
        net = hs.load(options.checkpoint)
        test = load_task(options.data).test.take(options.images, options.seed)
        samples = [hs.Sample(image, int(label)) for image, label in zip(test.images[:], test.labels, strict=True)]
        written = write_report(
            net, options.output, samples, neurons=options.neurons, seed=options.seed, progress=not options.quiet
        )
    except HebbstreamError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(f"picture {path}" for path in written))
    return 0


if __name__ == "__main__":
    sys.exit(main())
