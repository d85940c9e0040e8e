"""Where time begins in a file: for its pictures and its sound at once."""

from typing import Any

import av

_APART = 0.25  # seconds; codecs shift their first stamps by less
_UNRELATED = 600.0  # seconds, from which on stamps are of clocks that have nothing to do with each other


def origin(container: Any, first: float) -> float:
    """Return the time stamp, in seconds, that stands for 0.

    Of a track that begins with the file this is its own first stamp. One that begins later does so by the time of the
    file, so that what was recorded at once is read with the same time.

    Parameters
    ----------
    container
        An opened recording.
    first
        The first time stamp of one of its tracks.
    """
    begins = container.start_time
    if begins is None:
        return first
    begins /= av.time_base
    return float(begins) if _APART < first - begins < _UNRELATED else first
