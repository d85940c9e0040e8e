"""`main`: run a command and say by the exit code how it ended."""

import logging
import signal
import sys
from collections.abc import Sequence

from tqdm.contrib.logging import logging_redirect_tqdm

from hebbstream._commands import spelled_out
from hebbstream._quote import first_line, printable
from hebbstream._starting import INTERRUPTED, flush, hand_over, not_printed
from hebbstream.cli._outputs import refuse_overwriting
from hebbstream.cli._parser import make_full_parser
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
            flush()
    except KeyboardInterrupt:
        print("hebbstream: interrupted", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        return not_printed(error)
    finally:
        if watched:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done; the interpreter takes a while to end


def _run(arguments: Sequence[str] | None) -> int:
    arguments = spelled_out(sys.argv[1:] if arguments is None else arguments)
    options = make_full_parser(arguments[:1]).parse_args(arguments)
    logger = logging.getLogger("hebbstream")
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
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
        print(f"hebbstream: {printable(error)}", file=sys.stderr)
        return 1
    except RuntimeError as error:
        if options.debug or type(error).__name__ != "OutOfMemoryError":  # torch's, which `--help` does without
            raise
        print(
            f"hebbstream: {printable(first_line(error))} Expected fewer neurons (--width), or --device cpu",
            file=sys.stderr,
        )
        return 1
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level_before)
    return 0


class _Formatter(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        """Write a message in one line: it may quote the name of a file."""
        return printable(super().formatMessage(record))
