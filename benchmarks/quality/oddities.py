"""Draw a `Mutation` from a seed: which oddities go together in which container."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.quality.mutations import BROADCAST, CONTAINERS, Mutation

_REORDERING = ("libx264", "libx265", "mpeg4", "mpeg2video", "mpeg1video")
_UNEVEN = (
    "libx264",
    "libx265",
    "mpeg4",
    "mjpeg",
    "png",
    "libvpx",
    "libvpx-vp9",
    "ffv1",
    "flv",
    "gif",
    "wmv2",
    "msmpeg4",
)
_BROADCAST_CODECS = ("mpeg2video", "mpeg1video")
_SHAPED = ("libx264", "libx265", "mpeg4")
_NAMES = (
    "12:30:00{}",
    "cam1:front{}",
    "http:x{}",
    "data:x{}",
    "pipe:0{}",
    "concat:a|b{}",
    "50% off{}",
    "%03d{}",
    "[a]{}",
    "what?{}",
    "star*{}",
    "a#b&c=d{}",
    "two  spaces {}",
    "-dash{}",
    "~tilde{}",
    'quote\'s "here"{}',
    "naïve 映像 🎥{}",
    "line\nbreak{}",
    "back\\slash{}",
    "C:\\video{}",
    "{}.part",
    "no suffix",
    "0",
    "x" * 200 + "{}",
)


def drawn(seed: int) -> Mutation:
    """Draw a mutation: a container, a codec, and one to three things that are odd about it."""
    random = np.random.default_rng(seed)
    weights = np.array([3 + len(known.can.split()) for known in CONTAINERS.values()])  # what can be odder comes oftener
    container = list(CONTAINERS)[int(random.choice(len(weights), p=weights / weights.sum()))]
    known = CONTAINERS[container]
    codec = _one(random, known.codecs)
    can = set(known.can.split())
    chosen: dict[str, Any] = {
        "container": container,
        "codec": codec,
        "frames": int(random.integers(24, 33)),
        "rate": int(_one(random, BROADCAST if codec in _BROADCAST_CODECS and len(known.rates) > 1 else known.rates)),
        "group": int(_one(random, (1, 5, 12, 40))),
        "b_frames": int(_one(random, (0, 2, 3))) if codec in _REORDERING and container != "avi" else 0,
    }
    for odd in random.permutation(list(_ODDITIES))[: random.integers(1, 8)]:
        chosen |= _ODDITIES[odd](random, can, chosen)
    return Mutation(**chosen)


def _one(random: np.random.Generator, choices: Sequence[Any]) -> Any:
    return choices[int(random.integers(len(choices)))]


def _timing(random: np.random.Generator, can: set[str], chosen: dict[str, Any]) -> dict[str, Any]:
    if chosen.keys() & {"stamps", "trim", "cut"} or chosen["codec"] in _BROADCAST_CODECS:
        return {}
    if "uneven" in can and chosen["codec"] in _UNEVEN:
        return {"timing": _one(random, ("uneven", "gap", "holes", "long last", "long last"))}
    if chosen["container"] == "avi" and chosen["codec"] != "libx264":  # whose times there FFmpeg makes up
        return {"timing": "holes"}
    return {}


def _late(random: np.random.Generator, can: set[str], chosen: dict[str, Any]) -> dict[str, Any]:
    if "late" not in can or chosen.keys() & {"trim", "cut"} or chosen.get("stamps") == "restart":
        return {}
    return {"late": float(_one(random, (0.4, 2.0, 90.0, 3600.0)))}


def _stamps(random: np.random.Generator, can: set[str], chosen: dict[str, Any]) -> dict[str, Any]:
    if chosen.keys() & {"timing", "trim", "cut", "start"}:
        return {}
    choices = ["repeated", "swapped"] * ("order" in can) + ["restart"] * ("restart" in can and "late" not in chosen)
    if "streams" in chosen:  # sound would be put behind the first half
        choices = [choice for choice in choices if choice != "restart"]
    choices += ["missing"] * ("unstamped" in can)
    return {"stamps": _one(random, choices), "b_frames": 0} if choices else {}


def _trim(random: np.random.Generator, can: set[str], chosen: dict[str, Any]) -> dict[str, Any]:
    if "trim" not in can or chosen.keys() & {"timing", "late", "stamps", "streams", "cut"}:
        return {}
    return {"trim": _one(random, ((0, 3), (0, 15), (4, 0), (7, 0), (5, 8)))}


def _geometry(random: np.random.Generator, can: set[str], chosen: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    turns, mirrors = (
        [(-1, 0, 0, -1), (0, 1, -1, 0), (0, -1, 1, 0)],
        [(-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0)],
    )
    matrices = turns * ("turn" in can) + mirrors * ("mirror" in can)
    if matrices and random.random() < 0.7:
        found["orientation"] = _one(random, matrices)
    if "aspect" in can and chosen["codec"] in _SHAPED and random.random() < 0.6:
        found |= {"aspect": _one(random, ((2, 1), (4, 3), (1, 2))), "fit": _one(random, ("pad", "crop"))}
    return found


def _streams(random: np.random.Generator, can: set[str], chosen: dict[str, Any]) -> dict[str, Any]:
    if chosen.keys() & {"trim", "cut"} or chosen.get("stamps") == "restart":
        return {}
    choices = ["sound first", "sound", "long sound"] * ("sound" in can)
    choices += ["preview first", "preview first", "preview"] * ("second" in can) + ["cover", "cover", "song"] * (
        "cover" in can
    )
    return {"streams": _one(random, choices)} if choices else {}


def _cut(random: np.random.Generator, can: set[str], chosen: dict[str, Any]) -> dict[str, Any]:
    if (
        "cut" not in can
        or chosen.keys() & {"timing", "late", "stamps", "trim", "streams", "start"}
        or random.random() < 0.5
    ):
        return {}
    return {"cut": True, "rate": 10}


def _name(random: np.random.Generator, _can: set[str], _chosen: dict[str, Any]) -> dict[str, Any]:
    return {"name": _one(random, _NAMES)}


def _start(random: np.random.Generator, _can: set[str], chosen: dict[str, Any]) -> dict[str, Any]:
    return {} if chosen.keys() & {"stamps", "cut"} else {"start": float(_one(random, (0.1, 0.3, 0.5, 0.9)))}


_ODDITIES = {
    "timing": _timing,
    "late": _late,
    "stamps": _stamps,
    "trim": _trim,
    "geometry": _geometry,
    "streams": _streams,
    "cut": _cut,
    "name": _name,
    "start": _start,
}
