"""`learn_together`: a run of several processes."""

import logging
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hebbstream._numbers import check_number, quantity
from hebbstream._quote import quote
from hebbstream.distributed._engine import DataParallelEngine
from hebbstream.distributed._leases import Leases, fingerprint_of
from hebbstream.distributed._local import LocalEngine
from hebbstream.distributed._peers import LONGEST_SECONDS, Peers
from hebbstream.distributed._reader import Reader, Sources
from hebbstream.distributed._run import DistributedRun
from hebbstream.errors import ConfigurationError, HebbstreamError, OutputError
from hebbstream.learning._callback import Callback
from hebbstream.learning._learner import Learner
from hebbstream.learning._progress import ProgressBar
from hebbstream.learning._report import Report
from hebbstream.streams import Stream
from hebbstream.streams._stream import as_stream

log = logging.getLogger("hebbstream.distributed")


def learn_together(
    learner: Learner,
    sources: Sources,
    peers: Peers,
    *,
    every: int | None = None,
    wire: str = "float32",
    limit: int | None = None,
    resume: bool = False,
    patience: float = 0.1,
    progress: bool = True,
) -> Report:
    """Let all ranks learn one network, each from its own sources.

    Every rank calls it with the same arguments. What the learner of rank 0 has learned so far is where all begin; its
    callbacks are the only ones that are called, so that one rank writes checkpoints. A source is read by one rank at a
    time. A rank whose source has ended gets the next one, and takes part without samples when there is none.

    Parameters
    ----------
    learner
        On all ranks it has, in the end, learned the same. Its probe learns the labels of its own rank's samples; see
        `SharedProbe` for how they are brought together.
    sources
        From each source's name, as text, to what opens it; the same names on all ranks.
    peers
        From `join`.
    every
        ``None``: ranks take each step together, with one sample each, as `learn_many` would. A number: each learns so many
        samples alone, and then all take over the mean of what they have come to.
    wire
        With `every`: how changes of weights travel, ``"float32"`` or ``"float16"``.
    limit
        Most samples of all ranks together.
    resume
        Whether sources are read on from where the learner, loaded from a checkpoint, left them; with another number of
        ranks, too. Otherwise they are read from their start.
    patience
        Seconds that the others wait for a sample of a live source before they take a step without it; with `every`, for
        each of its samples.
    progress
        Whether rank 0 shows a progress bar.

    Returns
    -------
    Report
        Samples, accuracies and counts are those of all ranks.

    Raises
    ------
    ConfigurationError
        If an argument cannot work, or another rank has another one.
    PeerError
        If another rank is lost, or has failed.
    EmptyStreamError, InputError, OutputError, StreamError
        As of `Learner.learn`. Where all sources have failed, the last of their errors.

    Examples
    --------
    A process alone, as torchrun would start it:

    >>> import torch
    >>> import hebbstream as hs
    >>> from hebbstream.distributed import join
    >>> from unittest.mock import patch
    >>> alone = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "0"}
    >>> learner = hs.Learner(hs.SoftHebbNet.from_preset("cifar10", width=4))
    >>> sources = {"door": lambda: torch.rand(5, 3, 32, 32)}
    >>> with patch.dict("os.environ", alone), join() as peers:
    ...     learn_together(learner, sources, peers, progress=False).samples
    5
    """
    check_number("every", every, optional=True)
    check_number("limit", limit, optional=True)
    if every is None and wire != "float32":
        raise ConfigurationError(
            f"wire={quote(wire)} without every: expected 'float32', as steps taken together travel"
        )
    if not 0 <= quantity(patience) <= LONGEST_SECONDS:
        raise ConfigurationError(
            f"patience={quote(patience)}: expected a number of seconds from 0 to {LONGEST_SECONDS:,.0f}"
        )
    if not isinstance(sources, Mapping) or not sources:
        found = f"sources in a {type(sources).__name__}" if not isinstance(sources, Mapping) else "no sources"
        raise ConfigurationError(f"{found}: expected a mapping from names to functions that open them")
    as_text = {str(name): opened for name, opened in sources.items()}  # as a checkpoint knows paths and numbers
    if len(as_text) < len(sources):
        raise ConfigurationError(f"sources {quote(list(sources))}: expected names that differ as text")
    sources = as_text
    for name, opened in sources.items():
        if not callable(opened):
            raise ConfigurationError(f"source {name!r} is a {type(opened).__name__}: expected a function that opens it")
    if learner.replay is not None:
        raise ConfigurationError("replay on several ranks: expected a learner without it")
    precision, leases = learner.net.engine.precision, Leases(sources)
    engine = DataParallelEngine(peers, precision) if every is None else LocalEngine(wire, precision)
    refuse_differences(
        peers,
        sources=list(sources),
        every=every and int(every),
        wire=wire,
        limit=limit and int(limit),
        resume=bool(resume),
    )
    _begin_alike(learner, leases, peers, resume)
    for name, found in peers.gather_terms(_found(sources, leases) if peers.rank == 0 else {})[0].items():
        leases.compare(name, found)
    if isinstance(engine, LocalEngine):
        engine.begin(learner.net.layers)  # it may refuse them, and as yet no callback has begun
    if peers.rank == 0 and len(sources) < peers.world:
        log.warning(
            "%d of %d processes read nothing: expected as many sources; files that one name stands for are one source",
            peers.world - len(sources),
            peers.world,
        )
    callbacks: list[Callback] = [leases]
    if peers.rank == 0:
        callbacks += [*learner.callbacks, ProgressBar(limit, passed=0, enabled=progress)]
    reader = Reader(sources, leases, peers.rank, patience)
    run = DistributedRun(learner, callbacks, limit, peers=peers, leases=leases, reader=reader, every=every)
    learner._run, learner.stream = run, Stream((), name=f"{len(sources)} sources")
    learner._unclaimed.pop(type(leases).__name__, None)
    before = learner.net.engine, learner.callbacks
    learner.net.engine, learner.callbacks = engine, (leases, *learner.callbacks)
    try:
        run.go(0)
    finally:
        learner.net.engine, learner.callbacks = before
        learner._unclaimed[type(leases).__name__] = leases.state_dict()
    return run.report()


