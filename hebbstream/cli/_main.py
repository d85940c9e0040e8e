"""`main`: run a command and say by the exit code how it ended."""

import errno
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import UnsupportedOperation

from tqdm.contrib.logging import logging_redirect_tqdm

from hebbstream._starting import INTERRUPTED, hand_over
from hebbstream.cli._outputs import refuse_overwriting
from hebbstream.cli._parser import make_parser
from hebbstream.errors import HebbstreamError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0 done, 1 an error, or nobody reads on (``hebbstream … | head``), 2 wrong usage, 130 interrupted.
    """
    watched = False
    try:
        watched = hand_over()
        try:
            return _run(arguments)
        finally:
            if sys.stdout is not None:  # as of a daemon
                sys.stdout.flush()  # as the interpreter ends, it would be too late to notice
    except KeyboardInterrupt:
        print("hebbstream: interrupted", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        if error.errno == errno.ENOSPC:
            print(f"hebbstream: cannot print: {error.strerror}", file=sys.stderr)
        elif error.errno not in (errno.EPIPE, errno.EIO):  # nobody reads on, or the terminal is gone
            raise
        _say_no_more()
        return 1
    finally:
        if watched:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done; the interpreter takes a while to end


def _run(arguments: Sequence[str] | None) -> int:
    options = make_parser().parse_args(arguments)
    logger = logging.getLogger("hebbstream")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    level_before = logger.level
    logger.addHandler(handler)
    logger.setLevel(options.log_level.upper())
    try:
        with logging_redirect_tqdm([logger]):
            refuse_overwriting(options)
            options.run(options)
    except HebbstreamError as error:
        if options.debug:
            raise
        print(f"hebbstream: {error}", file=sys.stderr)
        return 1
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level_before)
    return 0


def _say_no_more() -> None:
    """Let what is still to be written go nowhere, so that the interpreter does not fail on it as it ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(UnsupportedOperation, AttributeError):  # no file, as where a test captures it
            os.dup2(null, stream.fileno())
    os.close(null)
