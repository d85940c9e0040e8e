"""Samples from tar shards in the layout of webdataset."""

import glob
import io
import json
import re
import tarfile
from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Self

from hebbstream.adapters._common import expand_home, first_line
from hebbstream.adapters._images import SUFFIXES, image_stream, picture_format, suffix
from hebbstream.adapters._picture import Fit
from hebbstream.errors import (
    ConfigurationError,
    DamagedFileError,
    MissingDependencyError,
    SourceNotFoundError,
)
from hebbstream.streams._sample import Sample
from hebbstream.streams._stream import Stream

__all__ = ["open_shards"]


def open_shards(
    shards: str | Path | Sequence[str | Path],
    *,
    size: int | tuple[int, int] | None = None,
    fit: Fit | None = "stretch",
    gray: bool = False,
    label: str = "label",
) -> Stream[Sample]:
    """Open tar files in the layout of webdataset as a stream of samples, in the order in which they lie there.

    Files that share the name before its first dot are one sample: an image, and a label from the first of ``.cls``
    (a number, or else text), ``.txt`` (text) and ``.json`` (a number or text, or an object that holds it). Other files are
    not even read, so nothing is unpickled, and only local files are opened, so no command is started.
    `hebbstream.streams.shuffle` mixes the order.

    Parameters
    ----------
    shards
        Paths of tar files, compressed or not; in a string, braces and wildcards: ``"train-{000..099}.tar"``,
        ``"train-*.tar"``.
    size, fit, gray
        See `PictureFormat`.
    label
        Name of the label in a JSON object; an object without it gives none.

    Returns
    -------
    Stream
        As of `hebbstream.adapters.images.open_images`; the source is ``shard.tar/key``.

    Raises
    ------
    SourceNotFoundError
        If there is no such file.
    DamagedFileError
        While iterating, if a tar file is cut or damaged, or a label cannot be read.
    ConfigurationError
        If an option cannot work, `shards` is empty, or it names anything but local files (``pipe:``, ``http:``).
    MissingDependencyError
        If Pillow or webdataset is not installed.

    Examples
    --------
    >>> import tarfile, tempfile
    >>> from PIL import Image
    >>> folder = Path(tempfile.mkdtemp())
    >>> Image.new("RGB", (40, 30)).save(folder / "0001.png")
    >>> _ = (folder / "0001.cls").write_text("7")
    >>> with tarfile.open(folder / "train-0.tar", "w") as tar:
    ...     for name in ("0001.cls", "0001.png"):
    ...         tar.add(folder / name, arcname=name)
    >>> list(open_shards(f"{folder}/train-{{0..0}}.tar", size=32))
    [Sample(x=uint8 (32, 32, 3), y=7, source='train-0.tar/0001')]
    """
    form = picture_format(size, fit, gray)
    try:
        import webdataset  # noqa: F401  # found missing now, not at the first sample
        from braceexpand import UnbalancedBracesError, braceexpand  # type: ignore[attr-defined]  # not in its stub
    except ImportError:
        raise MissingDependencyError("webdataset is not installed: pip install 'hebbstream[images]'") from None
    try:
        patterns = braceexpand(shards) if isinstance(shards, str) else [shards] if isinstance(shards, Path) else shards
        paths = list(chain.from_iterable(_local(str(pattern)) for pattern in patterns))
    except UnbalancedBracesError:
        raise ConfigurationError(f"shards {str(shards)!r}: expected balanced braces") from None
    if not paths:
        raise ConfigurationError(f"shards={shards!r}: expected at least one tar file")
    others = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return image_stream(
        chain.from_iterable(_shard(path, label) for path in paths), form, f"open_shards({paths[0].name!r}{others})"
    )


def _local(pattern: str) -> list[Path]:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", pattern):
        raise ConfigurationError(f"shards {pattern!r}: expected the path of a local file, not an address or a command")
    path = expand_home(pattern)
    matches = [path] if Path(path).exists() else sorted(glob.glob(path))  # noqa: PTH207  # absolute ones too
    found = [path for path in map(Path, matches) if path.is_file()]
    if not found:
        raise SourceNotFoundError(f"no file at {pattern}")
    return found


def _shard(path: Path, label: str) -> Iterator[tuple[Any, Hashable, str]]:
    """Yield image, label and source of a shard's samples."""
    from webdataset.tariterators import group_by_keys

    samples = group_by_keys(_files(path))
    while (sample := _next_sample(samples, path)) is not None:
        source = f"{path.name}/{sample['__key__']}"
        image = next((sample[kind] for kind in SUFFIXES if kind in sample), None)
        if image is not None:
            yield io.BytesIO(image), _label(sample, label, source), source


def _files(path: Path) -> Iterator[dict[str, Any]]:
    """Yield a tar file's images and labels, in the form that webdataset groups."""
    wanted = (*SUFFIXES, "cls", "txt", "json")
    with tarfile.open(path, "r|*", tarinfo=_StrictTarInfo) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isreg() and suffix(member.name) in wanted else None
            if file is not None:
                yield {"fname": member.name, "data": file.read(), "__url__": path.name}
            tar.members = []  # type: ignore[attr-defined]  # it would remember them all


class _StrictTarInfo(tarfile.TarInfo):
    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> Self:
        """Read a member's header; `tarfile` alone takes one that is damaged or not there for the end of the archive."""
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # not in its stub
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error


def _next_sample(samples: Iterator[dict[str, Any]], path: Path) -> dict[str, Any] | None:
    try:
        return next(samples, None)
    except Exception as error:  # tarfile and the decompressors raise many kinds on damage
        raise DamagedFileError(f"{path}: not a whole tar file ({first_line(error)})") from error


def _label(sample: Mapping[str, bytes], name: str, source: str) -> Hashable:
    try:
        for kind in ("cls", "txt"):
            if kind in sample:
                text = sample[kind].decode().strip()
                return int(text) if kind == "cls" and re.fullmatch(r"[+-]?[0-9]+", text) else text
        value: Any = json.loads(sample["json"]) if "json" in sample else None
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{source}: its label cannot be read ({first_line(error)})") from error
    value = value.get(name) if isinstance(value, dict) else value
    if value is not None and not isinstance(value, str | int | float):
        raise DamagedFileError(f"{source}: its label is {value!r}: expected a number or text")
    return value
