"""Files of tables, CSV and Parquet: the rows of one, by name."""

import csv
import errno
import gzip
import logging
import re
import zlib
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from hebbstream._quote import first_line
from hebbstream.errors import (
    ConfigurationError,
    DamagedFileError,
    HebbstreamError,
    MissingDependencyError,
    SourcePermissionError,
    StreamError,
)
from hebbstream.streams._rows import is_missing, reads_as_number

_log = logging.getLogger("hebbstream.adapters.tables")

_DELIMITERS = ",;\t|"
_UNFINISHED = "no line end, and not all of its values"
_AGAIN = "the names once more"  # as a logger writes them that was started again
_BATCH = 1024  # rows of a Parquet file read at a time, or fewer: their text is then at most
_MOST_TEXT = 1 << 30
_LONGEST_LINE = 1 << 24  # characters: a file that is no text may have no line end at all
_ROW_NUMBERS = re.compile(r"(__index_level_\d+__)?")  # as pandas calls an index without a name, in Parquet and in CSV


def named_columns(found: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in found if not _ROW_NUMBERS.fullmatch(name))


def opened_table(path: Path, columns: Sequence[str] | None) -> tuple[Generator[Any, None, None], tuple[str, ...], bool]:
    """Return the rows of a file that has these columns, as `_read_csv` does, all its names, and whether it is Parquet."""
    try:
        parquet = _is_parquet(path)
        rows = _read_parquet(path, columns) if parquet else _read_csv(path)
        found = tuple(next(rows))  # the names come first
    except HebbstreamError:  # some are of the other kind, too
        raise
    except OSError as error:
        raise _unreadable(path, error) from error
    if not named_columns(found):
        raise DamagedFileError(f"{path}: it holds no column with a name")
    named = tuple(filter(None, found))
    if len(set(named)) < len(named):
        raise DamagedFileError(f"{path}: two columns of one name in {', '.join(named)}")
    for name in columns or ():
        if name not in found:
            raise ConfigurationError(f"{path}: no column {name!r}: found {', '.join(found)}")
    return rows, found, parquet


def _unreadable(path: Path, error: OSError) -> StreamError:
    kind = SourcePermissionError if isinstance(error, PermissionError) else StreamError
    hint = ": a glob, such as 'logs/*.csv', reads one after another" if error.errno == errno.EMFILE else ""
    return kind(f"{path}: it cannot be read ({error.strerror or first_line(error)}{hint})")


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _text_of(path: Path) -> TextIO:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if packed:
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _read_csv(path: Path) -> Generator[Any, None, None]:
    """Yield the names, then each row by name, and ``None`` for one that is damaged."""
    whole = told = False
    with _text_of(path) as file:
        try:
            delimiter = max(_DELIMITERS, key=lambda one: len(_first_row(file, one)))
            names = _first_row(file, delimiter, strict=True)
            if not names:
                raise DamagedFileError(f"{path}: it holds no table")
            if _are_values(names):
                names = [str(index) for index in range(len(names))]
                file.seek(0)
            yield names
            lines = _Lines(file)
            rows = csv.DictReader(lines, names, delimiter=delimiter, strict=True, skipinitialspace=True)
            for row in _parsed(rows, lines):
                unfinished = row is None or (lines.cut and None in row.values())
                problem = _UNFINISHED if unfinished else _damage(row, names)
                if problem is None:
                    whole = True
                    yield {name: value and value.strip() for name, value in row.items()}
                    continue
                if not (whole or unfinished or problem == _AGAIN):  # not one row that was torn: a table of another kind
                    raise DamagedFileError(f"{path}: row {rows.reader.line_num} has {problem}")
                if not told:
                    _log.warning("%s: row %d has %s; such rows are left out", path, rows.reader.line_num, problem)
                told = True
                yield None
        except GeneratorExit:  # as the interpreter exits, modules may be gone by now
            raise
        except (csv.Error, UnicodeDecodeError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DamagedFileError(f"{path}: not a table ({first_line(error)})") from error
        except OSError as error:
            raise _unreadable(path, error) from error


def _are_values(names: list[str]) -> bool:
    """Whether a first line is a row: of numbers and missing values, but for a first that is empty, above pandas' row numbers."""
    values = [name for name in names if not is_missing(name)]
    return bool(values and names[0]) and all(map(reads_as_number, values))


class _Lines:
    """The lines of a file. `cut` tells whether the latest has no end: the last one, where a sensor is writing on."""

    def __init__(self, file: TextIO) -> None:
        self._file, self.cut = file, False

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._file.readline(_LONGEST_LINE + 1)
        if not line:
            raise StopIteration
        if len(line) > _LONGEST_LINE:
            raise csv.Error(f"a line of more than {_LONGEST_LINE:,} characters")
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


def _damage(row: dict[str | None, Any], names: Sequence[str]) -> str | None:
    """Return what is wrong with a row that was torn, or is none."""
    if None in row:
        return f"more values than {len(names)} columns"
    if "\0" in "".join(filter(None, row.values())):
        return "NUL bytes"
    again = all(value and value.strip() == name for name, value in row.items() if name)
    return _AGAIN if again and not all(map(reads_as_number, names)) else None


def _first_row(file: TextIO, delimiter: str, *, strict: bool = False) -> list[str]:
    file.seek(0)
    rows = csv.reader(_Lines(file), delimiter=delimiter, strict=strict, skipinitialspace=True)
    return [name.strip() for name in next(filter(None, rows), [])]  # blank lines are no rows


def _read_parquet(path: Path, columns: Sequence[str] | None) -> Generator[Any, None, None]:
    """Yield the names, then each row by name, of these columns at least."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise MissingDependencyError("pyarrow is not installed: pip install 'hebbstream[parquet]'") from None
    try:
        with parquet.ParquetFile(path) as file:
            yield file.schema_arrow.names
            for batch in file.iter_batches(_rows_at_once(file.metadata), columns=columns):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:  # Python has no such date, or text
        raise DamagedFileError(f"{path}: not a table ({first_line(error)})") from error


def _rows_at_once(metadata: Any) -> int:
    """Return how many rows to read at a time, as each may be the longest text that the file declares to hold, which lies there once."""
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    columns = (group.column(index) for group in groups for index in range(metadata.num_columns))
    texts = (int(column.total_uncompressed_size) for column in columns if column.physical_type == "BYTE_ARRAY")
    return max(1, min(_BATCH, _MOST_TEXT // max([1, *texts])))
