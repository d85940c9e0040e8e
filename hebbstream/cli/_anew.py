"""`FirstCheckpoint`: saves a run that starts anew."""

import os
from pathlib import Path

import hebbstream as hs
from hebbstream.learning._generations import set_aside


class FirstCheckpoint(hs.Checkpoint):
    """A `Checkpoint` that does not write over an earlier run's, but sets it aside as it saves for the first time.

    Whatever keeps the new run from learning leaves the earlier one where ``--resume`` finds it. Where torchrun may start the
    run again, only what keeps it from starting does.

    Attributes
    ----------
    aside : Path or None
        Where the earlier one is now.
    """

    aside: Path | None = None

    def on_start(self, learner: hs.Learner) -> None:
        """Set it aside now where, started again before its first save, this run would go on from the earlier one's."""
        super().on_start(learner)
        if os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0") != "0":
            self.aside = set_aside(self.path)
            if self.aside is not None:
                self.path.unlink()

    def _make_room(self) -> None:
        if self._saved_at:
            super()._make_room()
        elif self.aside is None:
            self.aside = set_aside(self.path)
