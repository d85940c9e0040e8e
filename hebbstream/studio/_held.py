"""`Held`: a class whose key is held."""

from dataclasses import dataclass

from hebbstream.studio._picture import Picture


@dataclass(frozen=True, slots=True)
class Held:
    """A class whose key is held: the frames that a source takes meanwhile are its examples.

    Parameters
    ----------
    label
        The class.
    source
        Number of the source.
    since, until
        By `time.monotonic`.
    number
        Tells one press of the key from the next.
    """

    label: str
    source: int
    since: float
    until: float
    number: int

    def covers(self, picture: Picture) -> bool:
        """Whether a picture is of the source, and was taken since the key went down."""
        return picture.source == self.source and picture.captured >= self.since
