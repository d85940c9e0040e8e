"""`for_live`: what is worth doing to the frames of a camera, as far as it was measured."""

from collections.abc import Iterable

from hebbstream.streams._augment import augment
from hebbstream.streams._novelty import SHARE, novel
from hebbstream.streams._stream import Item, Stream

HEARTBEAT = 250  # frames, ten seconds of most cameras: `learn` saves only between two samples


def for_live(
    stream: Iterable[Item], *, threshold: float | None = None, share: float = SHARE, seed: int = 0
) -> Stream[Item]:
    """Prepare the frames of a camera that mostly shows the same: ``augment(novel(stream, at_least_every=250))``.

    With it, far fewer neurons stay idle than with frames as they come, and a linear probe loses nothing
    (``docs/evidence/streams.md``).

    Parameters
    ----------
    stream
        Frames, pairs (frame, label) or samples. Of several cameras, each gets its own `for_live`, inside `interleave`.
    threshold, share
        Of `novel`. In a still scene one of 250 frames passes all the same, so that whoever reads is never left waiting.
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
    return augment(novel(stream, threshold, share=share, at_least_every=HEARTBEAT), seed=seed)
