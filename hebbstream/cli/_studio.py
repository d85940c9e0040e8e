"""`hebbstream studio`."""

import argparse
import html
import tempfile
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import hebbstream as hs
from hebbstream._globals import usable_device
from hebbstream.cli._execution import add_device
from hebbstream.cli._signals import add_signals
from hebbstream.cli._studio_signals import signal_opener, signal_settings, studio_kind
from hebbstream.cli._types import key_value, natural, path, positive, size, source
from hebbstream.errors import MissingDependencyError
from hebbstream.probe._solvers import SOLVERS

USAGE = "[SOURCE ...]"

_EPILOG = (
    "Whoever has the printed address with its token can open the page. The folder of --run keeps everything:"
    " the taught examples, and run.safetensors, from which `hebbstream learn --resume` goes on."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "source",
        nargs="*",
        type=source,
        metavar="SOURCE",
        help="webcam, or its number; an address, such as rtsp://; a video file, which is played over and over; mic, or a sound file;"
        " a table of sensors, with --window"
        " (default: the bundled clip; the page can add the browser's own camera)",
    )
    parser.add_argument(
        "--run", dest="folder", type=path, metavar="FOLDER", default=Path("studio"), help="folder that keeps the run"
    )
    parser.add_argument(
        "--preset",
        choices=hs.PRESETS,
        help="architecture of a new run (default: video, sound or signal, by what the source is)",
    )
    parser.add_argument(
        "--width",
        type=positive,
        metavar="N",
        help="neurons of its first layer (default: 24 for pictures, or the preset's)",
    )
    parser.add_argument("--seed", type=int, metavar="N", default=0, help="seed of its initial weights")
    parser.add_argument(
        "--size", type=size, metavar="N or WxH", help="scale frames to this size (default: the preset's)"
    )
    parser.add_argument("--solver", choices=SOLVERS, default="ridge", help="how a new run learns classes")
    add_device(parser)
    parser.add_argument("--every-frame", action="store_true", help="learn from frames, too, that show nothing new")
    parser.add_argument(
        "--start", action="store_true", help="begin to learn at once, not when you press Start learning"
    )
    group = parser.add_argument_group("sources")
    group.add_argument("--format", metavar="NAME", help="the sources' format, as FFmpeg calls it, such as mjpeg")
    group.add_argument(
        "--option", action="append", type=key_value, default=[], metavar="KEY=VALUE", help="option for FFmpeg"
    )
    add_signals(parser, hop="a tenth of their length, or 0.1 s")
    group = parser.add_argument_group("server")
    group.add_argument(
        "--host",
        metavar="ADDRESS",
        default="127.0.0.1",
        help="address to listen on; any but 127.0.0.1 lets others in who have the token, unencrypted",
    )
    group.add_argument("--port", type=natural, metavar="N", default=8008, help="port to listen on; 0 for a free one")
    group.add_argument("--open", action="store_true", help="open the page in a browser")


def run(options: argparse.Namespace) -> None:
    """Serve the page."""
    try:
        import websockets  # noqa: F401  # uvicorn misses it only as it begins to serve

        from hebbstream.studio._server import Studio
        from hebbstream.studio._settings import Settings
    except ImportError as error:
        if error.name is None or error.name.startswith("hebbstream"):
            raise
        raise MissingDependencyError(f"{error.name} is not installed: pip install 'hebbstream[studio]'") from None
    usable_device(options.device)
    kind = studio_kind(options)
    settings = Settings(
        preset=options.preset or "video",
        width=options.width or (24 if kind is None else None),
        seed=options.seed,
        device=options.device,
        solver=options.solver,
        size=options.size,
        every_frame=options.every_frame,
        start=options.start,
    )
    if kind is not None:
        settings = signal_settings(options, kind, settings)
    with Studio(
        options.source,
        options.folder,
        settings,
        host=options.host,
        port=options.port,
        signals=None if kind is None else signal_opener(options, kind),
        format=options.format,
        options=dict(options.option),
    ) as studio:
        if options.host not in ("127.0.0.1", "localhost", "::1"):
            print(
                f"listening on {options.host}: whoever has this address, token included, sees the cameras and can teach"
            )
        print(f"open {studio.door.address}", flush=True)
        with _opened(studio.door.address, options.folder) if options.open else nullcontext():
            studio.serve()
    print(f"run {options.folder}")


@contextmanager
def _opened(address: str, folder: Path) -> Iterator[None]:
    """Open an address in a browser through a file for this user alone: all users can read a command line."""
    # Not in the system's folder of temporary files: browsers in a sandbox have another.
    with tempfile.TemporaryDirectory(prefix="open-", dir=folder, ignore_cleanup_errors=True) as private:
        page = Path(private).resolve() / "studio.html"
        page.touch(0o600)
        url = html.escape(address)
        page.write_text(f'<meta http-equiv="refresh" content="0; url={url}"><a href="{url}">Open the studio</a>\n')
        webbrowser.open(page.as_uri())
        yield
