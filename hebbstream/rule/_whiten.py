"""Channels that are told apart: by running second moments, or by what colours of natural pictures have in common."""

import logging
import math
from itertools import chain

import torch
from torch import Tensor

from hebbstream.errors import ConfigurationError
from hebbstream.rule._normalize import Moments, StreamNorm
from hebbstream.rule._patches import patches

_log = logging.getLogger("hebbstream.rule")

_MANY = 2048  # values of a patch, from which on a map takes seconds; its time grows with their cube
# The first was chosen on layers of 16 and 64 channels, the last on those of 96 and 384.
_SHRINKAGE, _FEW_CHANNELS, _PER_CHANNEL = 0.1, 64, 0.005
_ITERATIONS = 20  # enough for thousands of channels at this shrinkage
_GROWTH, _LONGEST = 1.2, 500  # samples between two maps: by growth at first, and at most so many


class StreamWhitening(StreamNorm):
    """Standardise channels, and take out what they have in common.

    The neurons of a layer answer to much the same: brightness, slow gradients. What is left to tell inputs apart by then
    lies in small differences, which the next layer's weights, drawn or learned, hardly see. Here the channels of each
    pixel pass through the inverse square root of their correlations (zero-phase whitening; Bell and Sejnowski 1997),
    ``A = √(1 + s) · (R + s·I)^(−1/2) · D^(−1/2)``, with variances D and correlations R of the stream so far. Uncorrelated
    channels are standardised as by `StreamNorm`. The shrinkage s keeps noise small. It is 0.1 for up to 64
    channels, and 0.005 more for each one after them: the more channels say much the same, the more of R lies in a few of its
    eigenvalues, and the more noise is in the others.

    The map is made anew at sample 1, 2, 3 …, and then each time that their number has grown by a fifth, at least every
    500, and as a channel begins anew; on an accelerator at every step, as to ask for the number would make it wait.

    Parameters
    ----------
    channels, momentum, device
        See `StreamNorm`.

    Examples
    --------
    >>> norm = StreamWhitening(2)
    >>> x = torch.randn(1, 2, 50, 50, generator=torch.Generator().manual_seed(0))
    >>> white = norm.learn(x + 3 * x.flip(1))
    >>> bool(torch.corrcoef(white.flatten(2)[0])[0, 1] < 0.3), bool(torch.corrcoef((x + 3 * x.flip(1))[0].flatten(1))[0, 1] > 0.5)
    (True, True)
    """

    covariance: Tensor
    matrix: Tensor

    def __init__(self, channels: int, momentum: float = 1e-4, *, device: str | torch.device = "cpu") -> None:
        super().__init__(channels, momentum, device=device)
        identity = torch.zeros(channels, channels, dtype=torch.float32, device=device)
        identity.diagonal().fill_(1.0)  # `eye` without memory (device meta) imports sympy
        self.register_buffer("covariance", identity)
        self.register_buffer("matrix", identity.clone())

    def moments(self, x: Tensor) -> Moments:
        """Return what `follow` takes in of a step, shape (B, C, H, W); nothing changes."""
        pixels = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])
        first = pixels.select(0, 0) if len(pixels) else x.new_zeros(x.shape[1])
        centred = pixels - first  # as in `StreamNorm`
        shift = centred.mean(dim=0)
        centred -= shift
        return Moments(first + shift, (centred.t() @ centred).div_(len(pixels)), x.shape[0])

    def follow(self, moments: Moments) -> None:
        """Let the statistics, and when it is due the map, follow those of a step."""
        covariance, samples = moments.spread, moments.samples
        begin, weight, shift = self._update(moments.mean, covariance.diagonal(), samples)
        weights = weight.expand_as(covariance).masked_fill(begin & begin.unsqueeze(1), 1.0)
        self.covariance.addr_(shift, weight * shift).lerp_(covariance, weights)
        self.make_map(samples, begin.any())

    def make_map(self, samples: int, began: Tensor | bool) -> None:
        """Make the map anew, if it is due after a step of so many samples, or with it a channel has begun anew."""
        if not self.count.is_cpu or began or _is_due(int(self.count), samples):
            self.matrix.copy_(self._map())

    def _map(self) -> Tensor:
        """Return the map for the statistics, shape (C, C)."""
        return _whitening(self.covariance, self.eps, self._shrinkage())

    def _shrinkage(self) -> float:
        return _SHRINKAGE + _PER_CHANNEL * max(0, len(self.mean) - _FEW_CHANNELS)

    def cut(self, x: Tensor) -> Tensor:
        """Return what is whitened of a layer's input, shape (B, C, H, W)."""
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Whiten by the running statistics; shape (B, C, H, W) in and out."""
        return ((x.permute(0, 2, 3, 1) - self.mean) @ self.matrix.t()).permute(0, 3, 1, 2)

    def affine(self) -> tuple[Tensor, Tensor]:
        """Return the map that it applies to the channels of a pixel, ``A·x + b``; float64, shapes (C, C) and (C,)."""
        matrix = self.matrix.double()
        return matrix, -matrix @ self.mean.double()


class ColorWhitening(StreamWhitening):
    """Whiten red, green and blue as those of natural pictures are whitened, whatever the stream shows.

    A whitening that follows the stream takes out what *this* video's colours have in common: of vivid ones hardly anything,
    of a game's few ones whatever they happen to be. Eyes do not adapt so far: all their lives, they send on brightness and
    the differences of colours as natural light has them (Ruderman et al. 1998). Here the means of the channels and one
    variance, that of all three, follow the stream, so that the light does not matter; the correlations are those of
    natural pictures, ``A = √(1 + s) · (R + s·I)^(−1/2) / σ``, with a shrinkage of 0.1.

    Three channels are taken for colours. Of any other number, the correlations follow the stream.

    Parameters
    ----------
    channels, momentum, device
        See `StreamNorm`.

    Examples
    --------
    >>> norm = ColorWhitening(3)
    >>> grey = torch.randn(1, 1, 50, 50, generator=torch.Generator().manual_seed(0)).expand(1, 3, 50, 50)
    >>> tinted = grey * torch.tensor([1.2, 1.0, 0.8]).view(3, 1, 1)
    >>> norm.learn(grey).std().item() < ColorWhitening(3).learn(tinted).std().item()  # colour counts more
    True
    """

    def _map(self) -> Tensor:
        if len(self.mean) != len(_NATURAL_MAP):
            return super()._map()
        found = torch.empty_like(self.matrix)
        for place, value in zip(found.view(-1), chain.from_iterable(_NATURAL_MAP), strict=True):
            place.fill_(value)  # a copy of constants would make an accelerator wait
        return found.mul_(torch.rsqrt(self.covariance.diagonal().mean() + self.eps))


class PatchWhitening(StreamWhitening):
    """Whiten whole patches: of each pixel its neighbours, too.

    Neighbours in a smooth signal, or in a spectrogram, are nearly equal. Then almost all that a kernel sees is the level
    of its patch: a few neurons that look for a high or a low one win everywhere, and the others do not learn. What comes out
    has the values of a whole patch as the channels of each pixel, ordered (row, column, channel).

    Parameters
    ----------
    channels
        See `StreamNorm`.
    kernel
        (rows, columns) of a patch.
    momentum, device
        See `StreamNorm`.

    Examples
    --------
    >>> norm = PatchWhitening(1, (1, 5))
    >>> x = torch.randn(1, 1, 1, 2000, generator=torch.Generator().manual_seed(0))
    >>> white = norm.learn(x + x.roll(1) + x.roll(2))  # neighbours that have two thirds in common
    >>> white.shape, bool(torch.corrcoef(white[0, :, 0])[0, 1] < 0.3)
    (torch.Size([1, 5, 1, 2000]), True)
    """

    def __init__(
        self, channels: int, kernel: tuple[int, int], momentum: float = 1e-4, *, device: str | torch.device = "cpu"
    ) -> None:
        values = channels * kernel[0] * kernel[1]
        if values > _MANY:
            _log.warning(
                "patches of %d channels are whitened, %d values each: a step may take minutes; fewer channels take less"
                " (of a table, --columns chooses)",
                *(channels, values),
            )
        super().__init__(values, momentum, device=device)
        self.kernel = kernel

    def learn(self, x: Tensor, moments: Moments | None = None) -> Tensor:
        """Take a step's statistics in, then whiten it; shapes (B, C, H, W) and (B, rows·columns·C, H, W)."""
        cut = self.cut(x)
        self.follow(moments or super().moments(cut))
        return super().forward(cut)

    def moments(self, x: Tensor) -> Moments:
        """Return what `follow` takes in of a step, shape (B, C, H, W); nothing changes."""
        return super().moments(self.cut(x))

    def forward(self, x: Tensor) -> Tensor:
        """Whiten by the running statistics; shapes as of `learn`."""
        return super().forward(self.cut(x))

    def _shrinkage(self) -> float:
        return _SHRINKAGE  # patches were measured with it at every size

    def cut(self, x: Tensor) -> Tensor:
        """Return the patches of a layer's input, shapes (B, C, H, W) and (B, rows·columns·C, H, W)."""
        return patches(x, self.kernel).flatten(3).permute(0, 3, 1, 2)


