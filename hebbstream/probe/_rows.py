"""`LabelledRows`: the classes of what is learned, each with a row of its own: they come, go, and change their names."""

import logging
from collections.abc import Hashable, Iterable
from typing import Any, ClassVar

from hebbstream._turns import in_turn
from hebbstream.errors import ConfigurationError, LabelError
from hebbstream.probe._inputs import checked_label
from hebbstream.probe._tensors import LearnedTensors

_log = logging.getLogger("hebbstream.probe")
_MANY = 50  # classes: if so many are numbers, some of them fractions, they measure something


class LabelledRows(LearnedTensors):
    """Knows which row is which class's."""

    solver: ClassVar[str]
    """Name of the method."""
    classes: list[Hashable]
    """Labels in the order of their first appearance, which is the order of all that has a row for each class."""
    _row: dict[Hashable, int]
    _told = False

    @in_turn
    def forget(self, label: Hashable) -> None:
        """Remove a class: it is predicted no more, and learned from its beginning if its label comes again.

        A `Replay` that keeps frames of it teaches it again, unless it is told to `Replay.forget` it, too.

        Raises
        ------
        LabelError
            If there is no such class.
        """
        row = self._known(label)
        self._remove_row(row)
        del self.classes[row]
        self._renumber()

    @in_turn
    def rename(self, label: Hashable, to: Hashable) -> None:
        """Call a class something else; where there is one of that name, the two become one.

        A `Replay` that keeps frames of it teaches the old name again, unless it is told to `Replay.rename` it, too.

        Raises
        ------
        LabelError
            If there is no such class.
        ConfigurationError
            If the two were to become one, and this probe keeps no sums of its classes; then nothing changes.

        Examples
        --------
        >>> import hebbstream as hs
        >>> probe = hs.RidgeProbe()
        >>> for x, label in (([1.0, 0.0], "left"), ([0.0, 1.0], "right"), ([0.1, 0.9], "rihgt")):
        ...     probe.learn_one(x, label)
        >>> probe.rename("rihgt", "right")
        >>> probe.classes
        ['left', 'right']
        """
        row, to = self._known(label), checked_label(to)
        into = self._row.get(to, row)
        if into == row:
            self.classes[row] = to
        else:
            self._merge_rows(row, into)
            del self.classes[row]
        self._renumber()

    def _merge_rows(self, row: int, into: int) -> None:  # noqa: ARG002  # those that can take them
        raise ConfigurationError(f"solver={self.solver!r}: expected ridge or slda, whose classes can become one")

    def _row_of(self, label: Hashable) -> int:
        if label not in self._row:
            self._add_row()
            self._tell_if_alike(label)
            self._row[label] = len(self.classes)
            self.classes.append(label)
            self._tell_if_measured()
        return self._row[label]

    def _tell_if_alike(self, label: Hashable) -> None:
        other = _in_other_type(label)
        if not self._told and other in self._row:
            self._told = True
            _log.warning(
                "label %r is another class than %r: labels of CSV files are text, those of other files may be numbers",
                label,
                self.classes[self._row[other]],
            )

    def _tell_if_measured(self) -> None:
        if len(self.classes) == _MANY and _are_measured(self.classes):
            _log.warning(
                "%d labels so far are numbers, such as %r, and each is a class of its own: to predict a number, use"
                " LinearRegressorProbe of hebbstream.adapters.river",
                *(_MANY, self.classes[-1]),
            )

    def _keep(self, count: int) -> None:
        """Drop all but the first so many classes, and what is left of one that was only begun."""
        self._cut_rows(count)
        del self.classes[count:]
        self._renumber()

    def _known(self, label: Hashable) -> int:
        label = checked_label(label)
        if label not in self._row:
            raise LabelError(f"label {label!r}: expected one of the {len(self.classes)} classes learned")
        return self._row[label]

    def _renumber(self) -> None:
        self._row = {name: index for index, name in enumerate(self.classes)}


def _are_measured(labels: Iterable[Any]) -> bool:
    """Whether all labels are numbers, or their text, and some of them fractions.

    Examples
    --------
    >>> _are_measured(["20.5", "21"]), _are_measured(["1", 2.0]), _are_measured(["20.5", "warm"])
    (True, False, False)
    """
    try:
        numbers = [float(label) for label in labels]
    except (TypeError, ValueError, OverflowError):
        return False
    return not all(map(float.is_integer, numbers))


def _in_other_type(label: Hashable) -> Hashable:
    """Return a label's text, or what its text stands for.

    Examples
    --------
    >>> _in_other_type(1), _in_other_type("1"), _in_other_type("True"), _in_other_type("up")
    ('1', 1.0, True, None)
    """
    if not isinstance(label, str):
        return str(label)
    try:
        return float(label)
    except ValueError:
        return {"True": True, "False": False}.get(label)
