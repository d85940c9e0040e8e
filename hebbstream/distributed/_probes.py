"""`SharedProbe`: what the ranks' probes have learned apart becomes what one would have learned."""

from collections.abc import Hashable

import torch
from torch import Tensor

from hebbstream.distributed._peers import Peers
from hebbstream.errors import ConfigurationError, ImageSizeError
from hebbstream.probe import OnlineProbe
from hebbstream.probe._inputs import checked_label
from hebbstream.probe._labels import decode_label, encode_label
from hebbstream.probe._moments import MomentProbe


class SharedProbe:
    """A probe on each rank, the same again after every `merge`.

    The sums of `RidgeProbe` and `SldaProbe` add up exactly; between merges each rank predicts by the last sums and its own
    labels. The weights of `SoftmaxProbe` are averaged, each rank's by its labels, and so is any probe's temperature.

    Parameters
    ----------
    probe
        This rank's, as it is on all others.
    peers
        The ranks.
    device
        Where features are: tensors of a rank without a label must lie there as well, or it would wait for sums on a card among
        those on the host.

    Raises
    ------
    ConfigurationError
        If the probe has a half-life: sums that fade depend on the order of the samples.
    """

    def __init__(self, probe: OnlineProbe, peers: Peers, device: torch.device) -> None:
        if getattr(probe, "half_life", None) is not None:
            raise ConfigurationError(
                f"probe with half_life={probe.options()['half_life']} on several ranks: expected None"
            )
        self._probe, self._peers, self._device = probe, peers, device
        self._mark()

    def _mark(self) -> None:
        probe = self._probe
        self._steps, self._known = probe.steps, len(probe.classes)
        self._before = {name: tensor.clone() for name, tensor in (probe._shared | probe._per_class).items()}

    def check(self, label: Hashable) -> None:
        """Refuse a label that cannot be told to the others: later, what all have learned could not be merged with it."""
        encode_label(checked_label(label))

    def refuse_another_size(self, told: list[int]) -> None:
        """Refuse labelled frames with other features on one rank than on another; `told` says how many, 0 before the first.

        Raises
        ------
        ImageSizeError
            On all ranks alike.
        """
        first, features = next(((rank, count) for rank, count in enumerate(told) if count), (0, 0))
        for rank, other in enumerate(told):
            if other not in (0, features):
                raise ImageSizeError(
                    f"labelled frames with {other} features on rank {rank}, with {features} on rank {first}:"
                    " expected frames of one size on all"
                )

    def merge(self) -> None:
        """Take in what all ranks have learned since the last time; each must call it.

        Raises
        ------
        ImageSizeError
            On all ranks, if one has learned from frames of another size, which have other features.
        """
        probe = self._probe
        classes = [encode_label(label) for label in probe.classes]
        own = {"labels": probe.steps - self._steps, "classes": classes, "features": probe.n_features}
        told = self._peers.gather_terms(own)
        labels = [other["labels"] for other in told]
        if not sum(labels):
            return
        sizes = [other["features"] or 0 for other in told]
        self.refuse_another_size(sizes)
        if probe.n_features is None:
            probe._allocate(max(sizes), 0, self._device)
        of_rank = [list(map(decode_label, other["classes"])) for other in told]
        self._order(list(dict.fromkeys(label for known in of_rank for label in known)))
        if isinstance(probe, MomentProbe):
            self._add(labels)
        else:
            self._average(labels, of_rank)
        if probe._temperature is not None:
            state = probe._temperature.state * labels[self._peers.rank]
            probe._temperature.state = self._peers.sum(state) / sum(labels)
        probe.steps = self._steps + sum(labels)
        if isinstance(probe, MomentProbe) and len(probe.classes) > self._known:
            probe._newest = probe.steps  # each rank has another count of when the class came
        probe._replaced()
        self._mark()

    def _order(self, classes: list[Hashable]) -> None:
        """Give every rank's probe the rows of all classes, in one order; those known before stay where they are."""
        probe = self._probe
        for label in classes:
            probe._row_of(label)
        rows = torch.tensor([probe._row[label] for label in classes], dtype=torch.int64, device="cpu")
        for name, tensor in probe._per_class.items():
            probe._per_class[name] = tensor[rows.to(tensor.device)]
        probe.classes, probe._row = classes, {label: row for row, label in enumerate(classes)}

    def _add(self, labels: list[int]) -> None:
        probe, shared, rows = self._probe, self._probe._shared, self._probe._per_class
        first = next(rank for rank, count in enumerate(labels) if count)
        if not self._steps:  # each rank has counted from a sample of its own
            mine = self._peers.rank == first
            origin = self._peers.sum(shared["origin"].clone() if mine else torch.zeros_like(shared["origin"]))
            shift = probe._project((shared["origin"] - origin).unsqueeze(0)).squeeze(0)  # type: ignore[attr-defined]
            moved = torch.eye(len(shift) + 1, dtype=shift.dtype, device=shift.device)
            moved[:-1, -1] = shift
            shared["gram"] = moved @ shared["gram"] @ moved.T
            rows["sums"] = rows["sums"] @ moved.T
            shared["origin"] = origin
        for tensors, name in ((shared, "gram"), (rows, "sums")):
            before = self._earlier(name, tensors[name])
            tensors[name] = before + self._peers.sum(tensors[name] - before)

    def _average(self, labels: list[int], of_rank: list[list[Hashable]]) -> None:
        probe = self._probe
        mine = labels[self._peers.rank]
        for name, tensor in probe._shared.items():
            probe._shared[name] = self._peers.sum(tensor * mine) / sum(labels)
        # A row is of the ranks that know its class.
        told = [
            sum(count for count, known in zip(labels, of_rank, strict=True) if label in known)
            for label in probe.classes
        ]
        own = [mine if label in of_rank[self._peers.rank] else 0 for label in probe.classes]
        for name, tensor in probe._per_class.items():
            if name == "count":
                before = self._earlier(name, tensor)
                probe._per_class[name] = before + self._peers.sum(tensor - before)
                continue
            shape = (-1, *[1] * (tensor.ndim - 1))
            counts, weights = (tensor.new_tensor(values).view(shape) for values in (told, own))
            probe._per_class[name] = self._peers.sum(tensor * weights) / counts

    def _earlier(self, name: str, like: Tensor) -> Tensor:
        """Return what a tensor was after the last merge, with rows of zeros for classes that came since."""
        before = torch.zeros_like(like)
        if name in self._before and self._steps:
            earlier = self._before[name]
            before[: len(earlier)] = earlier
        return before