def _is_due(count: int, step: int) -> bool:
    """Whether a new map is due at a number of samples that the latest step has brought about."""
    before = max(1, count - step)
    grown = math.floor(math.log(count, _GROWTH)) > math.floor(math.log(before, _GROWTH))
    return count <= step or grown or count // _LONGEST > before // _LONGEST


def _whitening(covariance: Tensor, eps: float, shrinkage: float) -> Tensor:
    """Return the map for a covariance."""
    scale = torch.rsqrt(covariance.diagonal().double() + eps)
    correlation = covariance.double() * scale * scale.unsqueeze(1)
    identity = torch.eye(len(scale), dtype=torch.float64, device=scale.device)
    wanted = (correlation + shrinkage * identity) / (1 + shrinkage)
    inverse = inverse_root(wanted) if wanted.is_cpu else inverse_root_by_products(wanted)
    return (inverse * scale).float()


def inverse_root(matrix: Tensor) -> Tensor:
    """Return the inverse square root of a symmetric positive matrix by its eigenvectors: on the CPU the quicker way.

    Raises
    ------
    ConfigurationError
        If it holds NaN or infinity: frames are checked, so the layers below have diverged.
    """
    if not matrix.isfinite().all():  # LAPACK then fails, or gives NaN
        raise ConfigurationError(
            "a layer that whitens has read NaN or infinity, as one below has diverged: expected a lower learning_rate, from an"
            " earlier checkpoint on"
        )
    values, vectors = torch.linalg.eigh(matrix)
    inverse: Tensor = (vectors * values.rsqrt()) @ vectors.t()
    return inverse


def inverse_root_by_products(matrix: Tensor) -> Tensor:
    """Return the same by Newton's iteration: products alone, which need no host."""
    identity = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
    bound = torch.linalg.matrix_norm(matrix)
    root, inverse = matrix / bound, identity
    for _ in range(_ITERATIONS):
        step = 1.5 * identity - 0.5 * (inverse @ root)
        root, inverse = root @ step, step @ inverse
    return inverse * torch.rsqrt(bound)


# Of standardised red, green and blue: their correlations over the pixels of CIFAR-10's training pictures, whitened.
_NATURAL_MAP: list[list[float]] = _whitening(
    torch.tensor(((1.0, 0.92, 0.8), (0.92, 1.0, 0.92), (0.8, 0.92, 1.0)), device="cpu"), 0.0, _SHRINKAGE
).tolist()
