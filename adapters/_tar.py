"""Tar files in the layout of webdataset: their images, each with the label that lies beside it."""

import bz2
import lzma
import re
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

from hebbstream._quote import first_line
from hebbstream.adapters._images import SUFFIXES, suffix
from hebbstream.errors import DamagedFileError

_LABELS = ("cls", "txt", "json")
# A sample may have several files of a kind, told apart by a field: 0001.left.jpg. The 05 of 22.05.jpg is of its name.
# From the end: from each dot on, a name of many would take time that grows with their square.
_FIELDS_BACKWARDS = re.compile(r"([^./]*[A-Za-z_]\.)+(?=[^/])")
_MOST_NAMES = 16  # clip.frame1.jpg, clip.frame2.jpg and so on are no fields of a sample: memory would not hold them all
# A few compressed megabytes can stand for more than the memory holds.
_MOST_BYTES = 1 << 30  # of a sample: more than a picture that Pillow decodes has
_MOST_HEADER_BYTES = 1 << 20
_HEADERS_READ_WHOLE = (b"x", b"g", b"X", b"L", b"K")  # of POSIX, Solaris and GNU: names and attributes of what follows


@dataclass(slots=True)
class Group:
    """Images and labels that lie side by side and share a name, up to its fields.

    Parameters
    ----------
    name
        Path without fields and suffix.
    files
        Content by suffix, of each path without suffix.

    Examples
    --------
    >>> group = Group("1", {"1": {"cls": b"7"}, "1.left": {"png": b"l"}, "1.right": {"png": b"r"}})
    >>> [(name, labels) for name, _, labels in group.images()]
    [('1.left', {'cls': b'7'}), ('1.right', {'cls': b'7'})]
    """

    name: str
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def images(self) -> Iterator[tuple[str, bytes, Mapping[str, bytes]]]:
        """Yield images by name, each with the files of its own label or else the sample's.

        Beside an image without fields, those with fields are something else, such as masks, unless they have a label.
        """
        whole = self.files.get(self.name, {})
        for name, files in self.files.items():
            labelled = _any(files, _LABELS)
            if labelled or name == self.name or not _any(whole, SUFFIXES):
                yield from ((name, files[kind], files if labelled else whole) for kind in SUFFIXES if kind in files)

    def count_images(self) -> int:
        """Count all images, those that `images` leaves out included."""
        return sum(kind in SUFFIXES for files in self.files.values() for kind in files)

    def count_lost_labels(self) -> int:
        """Count the labels that belong to no image."""
        if self.name in self.files and self.count_images():
            return 0
        return sum(_any(files, _LABELS) and not _any(files, SUFFIXES) for files in self.files.values())


def read_groups(path: Path) -> Iterator[Group]:
    """Yield the groups of a tar file, compressed or not, in the order in which they lie there.

    Raises
    ------
    DamagedFileError
        If it is cut or damaged, two files of a group have the same name, or a group holds more than a gibibyte.
    """
    group, room = Group(""), _MOST_BYTES
    try:
        for member, size, file in _members(path):
            name, kind = member[: -len(suffix(member)) - 1], suffix(member)
            shared = _without_fields(name)
            if shared != group.name or (len(group.files) == _MOST_NAMES and name not in group.files):
                yield group
                group, room = Group(shared), _MOST_BYTES
            if kind in group.files.setdefault(name, {}):
                raise ValueError(f"{member}: duplicate file name")
            room -= size
            if room < 0:
                raise ValueError(f"{member}: more than {_MOST_BYTES:,} bytes of one sample")
            group.files[name][kind] = file.read()
    except Exception as error:  # tarfile and the decompressors raise many kinds on damage
        raise DamagedFileError(f"{path}: not a whole tar file ({first_line(error)})") from error
    yield group


def _without_fields(name: str) -> str:
    found = _FIELDS_BACKWARDS.match(name[::-1])
    return name[: -found.end()] if found else name


def _members(path: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Yield name, size and content of images and labels, each to be read before the next, without the resource forks that macOS adds."""
    with ExitStack() as held:
        tar = held.enter_context(_opened(path, held))
        for member in tar:
            *folders, name = member.name.split("/")
            wanted = "." in name and suffix(name) in (*SUFFIXES, *_LABELS)
            forked = name.startswith("._") or "__MACOSX" in folders
            file = tar.extractfile(member) if member.isreg() and wanted and not forked else None
            if file is not None:
                yield member.name, member.size, file
            tar.members = []  # type: ignore[attr-defined]  # it would remember them all


def _opened(path: Path, held: ExitStack) -> tarfile.TarFile:
    # These two, of which some bytes stand for gigabytes, `tarfile` would decompress by the piece of file, whatever it gives.
    for reader, magic in ((bz2.BZ2File, b"BZh"), (lzma.LZMAFile, b"\xfd7zXZ")):
        with path.open("rb") as file:
            if file.read(len(magic)) == magic:
                return tarfile.open(fileobj=held.enter_context(reader(path)), mode="r|", tarinfo=_StrictTarInfo)
    return tarfile.open(path, "r|*", tarinfo=_StrictTarInfo)


class _StrictTarInfo(tarfile.TarInfo):
    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Read a header, and refuse one whose content `tarfile` would read whole, however much it is."""
        found = super().frombuf(buf, encoding, errors)
        if found.type in _HEADERS_READ_WHOLE and found.size > _MOST_HEADER_BYTES:
            raise tarfile.ReadError(f"header of {found.size:,} bytes")
        return found

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> Self:
        """Read a member's header; `tarfile` alone takes one that is damaged or not there for the end of the archive."""
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # not in its stub
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error


def _any(files: Mapping[str, bytes], kinds: tuple[str, ...]) -> bool:
    return any(kind in files for kind in kinds)
