"""`Freshness`: examples looked at again, one at a time, as their features change with the network."""

from collections.abc import Callable

from torch import Tensor

from hebbstream.network import SoftHebbNet
from hebbstream.studio._examples import Examples
from hebbstream.studio._picture import Pixels


class Freshness:
    """Goes round the examples; after each round the probe is to learn from what they look like by then.

    Parameters
    ----------
    examples
        What is looked at.
    net
        Looks.
    look
        Returns the features of a frame.
    """

    def __init__(self, examples: Examples, net: SoftHebbNet, look: Callable[[Pixels], Tensor]) -> None:
        self._examples, self._net, self._look = examples, net, look
        self._place = 0
        self._began = self._seen_at = -1

    def __bool__(self) -> bool:
        """Whether the examples' features are those that the network gives as it is now."""
        return self._seen_at == self._net.samples_seen

    def look_at_one(self) -> bool:
        """Look at the next example; return whether that ends a round."""
        kept = list(self._examples)
        if self or not kept:
            return False
        if self._place == 0:
            self._began = self._net.samples_seen
        example = kept[min(self._place, len(kept) - 1)]
        example.features = self._look(example.frame)
        self._place += 1
        if self._place < len(kept):
            return False
        self._place, self._seen_at = 0, self._began
        return True

    def look_at_all(self) -> None:
        """Look at every example now."""
        for example in self._examples:
            example.features = self._look(example.frame)
        self._place, self._seen_at = 0, self._net.samples_seen

    def restart(self) -> None:
        """Begin a new round, as there are other examples."""
        self._place = 0
