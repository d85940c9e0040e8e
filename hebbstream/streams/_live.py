"""`for_live`: what is worth doing to the frames of a camera, as far as it was measured."""

from collections.abc import Iterable
from typing import Any

from hebbstream.streams._augment import augment
from hebbstream.streams._novelty import novel
from hebbstream.streams._stream import Stream

_HEARTBEAT = 250  # frames, ten seconds of most cameras: `learn` saves only between two samples


def for_live(stream: Iterable[Any], *, threshold: float = 0.02, seed: int = 0) -> Stream[Any]:
    """Prepare the frames of a camera that mostly shows the same: ``augment(novel(stream, at_least_every=250))``.

    Measured on two clips played over and over as a static camera would show them: of the neurons in the third layer of
    the CIFAR-10 preset at quarter width, 17 and 16 % (two seeds) won nowhere on CIFAR-10 images after learning from 5,000
    frames as they came, 3 and 2 % after learning from 5,000 prepared so. A linear probe was right for 63.5 and 63.6 %
    instead of 61.1 and 63.1 %, a gain no larger than what the seed changes. It took 14 times as many frames
    (``docs/streams.md``, ``benchmarks/quality/streams.py``).

    Parameters
    ----------
    stream
        Frames, pairs (frame, label) or samples. Of several cameras, each gets its own `for_live`, inside `interleave`.
    threshold
        Of `novel`. In a still scene one of 250 frames passes all the same, so that whoever reads is never left waiting;
        this was not needed in the measurement, where the longest silence was 120 frames.
    seed
        Of the changes made by `augment`.

    Raises
    ------
    ConfigurationError
        If an option cannot work.
    InputError
        While iterating, if a frame cannot be read.

    Examples
    --------
    >>> still = torch.zeros(300, 3, 32, 32)
    >>> len(list(for_live(still)))
    2
    """
    return augment(novel(stream, threshold, at_least_every=_HEARTBEAT), seed=seed)
