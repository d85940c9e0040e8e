"""Linear classifiers on features, learned one labelled sample at a time, with one interface for every solver."""

from hebbstream.probe._base import OnlineProbe
from hebbstream.probe._replay import Replay
from hebbstream.probe._ridge import RidgeProbe
from hebbstream.probe._slda import SldaProbe
from hebbstream.probe._softmax import SoftmaxProbe

__all__ = ["OnlineProbe", "Replay", "RidgeProbe", "SldaProbe", "SoftmaxProbe"]
