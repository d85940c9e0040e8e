"""ONNX Runtime: which execution providers to use, and a session on them."""

import logging
from collections.abc import Iterable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any

import torch

from hebbstream._numbers import check_number
from hebbstream._quote import first_line, quote
from hebbstream.errors import ConfigurationError, CorruptModelError, MissingDependencyError

log = logging.getLogger("hebbstream.export")

PROVIDERS = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
_MOST_THREADS = 1024  # more than computers have cores; each costs memory and time at the start
_GPU_HINT = (
    "on a machine with an NVIDIA driver, pip install 'hebbstream[gpu]' in an environment without onnxruntime, for the"
    " same CUDA version as torch's"
)


def import_runtime() -> Any:
    """Return the package ``onnxruntime``.

    Raises
    ------
    MissingDependencyError
        If it is not installed.
    """
    try:
        import onnxruntime
    except ImportError:
        raise MissingDependencyError(
            "ONNX Runtime is not installed: pip install 'hebbstream[cpu]', or 'hebbstream[gpu]' beside an NVIDIA driver"
        ) from None
    return onnxruntime


def make_session(
    model: bytes,
    *,
    providers: Sequence[str] | None = None,
    threads: int | None = None,
    cuda_graph: bool = False,
    placement: bool = False,
) -> Any:
    """Open a model.

    Parameters
    ----------
    model
        The file's bytes.
    providers
        Execution providers in order of preference, by ONNX Runtime's names or as ``"tensorrt"``, ``"cuda"`` and
        ``"cpu"``; ``None`` takes CUDA where it is, else the CPU. Where one asked for cannot be had, the log says so.
    threads
        On the CPU; ``None`` takes all cores.
    cuda_graph
        Record each shape of batch once as a CUDA graph.
    placement
        Whether to record which provider runs which node, for ``get_provider_graph_assignment_info()``.

    Raises
    ------
    MissingDependencyError
        If ONNX Runtime is not installed.
    ConfigurationError
        If it has no such provider, or `threads` is no number from 1 to 1024.
    CorruptModelError
        If it cannot read the model.
    """
    onnxruntime = import_runtime()
    check_number("threads", threads, optional=True)
    if threads is not None and threads > _MOST_THREADS:
        raise ConfigurationError(f"threads={quote(threads)}: expected an integer from 1 to {_MOST_THREADS}, or None")
    wanted = _wanted(providers, onnxruntime.get_available_providers())
    if wanted[0] != PROVIDERS["cpu"] and hasattr(onnxruntime, "preload_dlls"):
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):  # it prints what it does not find
            onnxruntime.preload_dlls()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4 if providers is None else 3
    if threads is not None:
        options.intra_op_num_threads = threads
    if placement:
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    with_options = [
        (name, {"enable_cuda_graph": "1"} if cuda_graph and name == PROVIDERS["cuda"] else {}) for name in wanted
    ]
    try:
        session = onnxruntime.InferenceSession(model, options, providers=with_options)
    except Exception as error:  # onnxruntime's own exceptions share no base class
        raise CorruptModelError(f"a model that ONNX Runtime cannot read ({first_line(error)})") from error
    used = session.get_providers()[0]
    if used != wanted[0]:
        log.warning("ONNX Runtime cannot use %s here and runs on %s: %s", wanted[0], used, _GPU_HINT)
    return session


def _wanted(providers: Sequence[str] | None, available: Sequence[str]) -> list[str]:
    if providers is None:
        if PROVIDERS["cuda"] not in available and torch.cuda.is_available():
            log.warning("this ONNX Runtime is built for the CPU alone, though there is a GPU: %s", _GPU_HINT)
        return [name for name in (PROVIDERS["cuda"], PROVIDERS["cpu"]) if name in available]
    if not isinstance(providers, Iterable):
        raise ConfigurationError(f"providers={quote(providers)}: expected names in a list, such as ['cpu'], or None")
    names = [PROVIDERS.get(name, name) for name in ([providers] if isinstance(providers, str) else providers)]
    if unknown := [name for name in names if name not in available]:
        raise ConfigurationError(f"provider {unknown[0]!r}: this ONNX Runtime has {', '.join(available)}; {_GPU_HINT}")
    if not names:
        raise ConfigurationError("providers=[]: expected at least one")
    return names
