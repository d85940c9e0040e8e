"""`Counters`: how far a run has come."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """How far a run has come.

    Parameters
    ----------
    position
        Samples learned.
    scored
        Labelled samples that a probe predicted before learning from them.
    correct
        How many of those predictions were right.
    """

    position: int = 0
    scored: int = 0
    correct: int = 0
