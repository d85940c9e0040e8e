"""Functions from a stream to a stream: an iterator in, an iterator out, bounded memory, nothing read ahead unasked."""

from hebbstream.streams.live import for_live as for_live
from hebbstream.streams.novelty import NoveltyGate as NoveltyGate
from hebbstream.streams.novelty import novel as novel
from hebbstream.streams.order import schedule as schedule
from hebbstream.streams.order import shuffle as shuffle
from hebbstream.streams.sources import Interleaved as Interleaved
from hebbstream.streams.sources import interleave as interleave
from hebbstream.streams.stream import Stream as Stream
from hebbstream.streams.views import augment as augment
from hebbstream.streams.views import crops as crops
