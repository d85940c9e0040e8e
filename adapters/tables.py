"""Rows of tables, CSV and Parquet: what sensors have written."""

import csv
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from hebbstream._files import expanded_path
from hebbstream._quote import first_line
from hebbstream.adapters._known import files_fingerprint
from hebbstream.errors import ConfigurationError, DamagedFileError, MissingDependencyError, SourceNotFoundError
from hebbstream.streams._rows import reads_as_number
from hebbstream.streams._sample import Sample
from hebbstream.streams._stream import Stream

__all__ = ["open_table"]

_log = logging.getLogger("hebbstream.adapters.tables")

_DELIMITERS = ",;\t|"
_UNFINISHED = "no line end, and not all of its values"
_BATCH = 1024  # rows of a Parquet file read at a time


def open_table(source: str | os.PathLike[str], columns: Sequence[str] | None = None) -> "_TableStream":
    r"""Open a table as a stream of its rows, by name, for `hebbstream.streams.windows`.

    Memory does not grow with the table. A CSV file may be separated by commas, semicolons, tabs or bars; its first line
    has the names, or, if all of it is numbers, is a row, and the columns are called ``"0"``, ``"1"``, …. A column without a name, as
    pandas writes for its row numbers, is left out.

    Parameters
    ----------
    source
        A file, ``.parquet`` (extra ``parquet``) or else CSV.
    columns
        Names to read; ``None`` reads all.

    Returns
    -------
    Stream
        Of `Sample` with ``x`` a dict, its values text from CSV; ``source`` is the file's name. Its attribute ``columns``
        has the names. Where power was cut, a CSV file may hold rows of too many values, or NUL bytes, and where it is being
        written to, its last row may be unfinished: they are left out, told once in the log of ``hebbstream.adapters.tables``, and counted as ``stats.corrupt``.

    Raises
    ------
    SourceNotFoundError
        If there is no file.
    ConfigurationError
        If it has no such column, or `columns` is a text.
    DamagedFileError
        If it is no table; while iterating, too, as where the first row has too many values.
    MissingDependencyError
        If pyarrow is needed and not installed.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "walk.csv"
    >>> _ = path.write_text("t,x,y,activity\n0.0,1,2,rest\n0.1,3,4,rest\n")
    >>> with open_table(path, ["x", "y"]) as rows:
    ...     rows.columns, [row.x for row in rows]
    (('x', 'y'), [{'x': '1', 'y': '2'}, {'x': '3', 'y': '4'}])
    """
    path = expanded_path(source)
    if not os.path.isfile(path):  # noqa: PTH113  # `Path.is_file` raises for a name that is too long
        raise SourceNotFoundError(f"no file at {path}: expected one CSV or Parquet file; name each of several")
    if isinstance(columns, str):
        raise ConfigurationError(f"columns={columns!r}: expected a list of names")
    return _TableStream(path, columns)


class _TableStream(Stream[Sample]):
    """Rows of a table; made by `open_table`."""

    def __init__(self, path: Path, columns: Sequence[str] | None) -> None:
        self._path, self._is_parquet = path, _is_parquet(path)
        rows = _read_parquet(path, columns) if self._is_parquet else _read_csv(path)
        found = tuple(next(rows))  # the names come first
        named = tuple(filter(None, found))
        if not named:
            raise DamagedFileError(f"{path}: it holds no column with a name")
        if len(set(named)) < len(named):
            raise DamagedFileError(f"{path}: two columns of one name in {', '.join(named)}")
        for name in columns or ():
            if name not in found:
                raise ConfigurationError(f"{path}: no column {name!r}: found {', '.join(found)}")
        self.columns = named if columns is None else tuple(columns)
        self._manner = "table" if self.columns in (named, found) else f"table {self.columns}"
        super().__init__(self._samples(rows), name=f"TableStream({path.name!r})")

    @property
    def fingerprint(self) -> str | None:
        """What tells this table from any other. Rows may be added to CSV: a sensor writes on."""
        grows = not (self._is_parquet or self._known_whole)
        return files_fingerprint([self._path], self._manner, grows=grows)

    def _samples(self, rows: Iterator[Any]) -> Iterator[Sample]:
        for row in rows:
            if row is None:
                self._stats.corrupt += 1
                continue
            yield Sample({name: row.get(name) for name in self.columns}, source=self._path.name)


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _read_csv(path: Path) -> Iterator[Any]:
    """Yield the names, then each row by name, and ``None`` for one that is damaged."""
    whole = told = False
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            delimiter = max(_DELIMITERS, key=lambda one: len(_first_row(file, one)))
            names = _first_row(file, delimiter, strict=True)
            if not names:
                raise DamagedFileError(f"{path}: it holds no table")
            if all(map(reads_as_number, names)):
                names = [str(index) for index in range(len(names))]
                file.seek(0)
            yield names
            lines = _Lines(file)
            rows = csv.DictReader(lines, names, delimiter=delimiter, strict=True, skipinitialspace=True)
            for row in _parsed(rows, lines):
                unfinished = row is None or (lines.cut and None in row.values())
                problem = _UNFINISHED if unfinished else _damage(row, len(names))
                if problem is None:
                    whole = True
                    yield {name: value and value.strip() for name, value in row.items()}
                    continue
                if not (whole or unfinished):  # not one row that was torn: a table of another kind
                    raise DamagedFileError(f"{path}: row {rows.reader.line_num} has {problem}")
                if not told:
                    _log.warning("%s: row %d has %s; such rows are left out", path, rows.reader.line_num, problem)
                told = True
                yield None
        except GeneratorExit:  # as the interpreter exits, modules may be gone by now
            raise
        except (csv.Error, UnicodeDecodeError) as error:
            raise DamagedFileError(f"{path}: not a table ({first_line(error)})") from error


class _Lines:
    """The lines of a file. `cut` tells whether the latest has no end: the last one, where a sensor is writing on."""

    def __init__(self, file: TextIO) -> None:
        self._file, self.cut = file, False

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = next(self._file)
        self.cut = not line.endswith(("\n", "\r"))
        return line


def _parsed(rows: "csv.DictReader[str]", lines: _Lines) -> Iterator[Any]:
    """Yield each row by name, and ``None`` for a last line that is cut within quotes."""
    begun = rows.reader.line_num
    try:
        for row in rows:
            yield row
            begun = rows.reader.line_num
    except GeneratorExit:  # modules may be gone, as above
        raise
    except csv.Error:
        if not (lines.cut and rows.reader.line_num == begun + 1):  # a quote that is open for many lines is no cut
            raise
        yield None


def _damage(row: dict[str | None, Any], columns: int) -> str | None:
    """Return what is wrong with a row that was torn, if it was."""
    if None in row:
        return f"more values than {columns} columns"
    return "NUL bytes" if any(value and "\0" in value for value in row.values()) else None


def _first_row(file: TextIO, delimiter: str, *, strict: bool = False) -> list[str]:
    file.seek(0)
    rows = csv.reader(file, delimiter=delimiter, strict=strict, skipinitialspace=True)
    return [name.strip() for name in next(filter(None, rows), [])]  # blank lines are no rows


def _read_parquet(path: Path, columns: Sequence[str] | None) -> Iterator[Any]:
    """Yield the names, then each row by name, of these columns at least."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise MissingDependencyError("pyarrow is not installed: pip install 'hebbstream[parquet]'") from None
    try:
        with parquet.ParquetFile(path) as file:
            yield file.schema_arrow.names
            for batch in file.iter_batches(_BATCH, columns=columns):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:  # Python has no such date, or text
        raise DamagedFileError(f"{path}: not a table ({first_line(error)})") from error
