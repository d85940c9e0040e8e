"""What the `hebbstream` command does before it has loaded.

To load it takes seconds, most of them torch's, in which no code of the command's own can answer a plain question or catch
Ctrl-C. Whoever imports hebbstream as a library sees nothing of this.
"""

import errno
import os
import signal
import sys
from contextlib import suppress
from io import TextIOWrapper, UnsupportedOperation
from pathlib import Path
from types import FrameType

from hebbstream._commands import answer

INTERRUPTED = 130


def start() -> None:
    """Answer what needs no loading, and end in one line at Ctrl-C, if this is the command."""
    if not _is_command():
        return
    if sys.stderr is None:  # closed: `print` would write to stdout what is meant for it
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115  # until the end
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr has it: no letter is to end the command
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _quit)
        if hasattr(signal, "SIGUSR1"):
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # it asks to save, and must not end the command
    try:
        try:
            answer(sys.argv[1:])
        finally:
            flush()
    except OSError as error:
        sys.exit(not_printed(error))


def hand_over() -> bool:
    """Let Ctrl-C raise `KeyboardInterrupt` again; return whether it was watched for."""
    watched = signal.getsignal(signal.SIGINT) is _quit
    if watched:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return watched


def flush() -> None:
    """Write out what was printed: as the interpreter ends, it would be too late to notice that nobody reads it."""
    if sys.stdout is not None:  # as of a daemon
        sys.stdout.flush()


def not_printed(error: OSError) -> int:
    """Return the exit code of a command that cannot print, and let what is still to be printed go nowhere."""
    # Windows says EINVAL of a pipe that nobody reads, and of a file's name that it does not allow.
    unread = os.name == "nt" and error.errno == errno.EINVAL and error.filename is None
    if error.errno == errno.ENOSPC:
        print(f"hebbstream: cannot print: {error.strerror}", file=sys.stderr)
    elif not unread and error.errno not in (errno.EPIPE, errno.EIO):  # nobody reads on, or the terminal is gone
        raise error
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(UnsupportedOperation, AttributeError):  # no file, as where a test captures it
            os.dup2(null, stream.fileno())
    os.close(null)
    return 1


def _is_command() -> bool:
    name = (sys.argv or [""])[0]
    if name == "-m":  # as Python has it while it looks for the module
        return sys.orig_argv[-len(sys.argv)].removeprefix("-m") in ("hebbstream", "hebbstream.cli")
    return Path(name).stem == "hebbstream" and not Path(name).is_dir()


def _quit(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # what signal.signal calls
    with suppress(OSError):
        os.write(2, b"hebbstream: interrupted\n")
    os._exit(INTERRUPTED)  # an exception might be caught, or come up in C code that is half done


start()
