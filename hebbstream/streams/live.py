"""`for_live`: what is worth doing to the frames of a camera, as far as it was measured."""

from collections.abc import Iterable
from typing import Any

from hebbstream.streams.novelty import novel
from hebbstream.streams.stream import Stream
from hebbstream.streams.views import crops

_HEARTBEAT = 250  # frames, ten seconds of most cameras: `learn` heeds Ctrl-C and saves only between two samples


def for_live(
    stream: Iterable[Any], size: int | tuple[int, int], *, per_frame: int = 4, threshold: float = 0.02, seed: int = 0
) -> Stream[Any]:
    """Prepare the frames of a camera that mostly shows the same: ``crops(novel(stream), size, per_frame=4)``.

    On two clips played over and over as a static camera would show them, 5,000 samples of the CIFAR-10 preset at quarter
    width and a linear probe on CIFAR-10 gave EVIDENCE (``docs/streams.md``, ``benchmarks/streams.py``). Give it frames larger
    than the network's input; where there are none such, ``augment(novel(stream))`` did as well.

    Parameters
    ----------
    stream
        Frames, pairs (frame, label) or samples, at least of the size of a crop. Of several cameras, each gets its own
        `for_live`, inside `interleave`.
    size
        (height, width) of the network's input, or one number for both.
    per_frame
        Crops of each frame that is let through.
    threshold
        Of `novel`. In a still scene one of 250 frames passes all the same, so that whoever reads is never left waiting.
    seed
        Of the places of the crops.

    Raises
    ------
    ConfigurationError
        If an option cannot work.
    ImageSizeError
        While iterating, if a frame is smaller than a crop.

    Examples
    --------
    >>> still = torch.zeros(100, 3, 48, 64)
    >>> [tuple(crop.shape) for crop in for_live(still, 32, per_frame=2)]
    [(3, 32, 32), (3, 32, 32)]
    """
    return crops(novel(stream, threshold, at_least_every=_HEARTBEAT), size, per_frame=per_frame, seed=seed)
