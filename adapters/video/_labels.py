"""Labels as a function of time, for `open_video`."""

import bisect
import json
from collections.abc import Callable
from pathlib import Path

from hebbstream.adapters._common import expand_home
from hebbstream.errors import ConfigurationError


def labels_from_json(path: str | Path) -> Callable[[float], str | None]:
    """Read labels over time from JSON: ``{"segments": [{"start": seconds, "label": name}, …]}``, in order of time.

    A label of ``null`` leaves what follows, up to the next segment, without one.

    Raises
    ------
    ConfigurationError
        If the file cannot be read or has another form.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "labels.json"
    >>> _ = path.write_text('{"segments": [{"start": 0, "label": "day"}, {"start": 60, "label": "night"}]}')
    >>> label = labels_from_json(path)
    >>> label(59.9), label(60.0)
    ('day', 'night')
    """
    try:
        segments = json.loads(Path(expand_home(path)).read_text(encoding="utf-8"))["segments"]
        starts = [float(segment["start"]) for segment in segments]
        names = [None if (name := segment["label"]) is None else str(name) for segment in segments]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"labels {path}: {error!r}; expected JSON with segments of start and label") from None
    if not starts or starts != sorted(starts):
        raise ConfigurationError(f"labels {path}: expected at least one segment, in order of their start")
    # Half a millisecond of grace, as a container's clock rounds.
    return lambda t: names[max(0, bisect.bisect_right(starts, t + 5e-4) - 1)]
