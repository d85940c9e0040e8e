"""`Shots`: what viewers are shown, as JPEG: compressed once for all of them, and only when one of them asks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hebbstream.studio._board import Board
from hebbstream.studio._picture import Draw, jpeg
from hebbstream.studio._source import Source

INTERVAL = 1 / 12
"""Seconds between two pictures."""
SIZES = ((480, 75), (256, 65), (160, 50))
"""Width and quality, for quick viewers and for slower ones."""
_ASIDE = 160  # width of the pictures of sources that are not looked at
_SEEN, _LIKES = (192, 92), (640, 80)


@dataclass(frozen=True, slots=True)
class Shot:
    """A compressed picture.

    Parameters
    ----------
    number
        Tells it from the others of its kind; later ones have greater numbers.
    captured
        When the picture came in, by `time.monotonic`.
    data
        JPEG.
    turn
        In which it was compressed.
    """

    number: int
    captured: float
    data: bytes
    turn: int


class Shots:
    """Compresses pictures of the sources and of the board, each once.

    Parameters
    ----------
    board, sources
        Where the newest are.
    """

    def __init__(self, board: Board, sources: Sequence[Source]) -> None:
        self.board, self.sources = board, sources
        self._made: dict[tuple[str, int, int], Shot] = {}
        self._turn = 0

    def begin(self) -> None:
        """Begin a turn, in which every viewer is given the same pictures, whatever comes meanwhile."""
        self._turn += 1

    def picture(self, source: Source, level: int, *, aside: bool) -> Shot | None:
        """Return a source's newest picture; `level` is an index into `SIZES`."""
        picture = source.latest
        if picture is None:
            return None
        width, quality = SIZES[level]
        size = _ASIDE if aside else width, quality
        return self._shot("picture", source.number, picture.number, picture.captured, lambda: picture.pixels, size)

    def seen(self, source: Source) -> Shot | None:
        """Return what the network saw of a source's latest picture."""
        seen = self.board.seen.get(source.number)
        if seen is None:
            return None
        return self._shot("seen", source.number, seen.picture.number, seen.picture.captured, seen.drawn, _SEEN)

    def likes(self, likes: dict[str, Any]) -> Shot:
        """Return the patches that neurons like."""
        return self._shot("likes", 0, likes["number"], 0.0, lambda: likes["pixels"], _LIKES)

    def _shot(self, kind: str, of: int, number: int, captured: float, draw: Draw, size: tuple[int, int]) -> Shot:
        key = kind, of, size[0]
        found = self._made.get(key)
        if found is None or (found.number != number and (found.turn != self._turn or kind == "likes")):
            found = self._made[key] = Shot(number, captured, jpeg(draw(), *size), self._turn)
        return found
