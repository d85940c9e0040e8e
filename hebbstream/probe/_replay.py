"""`Replay`: a bounded memory of labelled frames, from which a probe learns again as the network changes."""

import sys
from collections.abc import Hashable
from itertools import islice
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from hebbstream._numbers import as_index, check_number, checked_seed, quantity
from hebbstream._quote import quote
from hebbstream._turns import in_turn
from hebbstream.errors import ConfigurationError, InputError, LabelError
from hebbstream.probe._inputs import checked_label
from hebbstream.probe._labels import decode_labels, encode_label
from hebbstream.probe._state import OfOneTime, fitting, kind, ordinary, shown

_OPTIONS = ("capacity", "per_sample", "weight", "every_samples", "seed")


class Replay(OfOneTime):
    """Keeps labelled frames, equally many of each class, for a probe to learn from again.

    While the network learns, a probe remembers features that no longer exist. With a replay, the network computes the
    features of old frames anew, and the probe learns from those. So it still knows classes that the stream has left
    behind. The network itself learns from new frames only.

    Until it is full, it keeps every labelled frame. Then a new frame replaces a random one of the largest class. Within
    the largest class, every frame that came is as likely to be kept as any other (class-balancing reservoir sampling,
    Chrysakis and Moens 2020).

    Parameters
    ----------
    capacity
        Frames to keep. They lie in host memory, as they came: a colour frame of 32 × 32 pixels takes 3,072 bytes.
    per_sample
        Frames to look at again for each new labelled one; each costs a forward pass and a step of the probe.
    weight
        How much each of them counts when the probe learns; a new one counts 1.
    every_samples
        Do this once after so many labelled frames, for all of them: the more, the faster.
    seed
        Seed of what is kept and drawn.

    Examples
    --------
    >>> memory = Replay(capacity=4)
    >>> for label in "aaaaaaaabb":
    ...     memory.add(torch.rand(3, 8, 8), label)
    >>> len(memory), memory.count("a"), memory.count("b")
    (4, 2, 2)
    >>> memory
    Replay(capacity=4, frames=4, classes=2)
    """

    def __init__(
        self,
        capacity: int = 10_000,
        *,
        per_sample: int = 3,
        weight: float = 1 / 3,
        every_samples: int = 32,
        seed: int = 0,
    ) -> None:
        for name, value in (("capacity", capacity), ("per_sample", per_sample), ("every_samples", every_samples)):
            check_number(name, value)
        if not 0 < quantity(weight) <= sys.float_info.max:
            raise ConfigurationError(f"weight={quote(weight)}: expected a positive number")
        super().__init__()
        self.capacity, self.per_sample, self.every_samples, self.seed = capacity, per_sample, every_samples, seed
        self.weight = float(weight)
        self.waiting = 0
        """Labelled frames since the last replay."""
        # Its first rows are the frames. As thousands of small tensors they pinned the heap between the network's large
        # ones: with 20,000 of 3 kB it grew to 2.8 GB, nine tenths of it free.
        self._frames = torch.empty(0, dtype=torch.uint8, device="cpu")
        self._labels: list[Hashable] = []  # of each frame
        self._arrived: list[int] = []  # numbers in the order in which they came
        self._places: dict[Hashable, list[int]] = {}  # of the frames of each class
        self._came: dict[Hashable, int] = {}  # frames of each class so far
        self._full: set[Hashable] = set()  # classes that have had most, since it was full
        self._random = np.random.default_rng(checked_seed(seed))

    def __repr__(self) -> str:
        return shown(self, Replay(), frames=len(self), classes=len(self._came))

    def __len__(self) -> int:
        """Return how many frames are kept."""
        return len(self._labels)

    def count(self, label: Hashable) -> int:
        """Return how many frames of a class are kept."""
        return len(self._places.get(label, ()))

    @property
    @in_turn
    def came(self) -> dict[Hashable, int]:
        """How many labelled frames of each class have come, kept or not."""
        return dict(self._came)

    @in_turn
    def kept(self) -> tuple[Tensor, list[Hashable]]:
        """Return all frames in the order in which they came, one more axis in front, and their labels."""
        places = sorted(range(len(self)), key=self._arrived.__getitem__)
        return self._frames[places], [self._labels[place] for place in places]

    @in_turn
    def add(self, frame: Tensor, label: Hashable) -> None:
        """Take in a frame, of the shape and dtype of all others; it is copied.

        Raises
        ------
        InputError
            If it has another shape or dtype than those kept.
        LabelError
            If the label is ``None`` or not hashable.
        """
        label = checked_label(label)
        if not isinstance(frame, Tensor) or frame.is_meta or frame.layout != torch.strided or frame.is_nested:
            raise InputError(f"frame of type {type(frame).__name__}: expected a dense tensor that holds values")
        if len(self) and (frame.shape, frame.dtype) != (self._frames.shape[1:], self._frames.dtype):
            raise InputError(
                f"frame of {kind(frame)}: expected {kind(self._frames[0])}, as those kept for replay, or another replay"
                " (--replay 0 drops what is kept)"
            )
        came, own, frame = self._came.get(label, 0) + 1, self._places.get(label, []), frame.detach()
        room = self._place_for(label, came)
        if room is not None:
            place, holders, index = room
            arrived = max(self._arrived, default=-1) + 1
            self._make_room(place + 1, frame)
            # Python answers Ctrl-C at calls. There are none from here on, so that no place is lost.
            self._frames[place] = frame
            self._labels[place : place + 1] = [label]
            self._arrived[place : place + 1] = [arrived]
            del holders[index : index + 1]
            own += [place]
            self._places[label] = own
        self._came[label] = came
        self.waiting += 1

    @in_turn
    def draw(self, number: int) -> tuple[Tensor, list[Hashable]]:
        """Return so many frames at random, one more axis in front, and their labels; one may come twice.

        Raises
        ------
        ConfigurationError
            If there is none yet, or `number` is no integer of at least 0.
        """
        if as_index(number) < 0:
            raise ConfigurationError(f"number={quote(number)}: expected an integer of at least 0")
        if not len(self):
            raise ConfigurationError("replay without a labelled frame: expected one that was added")
        places = self._random.integers(len(self), size=number).tolist()
        return self._frames[places], [self._labels[place] for place in places]

    @in_turn
    @ordinary
    def forget(self, label: Hashable) -> None:
        """Drop the frames of a class, so that a probe that is to `forget` it, too, does not learn it again.

        Raises
        ------
        LabelError
            If no frame of it has come.
        """
        label = self._known(label)
        del self._came[label]
        self._full.discard(label)
        gone = set(self._places.pop(label, ()))
        left = [place for place in range(len(self)) if place not in gone]
        moved = {place: index for index, place in enumerate(left)}
        self._frames = self._frames[left]
        self._labels = [self._labels[place] for place in left]
        self._arrived = [self._arrived[place] for place in left]
        self._places = {name: [moved[place] for place in places] for name, places in self._places.items()}

    @in_turn
    def rename(self, label: Hashable, to: Hashable) -> None:
        """Call a class something else, as the probe's `rename` does; where there is one of that name, the two become one.

        Raises
        ------
        LabelError
            If no frame of it has come.

        Examples
        --------
        >>> memory = Replay()
        >>> for label in ("left", "right", "rihgt"):
        ...     memory.add(torch.rand(3, 8, 8), label)
        >>> memory.rename("rihgt", "right")
        >>> memory.came
        {'left': 1, 'right': 2}
        """
        label, to = self._known(label), checked_label(to)
        came: dict[Hashable, int] = {}
        places: dict[Hashable, list[int]] = {}
        for name, count in self._came.items():
            called = to if name == label else name
            came[called] = came.get(called, 0) + count
            places[called] = places.get(called, []) + self._places.get(name, [])
        # Two that became one are more than their share: until they are as many as the others, these grow.
        most = max(map(len, places.values()))
        full = {called for name in self._full if len(places[called := to if name == label else name]) == most}
        labels = [to if name == label else name for name in self._labels]
        self._came, self._places, self._full, self._labels = came, places, full, labels  # all, or with Ctrl-C none

    def options(self) -> dict[str, float]:
        """Return the arguments that this was made with."""
        return {name: getattr(self, name) for name in _OPTIONS}

    @property
    def classes(self) -> list[Hashable]:
        """The labels that have come, in the order of their first appearance."""
        return list(self._came)

    @in_turn
    def state_dict(self) -> dict[str, Any]:
        """Return everything that `from_state` needs, as terms that JSON knows and, under ``"tensors"``, tensors by name.

        The frames are its own, not copies, and there are none before the first one.

        Raises
        ------
        LabelError
            If a label is not a str, int, float or bool.
        """
        places = [place for label in self._came for place in self._places.get(label, ())]
        numbers = {"places": places, "arrived": self._arrived}
        tensors = {name: torch.tensor(values, dtype=torch.int64, device="cpu") for name, values in numbers.items()}
        tensors["frames"] = self._frames[: len(self)]
        return {
            "options": self.options(),
            "classes": [encode_label(label) for label in self._came],
            "waiting": self.waiting,
            "came": list(self._came.values()),
            "kept": [self.count(label) for label in self._came],
            "full": [label in self._full for label in self._came],
            "random": self._random.bit_generator.state,
            "tensors": tensors if places else {},
        }

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the frames that are kept, and where: its own, not copies."""
        tensors: dict[str, torch.Tensor] = self.state_dict()["tensors"]
        return tensors

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Return a memory that goes on where the one that gave its `state_dict` was, with copies of its tensors.

        Raises
        ------
        ValueError
            If the state does not fit together; the message says what of it.
        """
        with fitting("replay"):
            options = state["options"]
            # Earlier ones took no seed for one; chance goes on as it was anyway.
            replay = cls(**(options | {"seed": 0} if options["seed"] is None else options))
            replay._load(state)
            return replay

    @ordinary
    def _load(self, state: dict[str, Any]) -> None:
        classes, kept, came = decode_labels(state["classes"]), state["kept"], state["came"]
        places: list[int] = []
        if state["tensors"]:
            # The file that they may be mapped from can change.
            self._frames = state["tensors"]["frames"].detach().to("cpu", copy=True)
            places = state["tensors"]["places"].tolist()
        frames = len(self._frames)
        if sorted(places) != list(range(frames)) or frames > self.capacity or sum(kept) != frames:
            raise ValueError(f"{frames} frames: expected a place for each, and at most {self.capacity}")
        if any(map(int.__lt__, came, kept)):
            raise ValueError(f"{kept} frames of the classes: expected at most the {came} that came")
        # Earlier files do not have it; there, frames lie as they came until it was full.
        self._arrived = state["tensors"]["arrived"].tolist() if "arrived" in state["tensors"] else list(range(frames))
        if len(self._arrived) != frames:
            raise ValueError(f"{len(self._arrived)} numbers of arrival: expected one for each of {frames} frames")
        self.waiting = int(state["waiting"])
        self._came = dict(zip(classes, came, strict=True))
        self._full = {label for label, had_most in zip(classes, state["full"], strict=True) if had_most}
        rest = iter(places)
        self._places = {label: list(islice(rest, number)) for label, number in zip(classes, kept, strict=True)}
        of_place = {place: label for label, of_class in self._places.items() for place in of_class}
        self._labels = [of_place[place] for place in range(frames)]
        self._random.bit_generator.state = state["random"]

    @ordinary
    def _make_room(self, frames: int, like: Tensor) -> None:
        if frames > len(self._frames) or not len(self):  # the latter of a first frame that an interrupt kept out, too
            wider = torch.empty(min(2 * frames, self.capacity), *like.shape, dtype=like.dtype, device="cpu")
            if len(self):
                wider[: len(self)] = self._frames[: len(self)]
            self._frames = wider

    def _known(self, label: Hashable) -> Hashable:
        label = checked_label(label)
        if label not in self._came:
            raise LabelError(f"label {label!r}: expected one of the {len(self._came)} classes that have come")
        return label

    def _place_for(self, label: Hashable, came: int) -> tuple[int, list[int], int] | None:
        """Find a place for a frame of a class, of which so many came, and where in whose places it is; ``None`` for none."""
        if len(self) < self.capacity:
            return len(self), [], 0
        most = max(map(len, self._places.values()))
        self._full |= {name for name, places in self._places.items() if len(places) == most}
        leaving = label
        if label in self._full:
            if self._random.random() * came >= self.count(label):
                return None
        else:
            largest = [name for name, places in self._places.items() if len(places) == most]
            leaving = largest[self._random.integers(len(largest))]
        places = self._places[leaving]
        index = int(self._random.integers(len(places)))
        return places[index], places, index
