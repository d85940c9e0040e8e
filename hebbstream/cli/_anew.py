"""`FirstCheckpoint`: saves a run that starts anew."""

from pathlib import Path

import hebbstream as hs
from hebbstream.learning._generations import set_aside


class FirstCheckpoint(hs.Checkpoint):
    """A `Checkpoint` that does not write over an earlier run's, but sets it aside as it saves for the first time.

    Whatever keeps the new run from learning leaves the earlier one where ``--resume`` finds it.

    Attributes
    ----------
    aside : Path or None
        Where the earlier one is now.
    """

    aside: Path | None = None

    def _make_room(self) -> None:
        if self._saved_at:
            super()._make_room()
        elif self.aside is None:
            self.aside = set_aside(self.path)
