"""Linear classifiers on features, learned one labelled sample at a time, with one interface for every solver."""

from hebbstream.probe._base import OnlineProbe, as_online_probe
from hebbstream.probe._ridge import RidgeProbe
from hebbstream.probe._slda import SldaProbe
from hebbstream.probe._softmax import SoftmaxProbe

SOLVERS: dict[str, type[OnlineProbe]] = {probe.solver: probe for probe in (SoftmaxProbe, RidgeProbe, SldaProbe)}
"""Every probe by the name of its solver."""

__all__ = ["SOLVERS", "OnlineProbe", "RidgeProbe", "SldaProbe", "SoftmaxProbe", "as_online_probe"]
