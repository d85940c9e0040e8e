"""Rows of tables, CSV and Parquet: what sensors have written."""

import glob
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hebbstream._files import expanded_path
from hebbstream.adapters._known import files_fingerprint
from hebbstream.adapters._table_files import named_columns, opened_table
from hebbstream.errors import ConfigurationError, SourceNotFoundError, StreamError
from hebbstream.streams._rows import checked_columns
from hebbstream.streams._sample import Sample
from hebbstream.streams._stream import Stream

__all__ = ["open_table"]

_log = logging.getLogger("hebbstream.adapters.tables")


def open_table(source: str | os.PathLike[str], columns: Sequence[str] | None = None) -> "_TableStream":
    r"""Open a table as a stream of its rows, by name, for `hebbstream.streams.windows`.

    Memory does not grow with the table. A CSV file may be separated by commas, semicolons, tabs or bars. Its first line has
    the names. If it holds only numbers and missing values, and the first value is not empty, it is a row, and the columns
    are called ``"0"``, ``"1"``, …. Row numbers of pandas, a column without a name or called ``__index_level_0__``, are
    left out unless `columns` asks for them.

    Parameters
    ----------
    source
        A file, ``.parquet`` (extra ``parquet``) or else CSV, which gzip may have compressed; or a glob, such as
        ``"logs/*.csv"``: files are read in the order of their names, and damaged ones are skipped and counted as ``stats.failed``.
    columns
        Names to read; ``None`` reads all, of several files those of the first.

    Returns
    -------
    Stream
        Of `Sample` with ``x`` a dict, its values text from CSV; ``source`` is the file's name, or its path where two files
        of a glob have one name. Its attribute ``columns`` has the names. Damaged rows of a CSV file are left out, and
        counted as ``stats.corrupt``; the log of ``hebbstream.adapters.tables`` says so once. Such rows have too many values,
        NUL bytes or the names once more, or are a last row that is still being written.

    Raises
    ------
    SourceNotFoundError
        If there is no file.
    SourcePermissionError, StreamError
        If it cannot be read.
    ConfigurationError
        If it has no such column, of several files one has not, or `columns` is no list of names.
    DamagedFileError
        If it is no table, or has a line of more than 16 million characters; while iterating, too, as where the first row has
        too many values.
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
    one = os.path.isfile(path)  # noqa: PTH113  # `Path.is_file` raises for a name that is too long
    paths = [path] if one else _matches(str(path))
    if not paths:
        raise SourceNotFoundError(f"no file at {path}: expected a CSV or Parquet file, or a glob such as 'logs/*.csv'")
    named = None if columns is None else checked_columns(columns)
    return _TableStream(paths, named, name=path.name)


def _matches(pattern: str) -> list[Path]:
    found = glob.iglob(pattern, recursive=True) if glob.has_magic(pattern) else ()  # noqa: PTH207  # absolute ones too
    return sorted(path for path in map(Path, found) if path.is_file())


class _TableStream(Stream[Sample]):
    """Rows of a table, or of several one after another; made by `open_table`."""

    def __init__(self, paths: Sequence[Path], columns: tuple[str, ...] | None, *, name: str) -> None:
        self._paths: list[Path] = []
        self.file, self.row = str(paths[0]), 0
        """Where the latest row stands, for messages: the path of its file, and its number in it from 1, without the names."""
        self._grows = True
        damaged: list[StreamError] = []
        given = columns is not None
        for path in paths:  # one that lacks a column is told before anything is learned
            try:
                opened, found, parquet = opened_table(path, columns)
            except StreamError as error:
                if not self._paths and path is paths[-1]:
                    raise
                damaged.append(error)
                continue
            except ConfigurationError as error:
                if given or not self._paths:
                    raise
                raise ConfigurationError(f"{error}; {self._paths[0]} has it: name the columns of all files") from None
            if not self._paths:
                named = named_columns(found)
                self.columns = columns = columns or named
                self._manner = "table" if columns in (named, found) else f"table {columns}"
                rows = opened
            else:
                opened.close()
            self._grows &= not parquet
            self._paths.append(path)
        super().__init__(self._samples(rows, damaged), name=f"TableStream({name!r})")

    @property
    def fingerprint(self) -> str | None:
        """What tells this table from any other. Rows may be added to CSV: a sensor writes on."""
        return files_fingerprint(self._paths, self._manner, grows=self._grows and not self._known_whole)

    def _samples(self, rows: Iterator[Any], damaged: Sequence[StreamError]) -> Iterator[Sample]:
        for error in damaged:  # told now, for a table may be opened to look at its names alone
            self._pass_over(error)
        unique = len({path.name for path in self._paths}) == len(self._paths)
        for number, path in enumerate(self._paths):
            source = path.name if unique else str(path)
            self.file = str(path)
            try:
                opened = rows if number == 0 else opened_table(path, self.columns)[0]
                for self.row, row in enumerate(opened, start=1):
                    if row is None:
                        self._stats.corrupt += 1
                        continue
                    yield Sample({name: row.get(name) for name in self.columns}, source=source)
            except GeneratorExit:  # as the interpreter exits, modules may be gone by now
                raise
            except StreamError as error:
                if len(self._paths) == 1:
                    raise
                self._pass_over(error)

    def _pass_over(self, error: StreamError) -> None:
        _log.warning("skipped: %s", error)
        self._stats.failed += 1
