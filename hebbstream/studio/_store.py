"""`Store`: the taught examples in a file, so that whatever ends the process, at most the last second is lost."""

import sqlite3
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from hebbstream.errors import DamagedFileError, OutputError
from hebbstream.studio._examples import Example, Examples
from hebbstream.studio._picture import Pixels

_TABLES = """
create table if not exists class (name text primary key, place integer not null);
create table if not exists example (
    number integer primary key, label text not null, height integer not null, width integer not null,
    channels integer not null, frame blob not null
);
"""
_ADD = "insert or replace into example values (?, ?, ?, ?, ?, ?)"


class Store:
    """A SQLite file in the run's folder. Changes are collected, and written together by `flush`.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    OutputError
        If it cannot be written.
    DamagedFileError
        If it is something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pending: list[tuple[Any, ...]] = []
        self._changed: Examples | None = None
        try:
            self._file = sqlite3.connect(path, check_same_thread=False)  # one thread at a time: the learner's
            self._file.execute("pragma journal_mode = wal")
            self._file.execute("pragma synchronous = normal")
            self._file.execute("pragma secure_delete = on")  # what is taken back is to be gone from the disk, too
            self._file.executescript(_TABLES)
        except sqlite3.OperationalError as error:
            raise OutputError(f"cannot write {path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise DamagedFileError(f"{path}: not a file of taught examples ({error})") from error

    def read(self) -> Iterator[tuple[int, str, Pixels]]:
        """Yield number, label and frame of each example, in the order in which they were taught."""
        for number, label, *shape, data in self._rows(
            "select number, label, height, width, channels, frame from example order by number"
        ):
            if not isinstance(data, bytes) or not all(type(side) is int and side > 0 for side in shape):
                raise DamagedFileError(f"{self._path}: example {number} of shape {shape}: expected a frame")
            # Samples of signals are float32, four bytes a value.
            frame = np.frombuffer(data, np.float32 if len(data) == 4 * prod(shape) else np.uint8)
            if frame.size != prod(shape):
                raise DamagedFileError(f"{self._path}: example {number} of {frame.size} values, expected {shape}")
            if frame.dtype == np.uint8 and shape[2] not in (1, 3):
                raise DamagedFileError(f"{self._path}: example {number} of {shape[2]} colours: expected 1 or 3")
            yield number, label, frame.reshape(shape) if shape[2] > 1 else frame.reshape(shape[:2])

    def classes(self) -> list[str]:
        """Return the classes in the order of their keys."""
        names = [name for (name,) in self._rows("select name from class order by place")]
        if not all(isinstance(name, str) for name in names):
            raise DamagedFileError(f"{self._path}: classes {names}: expected names")
        return names

    def add(self, example: Example) -> None:
        """Keep an example."""
        frame = example.frame
        height, width, channels = (*frame.shape, 1)[:3]
        values = (example.number, example.label, height, width, channels, frame.tobytes())
        self._pending.append(values)

    def replace(self, examples: Examples) -> None:
        """Make what is stored agree with the examples at the next `flush`: classes, labels, and which there are."""
        self._changed = examples

    def flush(self) -> None:
        """Write what has changed.

        Raises
        ------
        OutputError
            If that cannot be; it stays collected for the next time.
        """
        if not self._pending and self._changed is None:
            return
        try:
            with self._file:  # all of it or nothing
                self._file.executemany(_ADD, self._pending)
                if self._changed is not None:
                    self._agree(self._changed)
        except (sqlite3.Error, UnicodeError) as error:  # the latter of a name that is no text
            raise OutputError(f"cannot write {self._path}: {error}") from error
        self._pending.clear()
        self._changed = None

    def _agree(self, examples: Examples) -> None:
        self._file.execute("delete from class")
        self._file.executemany("insert into class values (?, ?)", [(c, n) for n, c in enumerate(examples.classes)])
        labels = {example.number: example.label for example in examples}
        for number, label in self._file.execute("select number, label from example").fetchall():
            if number not in labels:
                self._file.execute("delete from example where number = ?", (number,))
            elif labels[number] != label:
                self._file.execute("update example set label = ? where number = ?", (labels[number], number))

    def close(self) -> None:
        """Write the rest, and close the file."""
        try:
            self.flush()
        finally:
            self._file.close()

    def _rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._file.execute(query)
        except sqlite3.Error as error:
            raise DamagedFileError(f"{self._path}: damaged ({error})") from error
