"""Labels of picture files, from a table beside them."""

import json
from collections.abc import Hashable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from hebbstream._files import expanded_path
from hebbstream._quote import first_line, quote
from hebbstream.adapters._table_files import opened_table
from hebbstream.errors import ConfigurationError

_NAMES = ("file_name", "filename", "file", "path", "image", "id")  # first that of Hugging Face's folders of images
_LABELS = ("label", "class")


def read_file_labels(path: str | Path) -> dict[str, str]:
    r"""Read the label of each file from a table with the columns ``file_name`` and ``label``: JSON Lines, CSV or Parquet.

    The names may also be called ``filename``, ``file``, ``path``, ``image`` or ``id``, and the labels ``class``. Other columns
    are passed over, as are rows without a label.

    Raises
    ------
    ConfigurationError
        If the table has no such columns, or gives one file two labels.
    StreamError, MissingDependencyError
        If it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> table = Path(tempfile.mkdtemp()) / "metadata.csv"
    >>> _ = table.write_text("file_name,label\n1.png,cat\n2.png,dog\n")
    >>> read_file_labels(table)
    {'1.png': 'cat', '2.png': 'dog'}
    """
    file = expanded_path(path)
    found: dict[str, str] = {}
    for where, row in _json_lines(file) if file.suffix.lower() == ".jsonl" else _table(file):
        name, label = (_value(row, keys, where) for keys in (_NAMES, _LABELS))
        if label and found.setdefault(name, label) != label:
            raise ConfigurationError(
                f"{where}: {quote(name)} is {quote(label)}; expected {quote(found[name])}, as before"
            )
    return found


def labelled(names: list[str], labels: Mapping[str, Hashable], root: Path) -> dict[str, Hashable]:
    """Return the label of each picture in a folder that has one, by its path from there or from the folder above.

    Names in a table may lack their suffix.

    Raises
    ------
    ConfigurationError
        If no picture has one.
    """
    found: dict[str, Hashable] = {}
    labels = {str(name).replace("\\", "/").removeprefix("./"): label for name, label in labels.items()}
    for name in names:
        bare = name.rpartition(".")[0]
        for key in (name, bare, f"{root.name}/{name}", f"{root.name}/{bare}"):
            if key in labels:
                found[name] = labels[key]
                break
    if not found:
        given = quote(next(iter(labels))) if labels else "none"
        raise ConfigurationError(
            f"labels for {root}: found {given}; expected names of its pictures, such as {quote(names[0])}"
        )
    return found


def _value(row: Mapping[str, Any], keys: tuple[str, ...], where: str) -> str:
    key = next((key for key in keys if key in row), None)
    if key is None:
        raise ConfigurationError(f"{where}: found {', '.join(map(str, row))}; expected {_NAMES[0]} and {_LABELS[0]}")
    value = row[key]
    if not isinstance(value, str | int | float | None):
        raise ConfigurationError(f"{where}: {key} {quote(value)}; expected text")
    return "" if value is None else str(value).strip()


def _table(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield where each row stands, for messages, and the row."""
    rows, *_ = opened_table(file, None)
    with closing(rows):
        for number, row in enumerate(rows, start=1):
            if row is not None:  # damaged: the log says so
                yield f"labels {file}: row {number}", row


def _json_lines(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise ConfigurationError(f"labels {file}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"labels {file}: {first_line(error)}") from None
    for number, line in enumerate(lines, start=1):
        where = f"labels {file}: line {number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(f"{where}: {first_line(error)}") from None
        if not isinstance(row, dict):
            raise ConfigurationError(
                f'{where}: {quote(row)}; expected {{"file_name": "1.png", "label": "cat"}} or the like'
            )
        yield where, row
