"""What has come of a recording so far."""

from typing import Any


class Progress:
    """What has come of a recording so far.

    Parameters
    ----------
    whole
        Whether it is read from its very start, so that packets can be counted against its header.
    """

    def __init__(self, *, whole: bool) -> None:
        self.whole = whole
        self.packets = self.frames = self.corrupt = 0
        self.position = 0
        """Byte that the last packet ends at."""
        self.end: int | None = None
        """Time stamp that the latest packet ends at."""
        self.cut = False
        """Whether the last packet was cut."""

    def take(self, packet: Any) -> None:
        """Count a packet."""
        if not packet.size:
            return
        self.packets += 1
        self.cut = packet.is_corrupt
        self.position = max(self.position, (packet.pos or 0) + packet.size)
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is not None:
            end = stamp + (packet.duration or 0)
            self.end = end if self.end is None else max(self.end, end)
