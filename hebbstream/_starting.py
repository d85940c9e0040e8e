"""Ctrl-C while the `hebbstream` command is loading.

To load it takes seconds, most of them torch's, in which no code of the command's own can catch anything yet. Whoever
imports hebbstream as a library keeps all signals as they are.
"""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType

INTERRUPTED = 130


def watch() -> None:
    """End in one line at Ctrl-C, if this is the command; and let SIGUSR1, which asks it to save, not end it."""
    if _is_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _quit)
        if hasattr(signal, "SIGUSR1"):
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)


def hand_over() -> bool:
    """Let Ctrl-C raise `KeyboardInterrupt` again; return whether it was watched for."""
    watched = signal.getsignal(signal.SIGINT) is _quit
    if watched:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return watched


def _is_command() -> bool:
    name = (sys.argv or [""])[0]
    if name == "-m":  # as Python has it while it looks for the module
        return sys.orig_argv[-len(sys.argv)].removeprefix("-m") in ("hebbstream", "hebbstream.cli")
    return Path(name).stem == "hebbstream"


def _quit(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # what signal.signal calls
    with suppress(OSError):
        os.write(2, b"hebbstream: interrupted\n")
    os._exit(INTERRUPTED)  # an exception might be caught, or come up in C code that is half done


watch()
