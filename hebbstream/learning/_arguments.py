"""What is handed to a run in the wrong place, of the wrong kind, or for others to read; found out before it starts.

Each check raises a `ConfigurationError` that says what is expected.
"""

import os
import sys
from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor

from hebbstream.errors import ConfigurationError
from hebbstream.network import SoftHebbNet
from hebbstream.streams._stream import Stream, as_stream


class Probe(Protocol):
    """What a run asks of a classifier: river's two methods, on a 1-D tensor of features.

    A class needs no base for it. `OnlineProbe` is that of the probes that a checkpoint can hold, and of no others.

    Examples
    --------
    >>> import hebbstream as hs
    >>> class Latest:
    ...     label = None
    ...     def predict_one(self, features):
    ...         return self.label
    ...     def learn_one(self, features, label):
    ...         self.label = label
    >>> net, samples = hs.SoftHebbNet.from_preset("mnist", width=4), [(torch.rand(28, 28), "dark")] * 3
    >>> hs.Learner(net, Latest()).learn(samples, progress=False).accuracy
    1.0
    """

    def predict_one(self, x: Any, /) -> Any:
        """Return the predicted label; ``None`` for no prediction, which counts in no accuracy."""
        ...

    def learn_one(self, x: Any, y: Any, /) -> None:
        """Learn from a label."""
        ...


def check_net(net: Any, *, then: str = "") -> None:
    """Refuse what is no network; `then` says what is expected besides."""
    if isinstance(net, type) and issubclass(net, SoftHebbNet):
        raise ConfigurationError(
            f"net={net.__name__}: expected an object, such as {net.__name__}.from_preset('cifar10')"
        )
    if not isinstance(net, SoftHebbNet):
        raise ConfigurationError(f"net of type {type(net).__name__}: expected a SoftHebbNet{then}")


def checked_stream(stream: Any) -> Stream[Any]:
    """Return samples as a stream; refuse the name of a file, the number of a camera, a data frame and a dict."""
    if isinstance(stream, str | bytes | os.PathLike | int):
        name = repr(os.fspath(stream) if isinstance(stream, os.PathLike) else stream)
        raise ConfigurationError(
            f"stream={name}: expected samples, such as open_video({name}) of hebbstream.adapters.video gives"
        )
    kind = type(stream).__name__
    if hasattr(stream, "columns") and hasattr(stream, "shape"):  # its items are the names of its columns
        raise ConfigurationError(f"stream of type {kind}: expected samples, such as windows(…) cuts out of its rows")
    if isinstance(stream, Mapping):  # its items are its keys
        raise ConfigurationError(
            f"stream of type {kind}: expected samples, such as interleave(…) makes of several streams"
        )
    return as_stream(stream)


def check_probe(probe: Any) -> None:
    """Refuse what cannot tell classes from features."""
    if probe is None:
        return
    if isinstance(probe, type):
        raise ConfigurationError(f"probe={probe.__name__}: expected an object, {probe.__name__}()")
    river = sys.modules.get("river.base")
    others = river is not None and isinstance(probe, river.Regressor | river.MultiTargetRegressor | river.Clusterer)
    if others or not all(callable(getattr(probe, name, None)) for name in ("predict_one", "learn_one")):
        raise ConfigurationError(
            f"probe of type {type(probe).__name__}: expected a classifier with predict_one and learn_one,"
            " such as LinearProbe() or one of river's; a regressor stands behind SoftHebbTransformer in a river pipeline"
        )


def as_read_by(probe: Any, features: Tensor) -> Any:
    """Return features as a probe reads them: by number, as a dict, for river's own models, which know nothing else."""
    river = sys.modules.get("river.base")  # who has made one of its models has imported it
    if river is None or not isinstance(probe, river.Estimator) or hasattr(probe, "as_probe"):
        return features
    return dict(enumerate(features.tolist()))
