"""Streams, and functions from a stream to a stream: bounded memory, nothing read ahead unasked."""

from hebbstream.streams._augment import augment, crops
from hebbstream.streams._beside import beside
from hebbstream.streams._inbox import Inbox
from hebbstream.streams._interleave import interleave
from hebbstream.streams._live import for_live
from hebbstream.streams._novelty import novel
from hebbstream.streams._order import schedule, shuffle
from hebbstream.streams._stream import Stream
from hebbstream.streams._windows import windows

__all__ = [
    "Inbox",
    "Stream",
    "augment",
    "beside",
    "crops",
    "for_live",
    "interleave",
    "novel",
    "schedule",
    "shuffle",
    "windows",
]
