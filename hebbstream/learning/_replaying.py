"""`Remembering` and `Replaying`: the probe of a run learns again from frames of the past."""

from typing import TYPE_CHECKING

from hebbstream.learning._callback import Callback
from hebbstream.probe import Replay
from hebbstream.probe._solvers import as_online_probe
from hebbstream.streams._sample import Sample

if TYPE_CHECKING:
    from hebbstream.learning._learner import Learner


class Remembering(Callback):
    """Puts labelled frames into a replay. It comes last: what another callback refuses is not kept.

    Parameters
    ----------
    replay
        Where they go.
    """

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def on_sample(self, learner: "Learner", sample: Sample) -> None:
        """Keep a labelled frame."""
        if sample.y is not None:
            self._replay.add(learner.net.checked(sample.x, single=True).squeeze(0), sample.y)


class Replaying(Callback):
    """Lets the probe learn from some of a replay whenever enough frames have come. It comes first: others see what it did.

    Parameters
    ----------
    replay
        Which says how many are enough.
    """

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def on_start(self, learner: "Learner") -> None:
        """Note where the run begins: one that learns nothing changes nothing."""
        self._began_at = learner.counters.position

    def samples_left(self, position: int) -> int:  # noqa: ARG002  # labelled samples count, not all
        """At least as many samples as labelled ones are missing."""
        return self._replay.every_samples - self._replay.waiting

    def is_due(self, position: int) -> bool:  # noqa: ARG002
        """Whether enough have come, of which any is left: a class may be forgotten meanwhile."""
        return self._replay.waiting >= self._replay.every_samples and len(self._replay) > 0

    def on_pause(self, learner: "Learner") -> None:
        """Let the probe learn from frames of the past, as the network sees them by now."""
        replay, probe = self._replay, as_online_probe(learner.probe, "replay")
        assert probe is not None  # noqa: S101  # the learner has looked
        frames, labels = replay.draw(replay.per_sample * replay.every_samples)
        for start in range(0, len(labels), replay.every_samples):
            part = slice(start, start + replay.every_samples)
            probe.learn_many(learner.net.transform_many(frames[part]), labels[part], replay.weight)
        replay.waiting = 0

    def on_end(self, learner: "Learner") -> None:
        """Catch up, where an error ended the run at the sample after which this was due."""
        position = learner.counters.position
        if position > self._began_at and learner.is_whole and self.is_due(position):
            self.on_pause(learner)
