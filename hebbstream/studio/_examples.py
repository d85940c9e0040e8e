"""`Examples`: what was taught, kept so that any of it can be taken back exactly."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unicodedata import category

from torch import Tensor

from hebbstream.errors import ConfigurationError, LabelError
from hebbstream.probe import OnlineProbe
from hebbstream.probe._labels import decode_labels
from hebbstream.probe._solvers import probe_from_state
from hebbstream.studio._picture import Pixels

MOST_CLASSES = 60
_LONGEST_NAME = 40
_CONTROLS = {"Cc", "Cs", "Zl", "Zp"}  # of Unicode; what joins an emoji is none of them


@dataclass(slots=True)
class Example:
    """A frame that was taught.

    Parameters
    ----------
    number
        Tells it from the others; later ones have greater numbers.
    label
        Its class.
    frame
        As the network sees it, uint8.
    features
        That the probe learned.
    """

    number: int
    label: str
    frame: Pixels
    features: Tensor


class Examples:
    """The classes, and the frames taught of them, in the order in which they were taught.

    The probe is at every time what a new one would be, or the one that came with a checkpoint, taught the kept examples
    one after another. So whatever is taken
    back leaves, bit for bit, the probe that never saw it: sums of floating-point numbers do not subtract exactly, and a
    probe that centres its features on the first one keeps that in all its sums.

    Parameters
    ----------
    capacity
        Most examples kept.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from hebbstream.probe import RidgeProbe
    >>> examples, frame = Examples(), np.zeros((2, 2, 3), np.uint8)
    >>> for value, label in ((0.1, "cup"), (0.7, "book"), (0.2, "cup")):
    ...     _ = examples.add(label, frame, torch.tensor([value, 1.0]))
    >>> examples.remove([1])
    >>> examples.counts(), examples.learned(RidgeProbe()).steps
    ({'cup': 1, 'book': 1}, 2)
    """

    def __init__(self, capacity: int = 4000) -> None:
        self.capacity = capacity
        self.classes: list[str] = []
        """In the order of their keys."""
        self.base: dict[str, Any] | None = None
        """State of the probe before the first of them, where it came with a checkpoint."""
        self._kept: dict[int, Example] = {}
        self._next = 1

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Example]:
        return iter(list(self._kept.values()))

    def get(self, number: int) -> Example | None:
        """Return an example by its number."""
        return self._kept.get(number)

    def counts(self) -> dict[str, int]:
        """Return how many examples each class has."""
        counts = dict.fromkeys(self.classes, 0)
        for example in self:
            counts[example.label] += 1
        return counts

    def check_room(self) -> None:
        """Refuse another one where there are as many as may be.

        Raises
        ------
        ConfigurationError
            If there is no room.
        """
        if len(self) >= self.capacity:
            raise ConfigurationError(f"{len(self):,} examples are kept: expected less than that; remove some first")

    def add(self, label: str, frame: Pixels, features: Tensor, number: int | None = None) -> Example:
        """Keep an example; `number` is that of one from a file."""
        if label not in self.classes:
            self.add_class(label)
        number = self._next if number is None else number
        example = Example(number, label, frame, features)
        self._kept[number] = example
        self._next = max(self._next, number + 1)
        return example

    def remove(self, numbers: list[int]) -> None:
        """Drop examples.

        Raises
        ------
        LabelError
            If there is none of such a number; nothing is dropped then.
        """
        for number in numbers:
            if number not in self._kept:
                raise LabelError(f"example {number}: expected the number of one that is kept")
        for number in set(numbers):
            del self._kept[number]

    def add_class(self, name: Any) -> str:
        """Make a class, and return its name.

        Raises
        ------
        LabelError
            If the name cannot be used, or there is one of it.
        """
        checked = checked_name(name)
        if checked in self.classes:
            raise LabelError(f"class {checked!r} is there already: expected a new name")
        if len(self.classes) >= MOST_CLASSES:
            raise LabelError(f"class {checked!r}: expected at most {MOST_CLASSES} classes")
        self.classes.append(checked)
        return checked

    def rename(self, name: str, to: Any) -> None:
        """Call a class something else; where there is one of that name, the two become one.

        Raises
        ------
        LabelError
            If there is no such class, or the new name cannot be used.
        ConfigurationError
            If both came with a checkpoint whose probe cannot make them one: what was taught of them is not here.
        """
        self.check_class(name)
        to = checked_name(to)
        if to == name:
            return
        self._change_base(name, lambda base: base.rename(name, to))
        if to in self.classes:
            self.classes.remove(name)
        else:
            self.classes[self.classes.index(name)] = to
        for example in self:
            if example.label == name:
                example.label = to

    def forget(self, name: str) -> None:
        """Drop a class with all that was taught of it.

        Raises
        ------
        LabelError
            If there is no such class.
        """
        self.check_class(name)
        self._change_base(name, lambda base: base.forget(name))
        self.classes.remove(name)
        self.remove([example.number for example in self if example.label == name])

    def _change_base(self, name: str, change: Callable[[OnlineProbe], None]) -> None:
        if self.base is not None and name in decode_labels(self.base["classes"]):
            base = probe_from_state(self.base)
            change(base)
            self.base = base.state_dict()

    def check_class(self, name: Any) -> None:
        """Refuse the name of a class that is not there."""
        if name not in self.classes:
            raise LabelError(f"class {name!r}: expected one of {', '.join(map(repr, self.classes)) or 'none so far'}")

    def learned(self, probe: OnlineProbe) -> OnlineProbe:
        """Return a new probe of the same kind, with the same options, taught all that is kept."""
        fresh = type(probe)(**probe.options()) if self.base is None else probe_from_state(self.base)
        fresh.min_confidence = probe.min_confidence
        for example in self:
            fresh.learn_one(example.features, example.label)
        return fresh


def checked_name(name: Any) -> str:
    """Return a class's name without spaces around it.

    Raises
    ------
    LabelError
        If it is no text, empty, too long, or has control characters in it.

    Examples
    --------
    >>> checked_name(" cup ")
    'cup'
    """
    text = name.strip() if isinstance(name, str) else ""
    if not 0 < len(text) <= _LONGEST_NAME or any(category(letter) in _CONTROLS for letter in text):
        raise LabelError(
            f"class {name!r}: expected a name of 1 to {_LONGEST_NAME} characters, without control characters"
        )
    return text
