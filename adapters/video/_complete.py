"""Whether a recording that has been read to its end is whole."""

from pathlib import Path
from typing import Any

_SLACK_SECONDS = 0.5
_SLACK_FRAMES = 2
_NEARLY_ALL = 0.9  # of the bytes: an index or sound may follow the last picture
_TRANSPORT = {188: 0, 192: 4, 204: 0}  # bytes of a packet, and where its mark is
_MARK = 0x47
_EBML_SEGMENT = b"\x18\x53\x80\x67"
_HEAD = 4096


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


def is_whole(
    progress: Progress, container: Any, video: Any, path: Path | None, *, seconds: float, ended: float
) -> bool:
    """Tell whether all came that a recording holds. What its header declares is believed only with other signs.

    Parameters
    ----------
    progress
        What came.
    container, video
        The recording, still open, and its stream.
    path
        Its file, if it is one.
    seconds, ended
        How long its header says it is, or 0; and when its last frame ended.
    """
    declared = video.frames if progress.whole else 0
    if 0 < declared <= progress.packets:
        return True
    name, step = container.format.name, 1.0 / float(video.average_rate or 25)
    if progress.cut:
        return False
    if "mp4" in name and declared:  # an edit list may show less than is declared: the index tells what
        return progress.packets >= len(video.index_entries)
    missing = path is not None and _lacks_bytes(path, name)
    if name in ("mpegts", "gif"):  # they declare nothing
        return not missing
    if missing:
        return not (ended < seconds - step / 2 if seconds else progress.packets < declared)
    short = ended < seconds - _SLACK_SECONDS if seconds else progress.packets < declared - _SLACK_FRAMES
    unread = progress.position < _NEARLY_ALL * max(0, container.size)
    return not (short and (progress.corrupt or path is None or unread))


def _lacks_bytes(path: Path, name: str) -> bool:
    """Tell by its outermost structure whether the end of a file is missing."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if "mp4" in name:
            return _boxes_end(file, size) > size
        if name == "gif":
            file.seek(max(0, size - _HEAD))
            return not file.read().rstrip(b"\0").endswith(b"\x3b")
    if name == "avi":
        return head[:4] == b"RIFF" and 8 + int.from_bytes(head[4:8], "little") > size
    if "matroska" in name:
        return _segment_end(head) > size
    if name == "mpegts":
        return any(_is_transport(head, *layout) and size % layout[0] != 0 for layout in _TRANSPORT.items())
    return False


def _boxes_end(file: Any, size: int) -> int:
    end = 0
    while end + 8 <= size:
        file.seek(end)
        head = file.read(16)
        length = int.from_bytes(head[:4])
        if length == 1:
            length = int.from_bytes(head[8:16])
        if length < 8:  # 0: to the end of the file
            return size
        end += length
    return end


def _segment_end(head: bytes) -> int:
    start = head.find(_EBML_SEGMENT) + len(_EBML_SEGMENT)
    if start < len(_EBML_SEGMENT) or start >= len(head):
        return 0
    width = 9 - head[start].bit_length()
    unknown = (1 << 7 * width) - 1
    length = int.from_bytes(head[start : start + width]) & unknown
    return 0 if length == unknown else start + width + length


def _is_transport(head: bytes, length: int, offset: int) -> bool:
    return all(head[position] == _MARK for position in range(offset, min(len(head), 5 * length), length))
