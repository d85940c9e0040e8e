"""Which layer, and which of its neurons, to look at."""

from collections.abc import Iterable

from hebbstream._numbers import as_index
from hebbstream._quote import quote
from hebbstream.errors import ConfigurationError
from hebbstream.learning._arguments import check_net
from hebbstream.network._network import SoftHebbNet


def check_layer(net: SoftHebbNet, layer: int) -> None:
    """Refuse an index that names no layer."""
    check_net(net)
    if not 0 <= as_index(layer) < len(net.layers):
        raise ConfigurationError(f"layer={quote(layer)}: expected an index from 0 to {len(net.layers) - 1}")


def check_neurons(net: SoftHebbNet, layer: int, neurons: Iterable[int] | None) -> list[int]:
    """Return the indices as a list, all of the layer for ``None``; refuse one that names no neuron."""
    check_layer(net, layer)
    count = net.layers[layer].spec.channels
    if neurons is not None and not isinstance(neurons, Iterable):
        raise ConfigurationError(f"neurons={quote(neurons)}: expected a list of indices, or None for all")
    chosen = list(range(count)) if neurons is None else [as_index(neuron) for neuron in neurons]
    wrong = [neuron for neuron in chosen if not 0 <= neuron < count]
    if wrong or not chosen:
        raise ConfigurationError(f"neurons={wrong or chosen}: expected indices from 0 to {count - 1}")
    return chosen


def some_neurons(net: SoftHebbNet, layer: int, most: int) -> list[int]:
    """Return up to `most` indices of neurons, spread evenly over the layer.

    Examples
    --------
    >>> some_neurons(SoftHebbNet.from_preset("cifar10", width=12), 0, 4)
    [0, 3, 6, 9]
    """
    count = net.layers[layer].spec.channels
    shown = min(most, count)
    return [index * count // shown for index in range(shown)]
