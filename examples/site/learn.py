"""Learn one network from all sources of a site, in as many processes as torchrun starts.

Usage: torchrun --nproc-per-node 4 examples/site/learn.py [--site FILE.toml] [--limit N]

Prints the report. Run again, it goes on from the checkpoint.
"""

import argparse
import tomllib
from collections.abc import Callable
from pathlib import Path

import hebbstream as hs
from hebbstream.adapters.video import open_video
from hebbstream.distributed import join, learn_together
from hebbstream.errors import CheckpointNotFoundError
from hebbstream.streams import Stream, for_live, interleave


def opener(part: dict[str, str], size: int) -> Callable[[], Stream]:
    """Return what opens the sources of one rank as one stream; of cameras, what is new."""

    def open_one(address: str) -> Stream:
        stream = open_video(address, size=size, fit="crop")
        return for_live(stream) if stream.live else stream

    if len(part) == 1:
        return lambda: open_one(*part.values())
    return lambda: interleave({name: open_one(address) for name, address in part.items()}, by="arrival")


def shares(sources: dict[str, str], world: int) -> dict[str, dict[str, str]]:
    """Deal cameras out, as all must be read all the time; a recording is a share of its own, and waits for its turn."""
    cameras = [name for name, address in sources.items() if "://" in address]
    parts = [[name] for name in sources if name not in cameras] + [cameras[rank::world] for rank in range(world)]
    return {", ".join(part): {name: sources[name] for name in part} for part in parts if part}


def learner_of(site: dict, first: bool) -> hs.Learner:
    run, network = site["run"], site["network"]
    callbacks = [hs.Checkpoint(run["checkpoint"], every_samples=run["checkpoint_every"])] if first else []
    if first:  # the others get from it what it has
        try:
            return hs.Learner.load(run["checkpoint"], callbacks=callbacks)
        except CheckpointNotFoundError:
            pass
    net = hs.SoftHebbNet.from_preset(network["preset"], width=network["width"], seed=network["seed"])
    return hs.Learner(net, callbacks=callbacks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", type=Path, default=Path(__file__).with_name("site.toml"), metavar="FILE")
    parser.add_argument("--limit", type=int, metavar="N", help="stop after N frames of all sources together")
    options = parser.parse_args()
    site = tomllib.loads(options.site.read_text(encoding="utf-8"))
    with join(timeout=site["run"]["timeout"]) as peers:
        parts = shares(site["sources"], peers.world)
        sources = {name: opener(part, site["network"]["size"]) for name, part in parts.items()}
        learner = learner_of(site, peers.rank == 0)
        report = learn_together(learner, sources, peers, limit=options.limit, resume=True, progress=False)
        if peers.rank == 0:
            print(f"{peers.world} processes: {report}")


if __name__ == "__main__":
    main()
