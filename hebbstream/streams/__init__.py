"""Functions from a stream to a stream: an iterator in, an iterator out, bounded memory, nothing read ahead unasked."""

from hebbstream.streams._augment import augment as augment
from hebbstream.streams._augment import crops as crops
from hebbstream.streams._interleave import Interleaved as Interleaved
from hebbstream.streams._interleave import interleave as interleave
from hebbstream.streams._live import for_live as for_live
from hebbstream.streams._novelty import NoveltyGate as NoveltyGate
from hebbstream.streams._novelty import novel as novel
from hebbstream.streams._order import schedule as schedule
from hebbstream.streams._order import shuffle as shuffle
from hebbstream.streams._stream import Stream as Stream
