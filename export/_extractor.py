"""`OnnxExtractor`: run an exported model on ONNX Runtime."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import torch

from hebbstream._numbers import check_number
from hebbstream._quote import first_line
from hebbstream.errors import ConfigurationError, CorruptModelError, InputError
from hebbstream.export._batch import model_batch
from hebbstream.export._binding import SharedRun
from hebbstream.export._runtime import PROVIDERS, make_session
from hebbstream.network._frames import stacked
from hebbstream.streams._sample import Sample


class ExtractorOptions(TypedDict, total=False):
    """The options of `OnnxExtractor` besides its providers."""

    threads: int | None
    cuda_graph: bool
    warm_up: bool


class OnnxExtractor:
    """A trained network on ONNX Runtime, with the same `transform_one` and `transform_many`.

    What goes in comes out: of NumPy arrays NumPy arrays, of torch tensors (and anything else with ``__dlpack__``)
    tensors where the frames lie. On the CPU neither is copied on the way in if it has the model's type and layout; on a
    GPU frames and results stay there.

    A copy, or what a pickle becomes, has a session of its own: it opens the same file again, or has the same bytes.

    Parameters
    ----------
    model
        A file that `to_onnx` wrote, or its bytes.
    providers
        Execution providers in order of preference, by ONNX Runtime's names or as ``"tensorrt"``, ``"cuda"`` and
        ``"cpu"``; ``None`` takes CUDA where it is, else the CPU. Where one cannot be had, the log says so, and
        `providers` of the instance tells what is really used.
    threads
        On the CPU; ``None`` takes all cores.
    cuda_graph
        Record a CUDA graph for each shape of batch that comes as CUDA tensors, and replay it from then on. Frames in host
        memory are computed without.
    warm_up
        Run once on a blank frame, so that the first real one does not wait for memory and kernels.

    Raises
    ------
    MissingDependencyError
        If ONNX Runtime is not installed.
    ModelNotFoundError
        If there is no file.
    CorruptModelError
        If the file is damaged, or no model that `to_onnx` wrote.
    ConfigurationError
        If a provider or the number of threads cannot work.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import hebbstream as hs
    >>> from hebbstream.export import to_onnx
    >>> net = hs.SoftHebbNet.from_preset("cifar10", width=4)
    >>> extractor = OnnxExtractor(to_onnx(net, f"{tempfile.mkdtemp()}/net.onnx", size=32), ["cpu"])
    >>> extractor.transform_one(np.zeros((32, 32, 3), dtype=np.uint8)).shape
    (1024,)
    >>> extractor
    OnnxExtractor('net.onnx', input='float32 (batch, 3, 32, 32)', features=1024, precision='float32',
    provider='CPUExecutionProvider')
    """

    def __init__(
        self,
        model: str | Path | bytes,
        providers: Sequence[str] | None = None,
        *,
        threads: int | None = None,
        cuda_graph: bool = False,
        warm_up: bool = True,
    ) -> None:
        from hebbstream.export._seal import read_model, unseal  # with onnx, which takes long

        self._model = model
        self._options: dict[str, Any] = {
            "providers": providers,
            "threads": threads,
            "cuda_graph": cuda_graph,
            "warm_up": warm_up,
        }
        data, self.contract = (model, unseal(model)) if isinstance(model, bytes) else read_model(model)
        """What the model reads and gives, and where it comes from."""
        try:
            self._session = make_session(data, providers=providers, threads=threads, cuda_graph=cuda_graph)
        except CorruptModelError as error:
            raise CorruptModelError(f"{'model' if isinstance(model, bytes) else model}: {error}") from error
        self._shared = SharedRun(self._session, self.contract.input.name, cuda_graph)
        if warm_up:
            self._warm_up()

    def __reduce__(self) -> tuple[Any, ...]:
        # A session cannot be pickled; another can be opened.
        return partial(type(self), **self._options), (self._model,)

    def __repr__(self) -> str:
        return described(self, "bytes" if isinstance(self._model, bytes) else repr(Path(self._model).name))

    @property
    def providers(self) -> list[str]:
        """Execution providers in use."""
        return list(self._session.get_providers())

    @property
    def classes(self) -> list[Any]:
        """Labels in the order of the probabilities; empty without a probe."""
        return list(self.contract.classes)

    def transform_one(self, frame: Any) -> Any:
        """Return the features of one frame, as `SoftHebbNet.transform_one` takes it; shape (F,)."""
        return self._run(self.contract.outputs[:1], frame, single=True)[0][0]

    def transform_many(self, frames: Any) -> Any:
        """Return the features of a batch; shape (N, F)."""
        return self._run(self.contract.outputs[:1], frames, single=False)[0]

    def transform_stream(self, stream: Iterable[Any], *, batch: int = 1) -> Iterator[tuple[Sample, Any]]:
        """Yield each sample of a stream with its features, `batch` of them computed at a time.

        For many cameras, `hebbstream.streams.interleave` them and take as many at a time as there are. All frames of a
        batch have one size.

        Examples
        --------
        >>> import hebbstream as hs
        >>> from hebbstream.export._to_onnx import export_model
        >>> net = hs.SoftHebbNet.from_preset("cifar10", width=4)
        >>> extractor = OnnxExtractor(export_model(net, size=32).data)
        >>> frames = np.zeros((5, 32, 32, 3), np.uint8)
        >>> [features.shape for _, features in extractor.transform_stream(frames, batch=2)]
        [(1024,), (1024,), (1024,), (1024,), (1024,)]
        """
        return in_batches(self.transform_many, stream, batch)

    def predict_proba_many(self, frames: Any) -> Any:
        """Return probabilities (N, classes), in the order of `classes`."""
        self._need_probe()
        return self._run(("probabilities",), frames, single=False)[0]

    def predict_proba_one(self, frame: Any) -> dict[Hashable, float]:
        """Return the probability of every class.

        Raises
        ------
        ConfigurationError
            If the model was exported without a probe.
        """
        self._need_probe()
        (probabilities,) = self._run(("probabilities",), frame, single=True)
        return dict(zip(self.contract.classes, probabilities[0].tolist(), strict=True))

    def predict_one(self, frame: Any) -> Hashable | None:
        """Return the likeliest class, or ``None`` below the probe's `min_confidence`."""
        probabilities = self.predict_proba_one(frame)
        best = max(probabilities, key=lambda label: probabilities[label])
        return best if probabilities[best] >= self.contract.min_confidence else None

    def _need_probe(self) -> None:
        if "probabilities" not in self.contract.outputs:
            raise ConfigurationError("this model was exported without a probe: expected probabilities in it")

    def _run(self, outputs: Sequence[str], frames: Any, *, single: bool) -> list[Any]:
        batch = model_batch(frames, self.contract.input, single=single)
        computed = batch if self._computes_on(batch.device) else batch.cpu()
        try:
            found = self._shared.run(outputs, computed)
        except Exception as error:  # onnxruntime's own exceptions share no base class
            raise InputError(
                f"batch {tuple(batch.shape)}: this model cannot run on it ({first_line(error)})"
            ) from error
        if isinstance(frames, np.ndarray):
            return [values.numpy() for values in found]
        return [values.to(batch.device) for values in found]

    def _computes_on(self, device: torch.device) -> bool:
        """Whether memory of a device can be shared: any session reads the host's, and one on CUDA that of the first card."""
        on_card = self.providers[0] in (PROVIDERS["cuda"], PROVIDERS["tensorrt"])
        return device.type == "cpu" or (device.type == "cuda" and not device.index and on_card)

    def _warm_up(self) -> None:
        taken = self.contract.input
        side = 64  # a size for where any will do
        blank = np.zeros((1, taken.channels, taken.height or side, taken.width or side), np.uint8)
        self._run(self.contract.outputs, blank, single=False)


def described(extractor: Any, name: str) -> str:
    """Return the text that stands for an extractor, of either kind, by the name of its file."""
    contract = extractor.contract
    return (
        f"{type(extractor).__name__}({name}, input='{contract.input.dtype} {contract.input.shape_text}',"
        f" features={contract.features}, precision={contract.precision!r}, provider={extractor.providers[0]!r})"
    )


def in_batches(transform_many: Callable[[Any], Any], stream: Iterable[Any], batch: int) -> Iterator[tuple[Sample, Any]]:
    """Yield each sample of a stream with its features, `batch` of them computed at a time."""
    check_number("batch", batch)
    items = map(Sample.of, stream)
    while samples := list(islice(items, batch)):
        frames = stacked([sample.x for sample in samples])
        yield from zip(samples, transform_many(frames), strict=True)
