"""A session of the studio into which tests put pictures, one at a time."""

import argparse
import threading
import time
from contextlib import contextmanager

import numpy as np

from hebbstream.cli import _studio
from hebbstream.studio._actions import act
from hebbstream.studio._keeper import Keeper
from hebbstream.studio._server import Studio
from hebbstream.studio._session import Session
from hebbstream.studio._settings import Settings
from hebbstream.studio._source import Source
from hebbstream.studio._state import state_of

SMALL = Settings(preset="cifar10", width=4, dimensions=96, start=True, every_frame=True)
VIDEO = Settings(preset="video", width=8, dimensions=256)


@contextmanager
def serving(studio):
    """Serve a whole studio meanwhile."""
    thread = threading.Thread(target=studio.serve)
    thread.start()
    try:
        until = time.monotonic() + 30
        while not studio.server.started:
            assert time.monotonic() < until
            time.sleep(0.01)
        yield studio
    finally:
        studio.server.should_exit = True
        thread.join()


@contextmanager
def served(addresses, folder, settings=VIDEO, **options):
    """A whole studio of some sources, served."""
    with Studio(addresses, folder, settings, **options) as studio, serving(studio):
        yield studio


def ask(studio, **message):
    """What a studio answers when a page asks it for something."""
    return studio.session.ask(lambda: act(studio.session, message)).result(60)


def teach_and_wait(folder, taught):
    """Teach five of each kind, and just now two more; to be killed."""
    bench = Bench(folder)
    bench.teach(5)
    time.sleep(0.7)
    bench.show(*pictures("down", 2))
    taught.set()
    time.sleep(60)


def pictures(kind, count=40, seed=0):
    """Noisy pictures of one of two kinds: stripes across, or stripes down."""
    generator = np.random.default_rng(seed)
    stripes = np.where(np.arange(48) // 6 % 2, 200, 40).astype(np.uint8)
    plain = np.broadcast_to(stripes[:, None] if kind == "across" else stripes[None], (48, 48))
    noise = generator.integers(0, 50, (count, 48, 48, 3))
    shifted = [np.roll(plain, generator.integers(48), axis=(0, 1)) for _ in range(count)]
    return [(one[..., None] + extra).clip(0, 255).astype(np.uint8) for one, extra in zip(shifted, noise, strict=True)]


def parsed(*arguments):
    """The options of `hebbstream studio`."""
    parser = argparse.ArgumentParser()
    _studio.add_arguments(parser)
    return parser.parse_args([*map(str, arguments)])


class Bench:
    """A session whose pictures the test puts in, one at a time, each taken in before the next."""

    def __init__(self, folder, settings=SMALL):
        self.keeper = Keeper(folder)
        self.session = Session(self.keeper, settings, state_of)
        self.source = Source(0, "bench", self.session.arrived)
        self.session.sources.append(self.source)
        self.session.start()

    def do(self, action, **message):
        return self.session.ask(lambda: act(self.session, {"do": action, **message})).result(60)

    def within(self, action):
        """What an action in the session's thread gives."""
        return self.session.ask(action).result(60)

    def show(self, *pictures, label=None):
        if label is not None:
            if label not in self.session.examples.classes:
                self.do("add-class", name=label)
            self.do("hold", label=label, source=0, seconds=60)
        for picture in pictures:
            self.source.put(picture, None)
            while self.source._waits:
                time.sleep(0.001)
            self.within(lambda: None)  # it was taken, and by now it is learned
        if label is not None:
            self.do("release")

    def teach(self, count=12, **more):
        for kind in ("across", "down"):
            self.show(*pictures(kind, count, **more), label=kind)

    def close(self):
        self.session.close()
        self.keeper.__exit__(None, None, None)
