"""Files of features, written and read in pieces: they may be larger than the memory."""

from array import array
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from math import isnan
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from hebbstream._files import atomic_write, output_path, remove_leftovers
from hebbstream._quote import first_line
from hebbstream.adapters._array_files import read_array
from hebbstream.errors import (
    ConfigurationError,
    DamagedFileError,
    MissingDependencyError,
    OutputError,
    SourceNotFoundError,
)

Array = np.ndarray[Any, Any]

_PIECE_BYTES = 1 << 25


@contextmanager
def feature_file(path: Path, features: int) -> Iterator["_NumpyFile | _ParquetFile"]:
    """Open a file to write features to, ``.npy`` or ``.parquet``; it takes its name when all of it is there.

    Its ``write`` takes the features of one frame after another, each with its time in seconds and its source.

    Raises
    ------
    OutputError
        If it cannot be written, or its name ends otherwise.
    MissingDependencyError
        If it is ``.parquet`` and pyarrow is not installed.
    """
    kinds: dict[str, Any] = {".npy": _numpy_file, ".parquet": _parquet_file}
    if path.suffix.lower() not in kinds:
        raise OutputError(f"features {path}: expected a name that ends in .npy or .parquet")
    remove_leftovers(output_path(path))  # of hours, where a run was killed
    with kinds[path.suffix.lower()](path, features) as file:
        yield file


def read_features(path: Path) -> Iterator[tuple[Array, list[float | None], list[str | None]]]:
    """Yield pieces of a file of features: a matrix of rows, and their times and sources.

    Raises
    ------
    SourceNotFoundError
        If there is no such file.
    DamagedFileError, ConfigurationError
        If it is not one that `feature_file` wrote.
    """
    if not path.is_file():
        raise SourceNotFoundError(f"no file at {path}")
    yield from (_read_parquet if path.suffix.lower() == ".parquet" else _read_numpy)(path)


def _encodable(name: str) -> str:
    """Return a name as UTF-8 can write it: a file's may hold any bytes."""
    return name.encode("utf-8", "backslashreplace").decode()


@lru_cache(1)  # of a recording, all frames share one text
def _line(name: str) -> str:
    return " ".join(_encodable(name).splitlines())


class _NumpyFile:
    def __init__(self, path: Path, features: int, file: BinaryIO) -> None:
        self.features, self._file = features, file
        self.written = {"features": path, "times": path.with_suffix(".times.npy")}
        self._times, self._sources = array("d"), list[str]()
        self._write_header()

    def write(self, features: Array, t: float | None, source: str | None) -> None:
        self._file.write(np.ascontiguousarray(features, "<f4").tobytes())
        self._times.append(np.nan if t is None else t)
        self._sources.append("" if source is None else _line(source))

    def finish(self, written: ExitStack) -> None:
        self._file.seek(0)
        self._write_header()  # of the same length: NumPy leaves room for the number of rows
        self._file.flush()
        with written.enter_context(atomic_write(self.written["times"])).open("wb") as file:
            np.save(file, np.array(self._times))
        sources = self.written["features"].with_suffix(".sources.txt")
        self.written["sources"] = sources
        written.enter_context(atomic_write(sources)).write_text(
            "".join(f"{name}\n" for name in self._sources), encoding="utf-8"
        )

    def _write_header(self) -> None:
        shape = (len(self._times), self.features)
        np.lib.format.write_array_header_1_0(self._file, {"descr": "<f4", "fortran_order": False, "shape": shape})


@contextmanager
def _numpy_file(path: Path, features: int) -> Iterator[_NumpyFile]:
    with ExitStack() as written, written.enter_context(atomic_write(path)).open("wb") as stream:
        file = _NumpyFile(path, features, stream)
        yield file
        file.finish(written)


class _ParquetFile:
    def __init__(self, path: Path, features: int, writer: Any, schema: Any) -> None:
        self.features, self.written = features, {"features": path}
        self._writer, self._schema = writer, schema
        self._rows: list[tuple[float | None, str | None, Array]] = []

    def write(self, features: Array, t: float | None, source: str | None) -> None:
        self._rows.append((t, None if source is None else _encodable(source), features.astype(np.float32)))
        if len(self._rows) * 4 * self.features >= _PIECE_BYTES:
            self.finish()

    def finish(self) -> None:
        import pyarrow as pa

        if self._rows:
            times, sources, features = zip(*self._rows, strict=True)
            matrix = pa.FixedSizeListArray.from_arrays(pa.array(np.concatenate(features)), self.features)
            columns = [pa.array(times, pa.float64()), pa.array(sources, pa.string()), matrix]
            self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))
            self._rows.clear()


@contextmanager
def _parquet_file(path: Path, features: int) -> Iterator[_ParquetFile]:
    parquet = _pyarrow_parquet()
    import pyarrow as pa

    vector = pa.list_(pa.float32(), features)
    schema = pa.schema([("time", pa.float64()), ("source", pa.string()), ("features", vector)])
    with atomic_write(path) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
        file = _ParquetFile(path, features, writer, schema)
        yield file
        file.finish()


def _pyarrow_parquet() -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise MissingDependencyError("pyarrow is not installed: pip install 'hebbstream[parquet]'") from None
    return parquet


def _read_numpy(path: Path) -> Iterator[tuple[Array, list[float | None], list[str | None]]]:
    features = read_array(path)
    if features.ndim != 2:
        raise ConfigurationError(f"{path} of shape {features.shape}: expected (frames, features)")
    if features.dtype.kind not in "fiu":
        raise ConfigurationError(f"{path} of {features.dtype}: expected numbers")
    times, names = path.with_suffix(".times.npy"), path.with_suffix(".sources.txt")
    try:
        seconds = read_array(times).ravel().astype(float).tolist() if times.is_file() else [None] * len(features)
        sources = names.read_text(encoding="utf-8").split("\n")[:-1] if names.is_file() else [""] * len(features)
    except ValueError as error:  # of text that is no number, and of bytes that are no text
        raise DamagedFileError(f"{path}: its times or sources cannot be read ({first_line(error)})") from error
    if not len(seconds) == len(sources) == len(features):
        raise DamagedFileError(f"{path}: {len(features)} rows, {len(seconds)} times, {len(sources)} sources")
    step = max(1, _PIECE_BYTES // (4 * max(1, features.shape[1])))
    for start in range(0, len(features), step):
        part = slice(start, start + step)
        known = [None if t is None or isnan(t) else t for t in seconds[part]]
        yield np.asarray(features[part], np.float32), known, [name or None for name in sources[part]]


def _read_parquet(path: Path) -> Iterator[tuple[Array, list[float | None], list[str | None]]]:
    parquet = _pyarrow_parquet()
    import pyarrow as pa

    try:
        for batch in parquet.ParquetFile(path).iter_batches(256):
            times, sources = batch.column("time").cast(pa.float64()), batch.column("source").cast(pa.string())
            lists = batch.column("features")
            if lists.null_count or not hasattr(lists, "flatten"):  # which would pass over what is null
                raise ValueError("rows without features")
            matrix = lists.flatten().cast(pa.float32()).to_numpy().reshape(batch.num_rows, -1)
            yield matrix, times.to_pylist(), sources.to_pylist()
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:  # other types, and damage
        raise DamagedFileError(f"{path}: not a file that `hebbstream embed` wrote ({first_line(error)})") from error
