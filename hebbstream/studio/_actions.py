"""What viewers and scripts can ask for: each checked, and then done in the session's thread."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hebbstream.errors import ConfigurationError, InputError
from hebbstream.studio._examples import checked_name
from hebbstream.studio._held import Held
from hebbstream.studio._session import Session

_HOLD_SECONDS = 1.5  # the page says again and again that a key is held, so that a lost one ends
_LONGEST_HOLD = 600.0
_HALF_LIFE = 2000

Message = dict[str, Any]


def act(session: Session, message: Any) -> Any:
    """Do what a message asks for; call it in the session's thread.

    Raises
    ------
    InputError
        If it is no object with a known ``do``, or something in it is of the wrong kind.
    HebbstreamError
        If that cannot be done; the message says why.
    """
    name = message.get("do") if isinstance(message, dict) else None
    if not isinstance(name, str) or name not in ACTIONS:
        raise InputError(f"message {str(message)[:80]!r}: expected an object with do, one of {', '.join(ACTIONS)}")
    return ACTIONS[name](session, message)


def _learn(session: Session, message: Message) -> None:
    session.learning = _of(message, "on", bool)


def _pause(session: Session, message: Message) -> None:
    session.learning = not _of(message, "paused", bool)


def _hold(session: Session, message: Message) -> None:
    label = _of(message, "label", str)
    session.examples.check_class(label)
    source, seconds = _where_and_how_long(session, message)
    held = session.held
    goes_on = held is not None and (held.label, held.source) == (label, source) and time.monotonic() < held.until
    session.holds += not goes_on
    now = time.monotonic()
    since = held.since if held is not None and goes_on else now
    session.held = Held(label, source, since, now + seconds, session.holds)


def _where_and_how_long(session: Session, message: Message) -> tuple[int, float]:
    source, seconds = _of(message, "source", int), _number(message, "seconds", _HOLD_SECONDS)
    if not _source(session, source).wanted:
        raise InputError(f"source {source} is turned off: expected one that shows something, to teach from")
    session.examples.check_room()
    return source, min(seconds, _LONGEST_HOLD)


def _label(session: Session, message: Message) -> None:
    if "label" not in message:
        raise InputError("label missing: expected the name of a class, or null to stop")
    label = message["label"]
    if label is None:
        _release(session, message)
        return
    if label not in session.examples.classes:
        label = checked_name(label)
    message = {"source": 0, **message, "label": label}
    _where_and_how_long(session, message)  # before a class is made
    if label not in session.examples.classes:
        _add_class(session, {"name": label})
    _hold(session, message)


def _release(session: Session, message: Message) -> None:  # noqa: ARG001  # all actions take one
    session.held = None


def _add_class(session: Session, message: Message) -> str:
    name = session.examples.add_class(message.get("name"))
    session.keeper.agree(session.examples)
    return name


def _rename(session: Session, message: Message) -> None:
    name, to = _of(message, "name", str), _of(message, "to", str).strip()
    session.examples.rename(name, to)
    session.score.rename(name, to)
    session.relearn()


def _forget(session: Session, message: Message) -> None:
    name = _of(message, "name", str)
    session.examples.forget(name)
    session.score.drop(name)
    session.relearn()


def _remove(session: Session, message: Message) -> int:
    numbers = _of(message, "examples", list)
    if not all(type(number) is int for number in numbers):
        raise InputError(f"examples {str(numbers)[:60]}: expected numbers")
    session.examples.remove(numbers)
    session.relearn()
    return len(numbers)


def _relearn(session: Session, message: Message) -> int:  # noqa: ARG001
    session.relearn(anew=True)
    return len(session.examples)


def _reopen(session: Session, message: Message) -> None:  # noqa: ARG001
    session.net.reopen_plasticity(half_life=_HALF_LIFE)


def _confidence(session: Session, message: Message) -> None:
    value = _number(message, "value")
    if value > 1:
        raise InputError(f"value {value:g}: expected a probability")
    session.probe.min_confidence = value
    session.changes += 1


def _switch(session: Session, message: Message) -> None:
    _source(session, _of(message, "source", int)).switch(_of(message, "on", bool))


def _likes(session: Session, message: Message) -> None:
    session.show_likes_of(_of(message, "layer", int))


def _configure(session: Session, message: Message) -> None:
    if not session.replaceable:
        raise ConfigurationError(
            "the network has learned, or classes were taught with it: expected to be asked before; start another run"
        )
    preset, width = session.settings.preset, session.settings.width  # what is not named stays
    if "preset" in message:
        preset = _of(message, "preset", str)
        if preset not in session.settings.presets():
            raise ConfigurationError(f"preset {preset[:40]!r}: expected one of those on the page")
    if "width" in message:
        width = _of(message, "width", int)
    if width is not None and not 1 <= width <= 512:
        raise ConfigurationError(f"width={width}: expected 1 to 512 neurons")
    settings = replace(session.settings, preset=preset, width=width)
    learner, confidence = settings.learner(), session.probe.min_confidence
    session.settings = settings
    session.adopt(learner)
    session.probe.min_confidence = confidence


def _save(session: Session, message: Message) -> str:  # noqa: ARG001
    session.keeper.keep(session.learner, session.changes, now=True)
    if session.keeper.trouble:
        raise ConfigurationError(session.keeper.trouble)
    return str(session.keeper.checkpoint)


ACTIONS: dict[str, Callable[[Session, Message], Any]] = {
    "learn": _learn,
    "pause": _pause,
    "label": _label,
    "hold": _hold,
    "release": _release,
    "add-class": _add_class,
    "rename": _rename,
    "forget": _forget,
    "remove": _remove,
    "relearn": _relearn,
    "reopen": _reopen,
    "confidence": _confidence,
    "switch": _switch,
    "likes": _likes,
    "configure": _configure,
    "save": _save,
}


def _of(message: Message, name: str, kind: type) -> Any:
    value = message.get(name)
    if type(value) is not kind:
        raise InputError(f"{name} {str(value)[:40]!r}: expected {kind.__name__}")
    return value


def _number(message: Message, name: str, default: float | None = None) -> float:
    value = message.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1e9:
        raise InputError(f"{name} {str(value)[:40]!r}: expected a number of at least 0")
    return float(value)


def _source(session: Session, number: int) -> Any:
    if not 0 <= number < len(session.sources):
        raise InputError(f"source {number}: expected 0 to {len(session.sources) - 1}")
    return session.sources[number]
