"""Whether a recording that has been read to its end is whole."""

import re
from pathlib import Path
from typing import Any

from hebbstream.adapters._media._progress import Progress

_SLACK_SECONDS = 0.5
_SLACK_FRAMES = 2
_NEARLY_ALL = 0.9  # of the bytes: an index or sound may follow the last picture
_TRANSPORT = {188: 0, 192: 4, 204: 0}  # bytes of a packet, and where its mark is
_MARK = 0x47
_EBML_SEGMENT = b"\x18\x53\x80\x67"
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ENDINGS = {"gif": b"\x3b", "mjpeg": b"\xff\xd9"}
_UNDECLARED = ("mpegts", "gif", "mjpeg")  # containers that declare neither a length nor a number
_STRUCTURED = re.compile("mp4|matroska|^(avi|flv|asf)$")
_HEAD = 4096


def is_whole(
    progress: Progress, container: Any, video: Any, path: Path | None, *, size: int, seconds: float, ended: float
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
    size
        Its bytes; not positive where that is unknown.
    seconds, ended
        How long its header says it is, or 0; and when its last frame ended.
    """
    name, step = container.format.name, 1.0 / float(video.average_rate or 25)
    declared = video.frames if progress.whole and name not in _UNDECLARED else 0
    if 0 < declared <= progress.packets:
        return True
    if progress.cut:
        return False
    if "mp4" in name and declared:  # an edit list may show less than is declared: the index tells what
        return progress.packets >= len(video.index_entries)
    missing = _lacks_bytes(path, name) if path else name == "mpegts" and _lacks_packet(size)
    if name in _UNDECLARED:
        return not missing
    if missing:
        return 0 < seconds <= ended + step / 2
    short = ended < seconds - _SLACK_SECONDS if seconds else progress.packets < declared - _SLACK_FRAMES
    placed = name != "asf"  # whose packets say where the block that they are in begins
    unread = placed and progress.position < _NEARLY_ALL * max(0, size)
    sure = path is not None and _STRUCTURED.search(name)  # then no byte is missing
    return not (short and (progress.corrupt or unread or not sure))


def _lacks_bytes(path: Path, name: str) -> bool:
    """Tell by its outermost structure whether the end of a file is missing."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if "mp4" in name:
            return _boxes_end(file, size) > size
        if name == "flv":
            return not _ends_with_tag(file, size)
        if name in _ENDINGS:
            file.seek(max(0, size - _HEAD))
            return not file.read().rstrip(b"\0\r\n").endswith(_ENDINGS[name])
    if name == "avi":
        return head[:4] == b"RIFF" and 8 + int.from_bytes(head[4:8], "little") > size
    if "matroska" in name:
        return _segment_end(head) > size
    if name == "asf":
        return _asf_end(head) > size
    if name == "mpegts":
        return any(_is_transport(head, *layout) and size % layout[0] != 0 for layout in _TRANSPORT.items())
    return False


def _lacks_packet(size: int) -> bool:
    return size > 0 and all(size % length for length in _TRANSPORT)


def _ends_with_tag(file: Any, size: int) -> bool:
    """Tell whether an FLV file ends with the length of its last tag."""
    file.seek(max(0, size - 4))
    length = int.from_bytes(file.read(4))
    file.seek(max(0, size - 4 - length))
    return 11 <= length < size and int.from_bytes(file.read(4)[1:]) == length - 11


def _asf_end(head: bytes) -> int:
    start = head.find(_ASF_PROPERTIES) + 40
    return int.from_bytes(head[start : start + 8], "little") if start >= 40 else 0


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