def refuse_differences(peers: Peers, **arguments: Any) -> None:
    """Find out on all ranks, before one has changed anything, whether another one was called differently.

    Parameters
    ----------
    peers
        The ranks, all of which must call it with arguments of the same names.
    arguments
        Values of JSON's terms.

    Raises
    ------
    ConfigurationError
        On all ranks alike, if a value differs.
    """
    told = peers.gather_terms(arguments)
    for rank, other in enumerate(told):
        for name, first in told[0].items():
            if other[name] != first:
                raise ConfigurationError(
                    f"rank {rank} has {name}={quote(other[name])}, rank 0 {name}={quote(first)}: expected the same on all"
                )


def _begin_alike(learner: Learner, leases: Leases, peers: Peers, resume: bool) -> None:
    """Give every rank what rank 0 has, from a file's content: the way in which what was learned is known to survive."""
    try:
        with tempfile.TemporaryDirectory(prefix="hebbstream-") as folder:
            path = Path(folder) / "learner.safetensors"
            if peers.rank == 0:
                learner.save(path)
            content = peers.share_bytes(path.read_bytes() if peers.rank == 0 else None)
            if peers.rank:
                path.write_bytes(content)
            device = str(learner.net.device)
            found = Learner.load(path, device, callbacks=[leases] if resume else ())
    except HebbstreamError:
        raise
    except OSError as error:
        raise OutputError(
            f"rank {peers.rank} cannot write a temporary file ({error.strerror or error}): expected room where TMPDIR says"
        ) from error
    if peers.rank:
        engine = learner.net.engine
        learner.net, learner.probe = found.net, found.probe
        learner.net.engine = engine
        learner.counters, learner.recordings = found.counters, found.recordings
    leases.take_back(peers.world)


def _found(sources: Sources, leases: Leases) -> dict[str, str]:
    """Return by what those recordings are known now that a checkpoint knows."""
    found = {}
    for name in leases.known.keys() & sources.keys():
        # Whoever reads it will say what is wrong.
        with suppress(HebbstreamError, OSError), as_stream(sources[name]()) as stream:
            found[name] = fingerprint_of(stream, leases.known[name]) or leases.known[name]
    return found
