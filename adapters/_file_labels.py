"""Labels of picture files, from a table beside them."""

import csv
import io
import json
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hebbstream._files import expanded_path
from hebbstream._quote import first_line, quote
from hebbstream.errors import ConfigurationError

_NAMES = ("file_name", "filename", "file", "path", "image", "id")  # first that of Hugging Face's folders of images
_LABELS = ("label", "class")


def read_file_labels(path: str | Path) -> dict[str, str]:
    r"""Read the label of each file from a .csv or .jsonl table with the columns ``file_name`` and ``label``.

    The names may also be called ``filename``, ``file``, ``path``, ``image`` or ``id``, and the labels ``class``. Other columns
    are passed over, as are rows without a label.

    Raises
    ------
    ConfigurationError
        If the file cannot be read, has no such columns, or gives one file two labels.

    Examples
    --------
    >>> import tempfile
    >>> table = Path(tempfile.mkdtemp()) / "metadata.csv"
    >>> _ = table.write_text("file_name,label\n1.png,cat\n2.png,dog\n")
    >>> read_file_labels(table)
    {'1.png': 'cat', '2.png': 'dog'}
    """
    file = expanded_path(path)
    try:
        reader = _READERS.get(file.suffix.lower())
        if reader is None:
            raise ValueError(f"found {file.suffix or 'no suffix'}; expected {' or '.join(_READERS)}")
        found: dict[str, str] = {}
        for line, row in reader(file.read_text(encoding="utf-8-sig")):
            name, label = (_value(row, keys, line) for keys in (_NAMES, _LABELS))
            if label and found.setdefault(name, label) != label:
                raise ValueError(
                    f"line {line}: {quote(name)} is {quote(label)}; expected {quote(found[name])}, as before"
                )
    except OSError as error:
        raise ConfigurationError(f"labels {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError, csv.Error) as error:
        raise ConfigurationError(f"labels {path}: {first_line(error)}") from None
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


def _value(row: Mapping[str, Any], keys: tuple[str, ...], line: int) -> str:
    key = next((key for key in keys if key in row), None)
    if key is None:
        raise ValueError(f"line {line}: found {', '.join(map(str, row))}; expected {_NAMES[0]} and {_LABELS[0]}")
    value = row[key]
    if not isinstance(value, str | int | float | None):
        raise ValueError(f"line {line}: {key} {quote(value)}; expected text")
    return "" if value is None else str(value).strip()


def _from_csv(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    for row in rows:
        if None in row or None in row.values():
            raise ValueError(
                f"line {rows.line_num}; expected {len(rows.fieldnames or ())} values, as the first line has"
            )
        yield rows.line_num, row


def _from_json_lines(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except ValueError as error:
            raise ValueError(f"line {line}: {error}") from None
        if not isinstance(row, dict):
            raise ValueError(
                f'line {line}: {quote(row)}; expected {{"file_name": "1.png", "label": "cat"}} or the like'
            )
        yield line, row


_READERS = {".csv": _from_csv, ".jsonl": _from_json_lines}
