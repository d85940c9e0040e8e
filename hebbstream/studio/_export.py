"""What leaves the studio: checkpoint, ONNX model, the page that runs it, and the taught examples."""

import io
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np

from hebbstream.errors import ConfigurationError
from hebbstream.export import publish
from hebbstream.export._to_onnx import export_model
from hebbstream.probe import OnlineProbe
from hebbstream.studio._picture import Pixels, png
from hebbstream.studio._session import Session

_PAGE = ("index.html", "style.css", "icon.svg", "README.md", "package.json", "package-lock.json", ".npmrc")
_SCRIPTS = ("app.js", "camera.js", "follow.js", "manifest.js", "model.js", "view.js")


def checkpoint(session: Session) -> bytes:
    """Return the learner as `hebbstream learn --resume` goes on from it, with the probe that a model would have."""
    _taught(session)
    with tempfile.TemporaryDirectory() as folder:  # the run's may be gone, or full
        path = Path(folder) / "run.safetensors"
        session.learner.save(path)
        return path.read_bytes()


def onnx_model(session: Session) -> bytes:
    """Return the network and, where something was taught, the probe as an ONNX model.

    Its input is uint8 frames (N, H, W, C), or for sound and signals float32, as `to_onnx` has it.
    """
    probe = _taught(session)
    if session.settings.kind != "pictures":
        return export_model(session.net, probe, size=session.size).data
    return export_model(session.net, probe, size=session.size, input_dtype="uint8", layout="NHWC").data


def browser_page(session: Session) -> bytes:
    """Return a zip archive of the model and a page that runs it on a webcam, without a server of ours.

    Raises
    ------
    ConfigurationError
        If the network does not see pictures.
    """
    if session.settings.kind != "pictures":
        raise ConfigurationError(f"browser page of a network for {session.settings.kind}: expected one for pictures")
    page = files("hebbstream.studio") / "browser"
    archive = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as written:
        manifest = Path(folder) / "models" / "net.json"
        publish(session.net, manifest, _taught(session), size=session.size, input_dtype="uint8", layout="NHWC")
        for path in sorted(manifest.parent.iterdir()):
            written.write(path, f"hebbstream-browser/models/{path.name}")
        for name in (*_PAGE, *_SCRIPTS):
            written.writestr(f"hebbstream-browser/{name}", (page / name).read_bytes())
    return archive.getvalue()


def examples(session: Session) -> bytes:
    """Return what was taught as a tar shard: pictures as the network sees them, or arrays, each beside its label.

    Raises
    ------
    ConfigurationError
        If nothing was taught.
    """
    if not len(session.examples):
        raise ConfigurationError("no examples: expected some to be taught first")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as written:
        for example in session.examples:
            for kind, data in (_sample(example.frame), ("txt", example.label.encode())):
                member = tarfile.TarInfo(f"{example.number:06d}.{kind}")
                member.size = len(data)
                written.addfile(member, io.BytesIO(data))
    return archive.getvalue()


KINDS: dict[str, tuple[Callable[[Session], bytes], str]] = {
    "run.safetensors": (checkpoint, "application/octet-stream"),
    "model.onnx": (onnx_model, "application/octet-stream"),
    "browser.zip": (browser_page, "application/zip"),
    "examples.tar": (examples, "application/x-tar"),
}
"""What makes each file, and its media type."""


def _sample(frame: Pixels) -> tuple[str, bytes]:
    if frame.dtype == np.uint8:
        return "png", png(frame)
    file = io.BytesIO()
    np.save(file, frame, allow_pickle=False)
    return "npy", file.getvalue()


def _taught(session: Session) -> OnlineProbe | None:
    """Return the probe, which has learned what the network as it is now makes of the examples; or ``None``."""
    if len(session.examples) and not session.fresh:
        session.relearn(anew=True)
    return session.probe if session.probe.classes else None
