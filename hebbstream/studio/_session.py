"""`Session`: the thread in which the network learns. It waits for pictures, never for those who watch."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

import torch

import hebbstream as hs
from hebbstream.errors import EmptyStreamError, HebbstreamError
from hebbstream.streams import Stream
from hebbstream.studio._board import Board, Seen
from hebbstream.studio._filters import Filters
from hebbstream.studio._gate import Gate
from hebbstream.studio._held import Held
from hebbstream.studio._keeper import Keeper
from hebbstream.studio._likes import Likes
from hebbstream.studio._novelty import Novelty
from hebbstream.studio._picture import Picture, Pixels
from hebbstream.studio._requests import Requests
from hebbstream.studio._score import Score
from hebbstream.studio._settings import Settings
from hebbstream.studio._source import Source, next_picture
from hebbstream.studio._taught import Taught

T = TypeVar("T")

_LOOK_SECONDS = {"slow": 0.5, "filters": 1.0, "likes": 0.5}
# One example is looked at again for each frame that is learned, and later for some: features change as the network learns.
_FRESHEN_EVERY = 4
_YOUNG = 3000


class Session(Taught, threading.Thread):
    """Learns from sources, and does what it is asked between two frames.

    Parameters
    ----------
    keeper, settings
        See `Taught`.
    tell
        Returns how a session stands, for those who watch.
    """

    def __init__(self, keeper: Keeper, settings: Settings, tell: Callable[["Session"], dict[str, Any]]) -> None:
        threading.Thread.__init__(self, name="hebbstream-studio", daemon=True)
        self._tell = tell
        self.board = Board()
        self.arrived = threading.Condition()
        self.sources: list[Source] = []
        self.learning = settings.start
        self.held: Held | None = None
        self.failure = ""
        self.holds = 0
        self._asked = Requests(self.arrived)
        self._closing = False
        self._turn = 0
        self._gate = Gate()
        self._due = dict.fromkeys(_LOOK_SECONDS, 0.0)
        self._at_hand: tuple[Picture, Pixels] | None = None
        Taught.__init__(self, keeper, settings)

    def ask(self, action: Callable[[], T]) -> "Future[T]":
        """Have something done in this thread, between two frames."""
        return self._asked.put(action)

    def close(self) -> None:
        """Finish the present frame, save, and end."""
        with self.arrived:
            self._closing = True
            self.arrived.notify_all()
        if self.is_alive():
            self.join()

    def adopt(self, learner: hs.Learner) -> None:
        """Go on with another learner."""
        super().adopt(learner)
        learner.callbacks = (_Watch(self),)
        self.score = Score()  # that of another network says nothing of this one
        self.filters, self.novelty = Filters(learner.net, self.settings.kind), Novelty()
        self.show_likes_of(min(1, len(learner.net.layers) - 1))
        self._stale = True

    def relearn(self, *, anew: bool = False) -> None:
        """Make the probe what the kept examples teach, and name what sources that are off have shown by it."""
        super().relearn(anew=anew)
        shown = self.board.seen.items()
        self.board.seen = {at: self._recognised(seen, self._features(self._fitted(seen.frame))) for at, seen in shown}

    def show_likes_of(self, layer: int) -> None:
        """Watch the neurons of a layer."""
        self.likes = Likes(self.net, layer, self._portrait)

    def run(self) -> None:
        """Learn until `close`."""
        try:
            while not self._closing:
                self._stale = False
                with suppress(EmptyStreamError):  # nothing was learned yet
                    self.learner.learn(Stream(self._feed(), name="studio", live=True), progress=False)
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"
            self.board.slow = self.board.slow | {"learning": False, "failure": self.failure}
            raise
        finally:
            self._asked.refuse_all(HebbstreamError(f"learning has stopped{self.failure and f': {self.failure}'}"))
            with suppress(HebbstreamError):
                self.keeper.keep(self.learner, self.changes, now=True)

    def _feed(self) -> Iterator[hs.Sample]:
        """Yield what is to be learned; all else is done in between."""
        while not self._closing:
            if self._asked.do_all():
                self._due["slow"] = 0.0
            if self._stale or self._closing:
                return
            self._do_what_is_due()
            picture = next_picture(self.sources, self._turn, self.arrived, lambda: len(self._asked) or self._closing)
            if picture is None:
                continue
            self._turn = picture.source + 1
            frame = self._fitted(picture.pixels) if picture.sample is None else picture.sample
            held = self._held_for(picture)
            if self._is_to_learn(picture, frame, held):
                self._at_hand = picture, frame
                source = self.sources[picture.source].name
                yield hs.Sample(frame, None if held is None else held.label, picture.t, source, picture.captured)
            else:
                self._look_only(picture, frame, held)

    def taken(self, step: hs.Step) -> None:
        """Take in what the network has learned from the picture at hand."""
        assert self._at_hand is not None  # noqa: S101  # it was fed
        (picture, frame), label = self._at_hand, step.sample.y
        self._look(picture, frame, step.features, None if label is None else (str(label), bool(step.right)))
        self.board.count(picture, learned=True)
        if self.net.samples_seen < _YOUNG or not self.net.samples_seen % _FRESHEN_EVERY:
            self._freshen_one()

    def _look_only(self, picture: Picture, frame: Pixels, held: Held | None) -> None:
        features, taught = self._features(frame), None
        if held is not None:
            found = self.probe.predict_one(features)
            right = found == held.label
            self.probe.learn_one(features, held.label)
            self.learner.counters.scored += found is not None
            self.learner.counters.correct += right
            taught = held.label, right
        self._look(picture, frame, features, taught)
        self.board.skipped += self.learning
        self.board.count(picture, learned=False)
        if not self.learning:
            self._freshen_one()

    def _look(self, picture: Picture, frame: Pixels, features: torch.Tensor, taught: tuple[str, bool] | None) -> None:
        if taught is not None:
            label, right = taught
            self.score.take(label, right=right, hold=self.holds)
            self.keeper.store.add(self.examples.add(label, frame, features.clone()))
            self.changes += 1
        score = self.novelty.score(features)
        self.novelty.take(score, picture)
        seen = self._recognised(Seen(picture, frame, self._portrait, novelty=score), features)
        self.board.seen = {**self.board.seen, picture.source: seen}
        if self.board.watched and self._is_due("likes"):
            self.board.put("likes", self.likes.look(frame))

    def _recognised(self, seen: Seen, features: torch.Tensor) -> Seen:
        """Return what was seen with the prediction of the probe."""
        if not self.probe.classes:
            return replace(seen, label=None, probabilities={})
        likely = {str(label): share for label, share in self.probe.predict_proba_one(features).items()}
        best = max(likely, key=lambda label: likely[label])
        return replace(seen, probabilities=likely, label=best if likely[best] >= self.probe.min_confidence else None)

    def _freshen_one(self) -> None:
        if self.held is None and self.fresh.look_at_one():
            self.learner.probe = self.examples.learned(self.probe)

    def _held_for(self, picture: Picture) -> Held | None:
        self._end_hold()
        held = self.held
        if held is None or not held.covers(picture):
            return None
        return held if len(self.examples) < self.examples.capacity else None

    def _end_hold(self) -> None:
        """Let go of a key whose time is over, whether or not its source shows anything."""
        held = self.held
        if held is not None and (time.monotonic() > held.until or held.label not in self.examples.classes):
            self.held = None

    def _is_to_learn(self, picture: Picture, frame: Pixels, held: Held | None) -> bool:
        if not self.learning:
            return False
        if self.settings.every_frame or picture.sample is not None:
            return True
        return self._gate.passes(picture.source, frame) or held is not None

    def _is_due(self, what: str) -> bool:
        now = time.monotonic()
        if now < self._due[what]:
            return False
        self._due[what] = now + _LOOK_SECONDS[what]
        return True

    def _do_what_is_due(self) -> None:
        self._end_hold()
        self.keeper.keep(self.learner, self.changes)
        if self.board.watched and self._is_due("filters"):
            self.board.put("filters", self.filters.look())
        if self.board.watched and self._is_due("slow"):
            self.board.slow = self._tell(self)


class _Watch(hs.Callback):
    def __init__(self, session: Session) -> None:
        self._session = session

    def on_step(self, learner: hs.Learner, step: hs.Step) -> None:  # noqa: ARG002  # the session has it
        self._session.taken(step)
