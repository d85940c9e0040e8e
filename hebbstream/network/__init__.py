"""A network: layers that all learn from the same sample as it passes."""

from hebbstream.network._layer import SoftHebbLayer
from hebbstream.network._load import load
from hebbstream.network._network import SoftHebbNet
from hebbstream.network._presets import PRESETS
from hebbstream.network._spec import LayerSpec

__all__ = ["PRESETS", "LayerSpec", "SoftHebbLayer", "SoftHebbNet", "load"]
