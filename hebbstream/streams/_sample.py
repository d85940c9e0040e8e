"""`Sample`: one item of a stream."""

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from hebbstream._numbers import quantity
from hebbstream._quote import quote
from hebbstream.errors import InputError, LabelError


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Sample:
    """One frame with what is known about it. Two are equal only if they are the same object.

    Parameters
    ----------
    x
        The frame.
    y
        Its label, or ``None``.
    t
        Its time in the stream, in seconds, or ``None``; recordings one after another make it rise from one to the next.
    source
        Where it came from.
    captured
        When it came in, by `time.monotonic`, of a live source; ``None`` of a recording.
    own_time
        Its time in its own file, in seconds; ``None`` where `t` is all that is known.

    Examples
    --------
    >>> import numpy as np
    >>> Sample(np.zeros((32, 32, 3), dtype=np.uint8), y="cat", t=0.5)
    Sample(x=uint8 (32, 32, 3), y='cat', t=0.5)
    """

    x: Any
    y: Hashable = None
    t: float | None = None
    source: str | None = None
    captured: float | None = None
    own_time: float | None = None

    @classmethod
    def of(cls, item: Any) -> "Sample":
        """Read a stream's item: a `Sample`, a pair ``(x, y)``, or a bare ``x``.

        Raises
        ------
        LabelError
            If the label is not hashable.
        InputError
            If a time of a `Sample` is no number.

        Examples
        --------
        >>> Sample.of(("frame", 3)).y
        3
        """
        pair = isinstance(item, tuple) and len(item) == 2
        sample: Sample = item if isinstance(item, cls) else cls(*item) if pair else cls(item)
        times: dict[str, Any] = {"t": sample.t, "captured": sample.captured}
        for name, seconds in times.items():
            if seconds is not None and not isinstance(seconds, float | int) and math.isnan(quantity(seconds)):
                raise InputError(f"sample with {name}={quote(seconds)}: expected a number of seconds, or None")
        try:
            hash(sample.y)
        except TypeError:
            raise LabelError(f"label of type {type(sample.y).__name__}: expected a hashable value") from None
        return sample

    def __repr__(self) -> str:
        dtype = str(getattr(self.x, "dtype", type(self.x).__name__)).removeprefix("torch.")
        frame = f"{dtype} {tuple(self.x.shape)}" if hasattr(self.x, "shape") else dtype
        known = [
            f"{name}={quote(value)}" for name in ("y", "t", "source") if (value := getattr(self, name)) is not None
        ]
        return f"Sample({', '.join([f'x={frame}', *known])})"
