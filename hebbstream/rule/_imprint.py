"""Imprinting: a neuron takes over a patch of the stream at once, most often one in which something moves."""

import math
from typing import TypeVar

import torch
from torch import Tensor, nn

from hebbstream.rule._rounding import rounded_in_turn

Number = TypeVar("Number", int, Tensor)

_PLACES = 256  # of a sample, at which patches are looked at: all of a second layer's for frames of 32×32
_RANGE = 2**32
_MULTIPLIERS = (0x21F0AAAD, 0x735A2D97)  # below 2**31: products fit into a signed 64-bit number
_STRIDE = 101  # has no factor in common with the number of places: one after another, all have their turn
_SHRINKAGE = 0.3
_COMMON = 0.9  # of what moves at the middle place: not all of it, for all places of a small picture may move alike
_LEAST = 1e-30  # where nothing has moved
_SMOOTHED = 100  # samples: motion comes in bursts, and is the same from minute to minute


class Imprinting(nn.Module):
    """Chooses which patch each neuron holds.

    A layer whose neurons hold patches of the stream tells its inputs apart better than random weights do, if the patches
    are of what matters, and most of a picture is scenery. What matters moves: a neuron takes over a patch with a
    chance that is proportional to its motion, the distance from the patch at the same place one sample before. Noise, flicker and a
    camera that shakes move all of a picture, so nine tenths of what moves at the median place are no motion.

    Each neuron holds one patch, drawn from all of the stream so far (weighted reservoir sampling; Chao 1982): with ``m`` the motion
    of a patch, ``M`` that of a sample and ``ΣM`` that of all samples so far, a neuron takes one with the chance ``M/ΣM``, and this one
    with ``m/M``. Where nothing moves, nothing changes. A patch of zeros has no motion: a neuron that held it would always answer
    with 0. Changes become rare: after n samples, one neuron in n or so changes with each. To copy a patch is Hebb's rule in one step,
    for a neuron that answers to nothing else (weight imprinting; Qi et al. 2018).

    A layer may come to rest, so that the next one has something to build on. How many samples it has learned from is
    ``n = (Σs)²/Σs²``, with s a running mean of M over the last hundred samples or so: as many as would do if the same moved in each
    (effective sample size; Kish 1965). A camera that sees an empty room for an hour has shown next to nothing, once someone comes in:
    most of what moved is then still to come.

    Chance is a hash of the number of steps, so that a run that is resumed goes on as it would have.

    Neighbours in a picture are nearly equal, so patches as they are tell coarse things apart. A neuron can hold one whitened, too:
    ``S⁻¹p``, of a patch p and the second moments S of all patches. That is the linear filter that tells p best from all others
    (Hariharan et al. 2012), and it is fine. The inverse follows the stream by one patch a step, as in recursive least squares.

    Parameters
    ----------
    synapses
        Values in a patch.
    device
        Where its memory lies.
    whitens
        Whether it keeps the inverse of the second moments, for `whitened`.
    seed
        Of chance.

    Examples
    --------
    Of four places only the third shows something else than before. Both neurons take over what is there now:

    >>> imprinting = Imprinting(synapses=1)
    >>> _, _, taken = imprinting.draw(torch.tensor([[1.0], [2.0], [3.0], [4.0]]), samples=1, neurons=2)
    >>> taken
    tensor([False, False])
    >>> seen, chosen, taken = imprinting.draw(torch.tensor([[1.0], [2.0], [5.0], [4.0]]), samples=1, neurons=2)
    >>> seen[chosen], taken
    (tensor([[5.],
            [5.]]), tensor([True, True]))
    """

    before: Tensor
    moved: Tensor
    steps: Tensor
    inverse: Tensor | None

    def __init__(
        self, synapses: int, device: str | torch.device = "cpu", *, whitens: bool = False, seed: int = 0
    ) -> None:
        super().__init__()
        self.seed = seed
        self.register_buffer("before", torch.zeros(_PLACES, synapses, dtype=torch.float32, device=device))
        moved = torch.zeros(4, dtype=torch.float32, device=device)
        self.register_buffer("moved", moved)  # ΣM of all samples; Σs, Σs² and s of those since plasticity was reopened
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64, device=device))
        inverse = None
        if whitens:
            inverse = torch.zeros(synapses, synapses, dtype=torch.float32, device=device)
            inverse.diagonal().fill_(1.0)  # `eye` without memory (device meta) imports sympy
        self.register_buffer("inverse", inverse)

    def draw(
        self, patches: Tensor, samples: int, neurons: int, rests_after: int | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the patches that were looked at, which of them is for each neuron, and whether it takes it over.

        The memory goes on to this step.

        Parameters
        ----------
        patches
            Of a step, sample after sample; shape (P, N). Of all places, or of `places_of` them.
        samples
            In the step.
        neurons
            K.
        rests_after
            If given, the chance is multiplied by ``1 − n/rests_after``, of samples that count by how much moves in them.

        Returns
        -------
        tuple[Tensor, Tensor, Tensor]
            Shapes (256 × `samples`, N), (K,) and (K,).
        """
        of_a_sample = len(patches) // samples
        seen = patches.view(samples, of_a_sample, -1)
        if of_a_sample != _PLACES:
            seen = seen.index_select(1, places_of(of_a_sample, patches.device))
        before = self.before.unsqueeze(0)
        if samples > 1:
            before = torch.cat([before, seen.narrow(0, 0, samples - 1)])
        lit = torch.linalg.vector_norm(seen, dim=2) > 0  # several times as fast as `any`
        motion = _beyond_common((seen - before).square_().sum(dim=2).sqrt_().mul_(lit))
        motion.select(0, 0).mul_(self.steps.clamp(max=1))  # before the first sample there was none
        self.before.copy_(seen.select(0, -1))
        chance = self._chance(motion, rests_after)
        if chance.is_cpu and not chance:  # elsewhere, the host would have to be told
            self.steps += 1
            nothing = torch.zeros(neurons, dtype=torch.int64)
            return seen.flatten(0, 1), nothing, nothing > 0
        at, whether = _random(self.steps, neurons, self.seed)
        if self.inverse is not None:
            patch = self.before.index_select(0, (self.steps * _STRIDE % _PLACES).view(1)).view(-1)
            _add_moments(self.inverse, patch * (chance > 0), self.steps)
        self.steps += 1
        sums = _running_sums(motion)
        chosen = torch.searchsorted(sums, at * sums.select(0, -1), right=True).clamp_(max=len(sums) - 1)
        return seen.flatten(0, 1), chosen, whether < chance

    def reopen(self) -> None:
        """Count from zero how much has moved, before a layer comes to rest."""
        self.moved.narrow(0, 1, 3).zero_()

    def _chance(self, motion: Tensor, rests_after: int | None) -> Tensor:
        """Count what moved at each place of some samples, shape (S, P); return the chance that a neuron takes a patch over."""
        samples, moved = len(motion), motion.sum(dtype=torch.float64)
        always, since, squares, smooth = self.moved.double().unbind()
        smooth = torch.lerp(smooth, moved / samples, 1.0 - (1.0 - 1.0 / _SMOOTHED) ** samples)
        sums = torch.stack([always + moved, since + samples * smooth, squares + samples * smooth.square(), smooth])
        self.moved.copy_(rounded_in_turn(sums, self.steps))
        always, since, squares, _ = sums.clamp_(min=_LEAST).unbind()
        if rests_after is None:
            return moved / always
        return moved / always * (1.0 - since.square() / squares / rests_after).clamp_(min=0.0)

    def whitened(self, patches: Tensor) -> Tensor:
        """Return ``S⁻¹p`` of each patch p, but for a factor; shape (n, N) in and out."""
        return patches if self.inverse is None else patches @ self.inverse


def places_of(count: int, device: torch.device) -> Tensor:
    """Return which of so many places of a sample are looked at, shape (256,).

    Examples
    --------
    >>> places_of(512, torch.device("cpu"))[:3]
    tensor([0, 2, 4])
    """
    return torch.arange(_PLACES, device=device) * count // _PLACES


def _beyond_common(motion: Tensor) -> Tensor:
    """Return what moves, of shape (S, P), without most of what moves at the middle place of each sample.

    Examples
    --------
    >>> _beyond_common(torch.tensor([[1.0, 1.0, 1.0, 4.0]]))
    tensor([[0.1000, 0.1000, 0.1000, 3.1000]])
    """
    common = motion.sort(dim=1).values.narrow(1, motion.shape[1] // 2, 1)  # `median` is not deterministic on a card
    return motion.sub(common, alpha=_COMMON).clamp_(min=0.0)


def _add_moments(inverse: Tensor, patch: Tensor, step: Tensor) -> None:
    """Change the inverse of a sum of second moments to that of the sum with those of a patch (Sherman and Morrison 1950).

    Each time one direction has a part of the patch's energy added, too, in turn: where patches hardly vary, noise stays small.
    """
    turn = torch.arange(len(patch), device=patch.device) == step % len(patch)
    for added in (patch, turn * (torch.linalg.vector_norm(patch) * math.sqrt(_SHRINKAGE))):
        seen = torch.mv(inverse, added)
        inverse.addr_(seen, seen / (1.0 + torch.dot(seen, added)), alpha=-1)


def _running_sums(values: Tensor) -> Tensor:
    """Return the sums of (S, N) values up to each one, row after row; float64, shape (S · N,).

    By products on a card, whose `cumsum` adds in another order each time.
    """
    if values.is_cpu:
        return values.flatten().cumsum(dim=0, dtype=torch.float64)
    values = values.double()
    samples, count = values.shape
    within = values @ values.new_ones(count, count).triu()
    before = values.new_ones(samples, samples).tril(-1) @ within.select(1, -1)
    return (within + before.unsqueeze(1)).flatten()


def _random(step: Tensor, count: int, seed: int = 0) -> Tensor:
    """Return two rows of numbers in [0, 1) for a step and a seed, the same on every device; shape (2, count), float64.

    Examples
    --------
    >>> numbers = _random(torch.tensor(3), 10_000)
    >>> bool((numbers.mean(dim=1) - 0.5).abs().max() < 0.01), bool(torch.corrcoef(numbers)[0, 1].abs() < 0.03)
    (True, True)
    """
    place = step * (2 * count) + torch.arange(2 * count, device=step.device)
    # What is beyond the range changes the order of all in it: else, months later, the same neurons would change again and again.
    x = _mixed(place % _RANGE ^ _mixed(place // _RANGE) ^ _mixed(seed % _RANGE))
    return (x.double() / _RANGE).view(2, count)


def _mixed(x: Number) -> Number:
    """Return a hash of integers in [0, 2³²), of that range; each has another, and that of 0 is 0."""
    for multiplier, shift in zip(_MULTIPLIERS, (16, 15), strict=True):
        x = ((x ^ (x >> shift)) * multiplier) & (_RANGE - 1)
    return x ^ (x >> 15)
