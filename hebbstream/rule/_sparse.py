"""Event-driven plasticity: update the weights from the few activities that matter.

A soft winner-take-all is nearly sparse. In a deep layer a few neurons in a hundred hold almost all of the activity of a
position, and many neurons hold none at any position of a sample. An *event* is a neuron's activity at a position above
the threshold. The update then costs one row of patches for each event, and touches the weights of the active neurons
only.

The error is bounded by what was dropped. With θ the threshold and the sum over the positions where ``y_k ≤ θ``,

    ‖Δw_k − Δw_k(dense)‖ ≤ Σ y_k·‖x − u_k·w_k‖ ≤ θ·Σ ‖x − u_k·w_k‖.

As norms fall, competition softens, and more activities pass a fixed threshold. A *budget* of n events a position bounds
what a step costs, at n·P rows of patches: the threshold rises at each position to the activity after the n largest,
``θ_p = max(θ, y_(n+1)) ≤ 1/(n + 1)``, which takes θ's place in the bound. Positions do not see each other, so that the
changes of the parts of a step still add up to that of the whole.

Used on the CPU. The number of events is data, which a device would have to tell the host before it could go on; there
the same entries are dropped from a dense product instead.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hebbstream.rule._plasticity import PlasticityName, drop_small, hard_winner_take_all, soft_winner_take_all

DENSEST = 0.25  # share of entries above which a dense product is faster


@dataclass(frozen=True, slots=True)
class Events:
    """The activity above a threshold, sorted by neuron.

    Parameters
    ----------
    neurons
        The active ones, ascending, shape (A,).
    starts
        Where each active neuron's events begin, shape (A,).
    positions
        Of each event, shape (E,).
    strengths
        ``s·y`` of each event, shape (E,).
    pull
        ``Σ s·y·u`` of each active neuron, shape (A,).
    """

    neurons: Tensor
    starts: Tensor
    positions: Tensor
    strengths: Tensor
    pull: Tensor

    def weight_change(self, patches: Tensor, rows: Tensor) -> Tensor:
        """Sum the local updates (eq. 2) of the active neurons.

        Parameters
        ----------
        patches
            ``x``, shape (P, N).
        rows
            The active neurons' weights, shape (A, N).

        Returns
        -------
        Tensor
            Shape (A, N).
        """
        # A bag for each neuron: the sum of the patches at its events' positions, weighted by their strengths.
        change = F.embedding_bag(self.positions, patches, self.starts, mode="sum", per_sample_weights=self.strengths)
        return change.addcmul_(self.pull.unsqueeze(1), rows, value=-1.0)


def find_events(
    weighted_input: Tensor,
    plasticity: PlasticityName,
    inverse_temperature: float,
    threshold: float,
    budget: int | None = None,
) -> Events | None:
    """Find the events of a step, or return ``None`` where they are too many, or none, to be worth it.

    Parameters
    ----------
    weighted_input
        ``u``, shape (P, K), on the CPU.
    plasticity, inverse_temperature
        As in `hebbstream.rule._plasticity.plastic_activity`, other than ``"hebbian"``, which has no competition.
    threshold
        Activities up to this are dropped.
    budget
        Most events of a position; ``None`` for any number.

    Examples
    --------
    >>> u = torch.tensor([[0.0, 9.0, 8.0, 0.0], [0.0, 0.0, 9.0, 0.0], [0.0, 0.0, 9.0, 0.0], [0.0, 0.0, 9.0, 0.0]])
    >>> events = find_events(u, "soft_anti_hebbian", 1.0, threshold=0.5)
    >>> events.neurons, events.starts, events.positions
    (tensor([1, 2]), tensor([0, 1]), tensor([0, 1, 2, 3]))
    """
    if plasticity == "hard_wta":
        dense = hard_winner_take_all(weighted_input)
    else:
        dense = soft_winner_take_all(weighted_input, inverse_temperature)
        if budget is not None:
            drop_small(dense, weighted_input, threshold, budget)
    u, activity = weighted_input.numpy(), dense.numpy()
    size = activity.shape[1]
    flat = np.flatnonzero(activity > threshold)
    if not 0 < flat.size <= DENSEST * activity.size:
        return None
    positions = flat // size
    neurons = (flat - positions * size).astype(np.min_scalar_type(size))
    order = np.argsort(neurons, kind="stable")  # short integers are sorted by radix
    flat, positions, neurons = flat[order], positions[order], neurons[order]
    strengths = activity.reshape(-1)[flat]
    if plasticity == "soft_anti_hebbian":
        strengths[u.argmax(axis=1)[positions] != neurons] *= -1.0
    starts = np.flatnonzero(np.append(True, neurons[1:] != neurons[:-1]))
    pull = np.add.reduceat(strengths * u.reshape(-1)[flat], starts)
    return Events(*map(torch.from_numpy, (neurons[starts].astype(np.int64), starts, positions, strengths, pull)))
