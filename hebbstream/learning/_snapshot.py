"""`Snapshot`: a copy of the network that stands still, to predict with while the network learns on."""

import copy
import math
from collections import Counter
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from hebbstream._numbers import quantity
from hebbstream._quote import quote
from hebbstream.errors import ConfigurationError
from hebbstream.learning._callback import Callback, Step
from hebbstream.network import SoftHebbNet
from hebbstream.probe import OnlineProbe, Replay
from hebbstream.probe._solvers import as_online_probe

if TYPE_CHECKING:
    from hebbstream.learning._learner import Learner

_FIRST = 32  # labels, before which a probe would know next to nothing
_NEWS = 10  # labels of a class that the copy does not know
_AT_ONCE = 32  # frames of a forward pass


class Snapshot(Callback):
    """Predicts while a learner learns: it has a copy of the network that does not change, and its own probe.

    A probe that learns along remembers features that the network no longer makes. These two fit together: whenever labels
    have grown enough, the network is copied, and a new probe learns the frames of the replay as the copy sees them
    (`Learner.refit_probe`). That takes a forward pass of each. In between nothing changes: what has just been taught is known from the
    next copy on. A new class is reason for one, soon after it has ten labels.

    With a `probe` of its own, it also learns each label as it comes, as the copy sees the frame: another forward pass.

    Parameters
    ----------
    growth
        Make the next copy when there are so many times as many labels.
    probe
        That has learned nothing. With each copy another one like it learns the kept frames, and then each label. Take one that
        keeps sums, such as `SldaProbe`: gradients follow the last labels.

    Attributes
    ----------
    taken : int
        Copies so far.

    Raises
    ------
    ConfigurationError
        If `growth` is not above 1, or `probe` is no probe or has learned something; before the first sample, if the learner has no
        replay.

    Examples
    --------
    >>> import torch
    >>> import hebbstream as hs
    >>> snapshot = Snapshot()
    >>> net, frames = hs.SoftHebbNet.from_preset("mnist", width=4), torch.rand(40, 28, 28).numpy()
    >>> learner = hs.Learner(net, hs.SoftmaxProbe(), replay=hs.Replay(), callbacks=[snapshot])
    >>> snapshot.predict_one(frames[0]) is None
    True
    >>> report = learner.learn(((frame, index % 2) for index, frame in enumerate(frames)), progress=False)
    >>> snapshot.taken, snapshot.predict_one(frames[0])
    (1, 0)
    """

    def __init__(self, *, growth: float = 1.25, probe: OnlineProbe | None = None) -> None:
        if not 1 < quantity(growth) < math.inf:
            raise ConfigurationError(f"growth={quote(growth)}: expected a number above 1")
        self.growth = float(growth)
        self._new = as_online_probe(probe, "Snapshot")
        if self._new is not None and self._new.steps:
            raise ConfigurationError(
                f"Snapshot with a probe of {self._new.steps} labels: expected one that has learned nothing"
            )
        self.taken = 0
        self._held: tuple[SoftHebbNet, OnlineProbe] | None = None  # in one piece: another thread may predict
        self._replay = Replay()  # the learner's, from its first run on
        self._known: Counter[Hashable] = Counter()  # labels that each class had then

    @property
    def net(self) -> SoftHebbNet | None:
        """The copy; ``None`` before the first."""
        return self._held[0] if self._held else None

    @property
    def probe(self) -> OnlineProbe | None:
        """The probe of its features; ``None`` before the first."""
        return self._held[1] if self._held else None

    def predict_one(self, frame: Any) -> Hashable | None:
        """Return the likeliest class of a frame; ``None`` before the first copy.

        Raises
        ------
        InputError
            If the network refuses the frame.
        """
        held = self._held
        return None if held is None else held[1].predict_one(held[0].transform_one(frame))

    def predict_proba_one(self, frame: Any) -> dict[Hashable, float]:
        """Return how likely each class is; empty before the first copy.

        Raises
        ------
        InputError
            If the network refuses the frame.
        """
        held = self._held
        return {} if held is None else held[1].predict_proba_one(held[0].transform_one(frame))

    def on_start(self, learner: "Learner") -> None:
        """Take one of what was learned before, as of a run that is resumed."""
        if learner.replay is None:
            raise ConfigurationError("a snapshot without a replay: expected Learner(…, replay=Replay())")
        self._replay = learner.replay
        if self._held is None and self.is_due(learner.counters.position):
            self.on_pause(learner)

    def samples_left(self, position: int) -> int:  # noqa: ARG002  # labels count, not samples
        """As many samples, at least, as labels are missing."""
        return self._missing()

    def is_due(self, position: int) -> bool:  # noqa: ARG002
        """Whether there are labels enough."""
        return self._missing() <= 0

    def on_step(self, learner: "Learner", step: Step) -> None:  # noqa: ARG002
        """Let a probe of its own learn the label."""
        if self._held is not None and self._new is not None and step.sample.y is not None:
            net, probe = self._held
            probe.learn_one(net.transform_one(step.sample.x), step.sample.y)

    def on_pause(self, learner: "Learner") -> None:
        """Copy the network, and fit a probe to it."""
        fitted = learner.refit_probe(progress=False) if self._new is None else self._new
        if fitted is not None:
            net, probe = copy.deepcopy((learner.net, fitted))  # where labels are many, it may be the learner's own
            if self._new is not None:
                frames, labels = self._replay.kept()
                for start in range(0, len(labels), _AT_ONCE):
                    part = slice(start, start + _AT_ONCE)
                    probe.learn_many(net.transform_many(frames[part]), labels[part])
            self._held = net, probe
            self._known = Counter(self._replay.came)
            self.taken += 1

    def _missing(self) -> int:
        """Return how many labels there must be until the next copy, at least."""
        came = self._replay.came
        grown = max(_FIRST, int(self._known.total() * self.growth) + 1) - sum(came.values())
        news = [_NEWS - came[label] for label in came if self._known and label not in self._known]
        return min([grown, *news])

    def __repr__(self) -> str:
        probe = "" if self._new is None else f", probe={self._new!r}"
        return f"Snapshot(growth={self.growth:g}{probe}, taken={self.taken})"
