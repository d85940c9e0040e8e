"""`state_of`: how a session stands, in JSON terms, for the page, the scripts and the metrics."""

from typing import Any

from hebbstream.studio._session import Session
from hebbstream.studio._settings import WIDTHS

_SHOWN = 60  # examples, the latest


def state_of(session: Session) -> dict[str, Any]:
    """Return the state; call it in the session's thread."""
    held = session.held
    return {
        "kind": session.settings.kind,
        "learning": session.learning,
        "held": None if held is None else {"label": held.label, "source": held.source},
        "classes": _classes(session),
        "verdict": session.score.verdict(session.examples.classes),
        "curve": session.score.curve,
        "examples": [[example.number, example.label] for example in list(session.examples)[-_SHOWN:]],
        "kept": {"examples": len(session.examples), "capacity": session.examples.capacity},
        "confidence": session.probe.min_confidence,
        "solver": session.probe.solver,
        "network": _network(session),
        "rates": _rates(session),
        "sources": [source.told() for source in session.sources],
        "novelty": session.novelty.told(),
        "trouble": session.keeper.trouble,
        "failure": session.failure,
        "folder": str(session.keeper.folder),
        "saved": session.keeper.saved_at,
        "likes_layer": session.likes.layer,
    }


def _classes(session: Session) -> list[dict[str, Any]]:
    counts = session.examples.counts()
    return [{"name": name, "examples": counts[name], "accuracy": session.score.of(name)} for name in counts]


def _network(session: Session) -> dict[str, Any]:
    net = session.net
    return {
        "preset": net.preset,
        "width": net.layers[0].spec.channels,
        "layers": [layer.spec.channels for layer in net.layers],
        "input": [*session.size, net.in_channels],
        "channels": list(net.channel_names or ()),
        "samples": net.samples_seen,
        "opening": round(float(net.layers[0].opening[0]), 3),
        "presets": session.settings.presets(),
        "widths": list(WIDTHS),
        "can_change": session.replaceable,
    }


def _rates(session: Session) -> dict[str, Any]:
    board = session.board
    return {
        "per_second": round(board.rate(), 1),
        "latency_ms": round(1e3 * board.latency()),
        "learned": board.learned,
        "skipped": board.skipped,
        "dropped": sum(source.dropped for source in session.sources),
    }
