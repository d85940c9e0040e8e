"""Recordings: one file after another."""

import logging
from collections.abc import Callable, Generator, Sequence

from hebbstream.adapters._media._decoder import MediaDecoder
from hebbstream.adapters._media._options import Cut
from hebbstream.adapters._media._source import MediaSource
from hebbstream.adapters._media._timed import TimedFrame
from hebbstream.errors import StreamError
from hebbstream.streams._stats import StreamStats

log = logging.getLogger("hebbstream.video")


def recorded_frames(
    sources: Sequence[MediaSource],
    connect: Callable[[MediaSource], MediaDecoder],
    first: MediaDecoder | None,
    stats: StreamStats,
    cut: Cut,
) -> Generator[TimedFrame, None, None]:
    """Yield the frames of every file in turn. Of several, those that cannot be read are passed over.

    Parameters
    ----------
    sources
        The files.
    connect
        Opens one.
    first
        The first, if it is open already.
    stats
        Counts go there.
    cut
        Which part of each is read, and whether to begin again at the end.

    Raises
    ------
    StreamError
        What is wrong with a single file, after its last good frame; with many, if none of them gave a frame.
    """
    offset, idle = 0.0, 0  # the latter in passes
    unique = len({source.name for source in sources}) == len(sources)
    while True:
        before, gave, failure = stats.frames, False, None
        for source in sources:
            decoder, first = first, None
            latest, name = 0.0, source.name if unique else source.shown
            try:
                if decoder is None:
                    decoder = connect(source)
                for own_time, frame in decoder.frames(cut.start, cut.end):
                    latest, gave = own_time + decoder.frame_seconds, True
                    yield TimedFrame(frame, offset + own_time, own_time, name, decoder.pixel_aspect)
            except GeneratorExit:  # as the interpreter exits, other names than its own may be gone by now
                raise
            except StreamError as error:
                if len(sources) == 1:
                    raise
                log.warning("skipped: %s", error)
                stats.failed += 1
                failure = error
            finally:
                if decoder is not None:
                    decoder.close()
            offset += latest
        if failure is not None and not gave:
            raise failure
        # Of sound, samples are counted, and the last one is made as the next pass begins.
        idle = idle + 1 if stats.frames == before else 0
        if not cut.loop or not gave or idle > 1:
            return
