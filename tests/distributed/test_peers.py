"""How processes meet, and what they hear when they do not."""

import re
import time

import pytest
import torch
from ranks import together

from hebbstream.distributed import DataParallelEngine, join
from hebbstream.errors import ConfigurationError, PeerError


@pytest.fixture
def started(monkeypatch):
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}.items():
        monkeypatch.setenv(name, value)


def test_others_that_never_come_are_one_line(started):
    begun = time.monotonic()
    with (
        pytest.raises(PeerError, match=r"rank 0 of 2 cannot join the others at 127\.0\.0\.1:0 \(.*\)"),
        join(timeout=1),
    ):
        pass
    assert time.monotonic() - begun < 20


def test_without_torchrun_the_error_names_what_is_missing(started, monkeypatch):
    monkeypatch.delenv("MASTER_PORT")
    with pytest.raises(ConfigurationError, match="MASTER_PORT is not set: start all processes with torchrun"), join():
        pass


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("RANK", "first", "RANK='first': expected a whole number, from 0 on"),
        ("WORLD_SIZE", "-1", "WORLD_SIZE='-1': expected a whole number, from 0 on"),
        ("MASTER_PORT", "", "MASTER_PORT='': expected a whole number, from 0 on"),
        ("RANK", "2", "RANK=2 with WORLD_SIZE=2: expected ranks from 0, fewer than the world's size"),
    ],
)
def test_variables_that_cannot_work_are_refused_at_once(started, monkeypatch, name, value, message):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"^{message}$"), join(timeout=60):
        pass


@pytest.mark.parametrize("timeout", [0, float("inf"), 1e300, 1e10, "60"])
def test_a_timeout_that_cannot_work(started, timeout):
    expected = f"timeout={re.escape(repr(timeout))}: expected a positive number of seconds, 100,000,000 at most"
    with pytest.raises(ConfigurationError, match=expected), join(timeout=timeout):
        pass


def test_peers_are_lost_once_the_block_is_over(started, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "1")
    with join() as peers:
        pass
    with pytest.raises(PeerError, match="rank 0 of 1 has lost the others"):
        peers.sum(torch.ones(1))


def talk(peers):
    terms = peers.gather_terms({"rank": peers.rank, "text": "ü" * peers.rank})
    shared = peers.share_bytes(b"what the first has" if peers.rank == 0 else None)
    total = peers.sum(torch.full((3,), peers.rank + 1.0))
    greatest = peers.start_maximum(torch.tensor([peers.rank, -peers.rank]))()
    return terms, shared, total.tolist(), greatest.tolist()


def test_what_ranks_say_to_each_other():
    expected = (
        [{"rank": rank, "text": "ü" * rank} for rank in range(3)],
        b"what the first has",
        [6.0, 6.0, 6.0],
        [2, 0],
    )
    assert together(3, talk) == [expected] * 3


def test_an_engine_is_copied_as_one_of_a_single_process():
    import copy

    from hebbstream import EagerEngine

    assert isinstance(copy.deepcopy(DataParallelEngine(None)), EagerEngine)
