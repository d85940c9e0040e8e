"""`Score`: how often the probe was right about what it was then taught, and whether that is enough."""

from collections import deque
from typing import Any

_WINDOW = 40  # latest taught frames of a class
_CURVE = 240
_SURE = 0.95
_LEAST_HOLDS = 2  # the frames of one hold are all alike: a second one shows whether the class is known


class Score:
    """Takes in, for each taught frame, whether it was recognised before it was learned.

    Examples
    --------
    >>> score = Score()
    >>> for hold in range(2):
    ...     for label in ("cup", "book"):
    ...         for _ in range(20):
    ...             score.take(label, right=True, hold=hold)
    >>> score.verdict(["cup", "book"])["enough"]
    True
    """

    def __init__(self) -> None:
        self._recent: dict[str, deque[bool]] = {}
        self._holds: dict[str, set[int]] = {}
        self._all: deque[bool] = deque(maxlen=_WINDOW)
        self._curve: deque[int] = deque(maxlen=_CURVE)

    def take(self, label: str, *, right: bool, hold: int) -> None:
        """Take in a frame; `hold` tells which press of the key it came from."""
        self._recent.setdefault(label, deque(maxlen=_WINDOW)).append(right)
        self._holds.setdefault(label, set()).add(hold)
        self._all.append(right)
        self._curve.append(round(100 * sum(self._all) / len(self._all)))

    def drop(self, label: str) -> None:
        """Forget what is known of a class."""
        self._recent.pop(label, None)
        self._holds.pop(label, None)

    def rename(self, label: str, to: str) -> None:
        """Give what is known of a class to another name."""
        if label in self._recent and to not in self._recent:
            self._recent[to], self._holds[to] = self._recent[label], self._holds[label]
        self.drop(label)

    @property
    def curve(self) -> list[int]:
        """Percent right of the latest frames, after each of the last that were taught."""
        return list(self._curve)

    def of(self, label: str) -> float | None:
        """Share right of a class's latest frames."""
        recent = self._recent.get(label)
        return sum(recent) / len(recent) if recent else None

    def verdict(self, classes: list[str]) -> dict[str, Any]:
        """Say whether enough was taught, and else what to do next."""
        if len(classes) < 2:
            return _no("Add two classes, then hold the button of each while you show it.")
        untaught = [name for name in classes if self.of(name) is None]
        if untaught:
            return _no(f"Not yet: show {untaught[0]} and hold its button.")
        once = [name for name in classes if len(self._holds[name]) < _LEAST_HOLDS]
        if once:
            return _no(f"Not yet: show {once[0]} a second time, from another side. That tests it, too.")
        shares = {name: self.of(name) or 0.0 for name in classes}
        worst = min(shares, key=lambda name: shares[name])
        if shares[worst] < _SURE:
            return _no(
                f"Not yet: of the last frames of {worst}, {100 * shares[worst]:.0f} % were recognised before it learned them."
            )
        known = f"{100 * shares[worst]:.0f} %"
        return {
            "enough": True,
            "text": f"Enough: of each class, at least {known} of frames were recognised before they were learned.",
        }


def _no(text: str) -> dict[str, Any]:
    return {"enough": False, "text": text}
