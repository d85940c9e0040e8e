"""`SoftHebbLayer`: normalise, weigh, compete and learn, activate, pool."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hebbstream import plasticity
from hebbstream.activation import activate
from hebbstream.initialize import initial_weights
from hebbstream.normalize import StreamNorm
from hebbstream.spec import LayerSpec


class SoftHebbLayer(nn.Module):
    """One layer that learns from each input as it passes forward.

    A convolution is computed as patches times weights: the patches that gave the weighted input serve the update too.
    Images are kept channels-last, so that a patch is a few contiguous runs of memory and the neurons of a position,
    over which competition and Triangle run, lie side by side.

    Parameters
    ----------
    spec
        What the layer is.
    in_channels
        C of its input. For a dense layer: the number of values of one flattened input.
    generator
        Source of the initial weights. ``None`` leaves them unset, for a layer about to be loaded.

    Examples
    --------
    >>> layer = SoftHebbLayer(LayerSpec(channels=8, kernel_size=3), 3, torch.Generator().manual_seed(0))
    >>> layer.weight.shape
    torch.Size([8, 3, 3, 3])
    >>> layer.learn(torch.rand(1, 3, 6, 6)).shape
    torch.Size([1, 8, 3, 3])
    """

    weight_matrix: Tensor
    samples_learned: Tensor
    update_peak: Tensor

    def __init__(self, spec: LayerSpec, in_channels: int, generator: torch.Generator | None) -> None:
        super().__init__()
        self.spec = spec
        self.in_channels = in_channels
        self.norm = (
            None
            if spec.normalization == "none"
            else StreamNorm(in_channels, spec.momentum, use_batch_statistics=spec.normalization == "batch")
        )
        shape = (spec.channels, in_channels * (spec.kernel_size or 1) ** 2)
        weights = torch.empty(shape) if generator is None else initial_weights(shape, spec.init, spec.radius, generator)
        self.register_buffer("weight_matrix", weights)  # synapses ordered (row, column, channel), as in a patch
        self.register_buffer("samples_learned", torch.zeros((), dtype=torch.int64))
        self.register_buffer("update_peak", torch.zeros(()))  # the running maximum of |Δw|

    @property
    def weight(self) -> Tensor:
        """The weights as a view of shape (K, C, k, k); (K, C, 1, 1) for a dense layer."""
        k = self.spec.kernel_size or 1
        return self.weight_matrix.view(self.spec.channels, k, k, self.in_channels).permute(0, 3, 1, 2)

    def norms(self) -> Tensor:
        """Return the Euclidean norm of each neuron's weight vector, shape (K,)."""
        norms: Tensor = torch.linalg.vector_norm(self.weight_matrix, dim=1)
        return norms

    def r1_fraction(self) -> float:
        """Return the share of neurons whose norm has reached 1 (within 1e-2; within 5e-3 in a dense layer)."""
        tolerance = 5e-3 if self.spec.kernel_size is None else 1e-2
        return float(((self.norms() - 1.0).abs() < tolerance).float().mean())

    @torch.no_grad()
    def learn(self, x: Tensor) -> Tensor:
        """Learn from a step and return what the weights gave *before* this update.

        Parameters
        ----------
        x
            Shape (B, C, H, W), float32, on the layer's device.

        Returns
        -------
        Tensor
            Shape (B, K, H', W').
        """
        x = self._as_layer_input(x)
        x = x if self.norm is None else self.norm.learn(x)
        patches = self._patches(x)
        weighted_input = patches @ self.weight_matrix.t()
        out = self._output(weighted_input, x)
        if self.spec.learning_rate > 0:
            self._update(weighted_input, patches)
        self.samples_learned += x.shape[0]
        return out

    @torch.no_grad()
    def transform(self, x: Tensor) -> Tensor:
        """Return the layer's output and change nothing; shapes as in `learn`."""
        x = self._as_layer_input(x)
        x = x if self.norm is None else self.norm(x)
        return self._output(self._patches(x) @ self.weight_matrix.t(), x)

    def _as_layer_input(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], -1, 1, 1) if self.spec.kernel_size is None else x

    def _patches(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        k, p = self.spec.kernel_size or 1, self.spec.padding
        if p:
            x = F.pad(x, (p, p, p, p), mode="reflect")
        x = x.permute(0, 2, 3, 1)
        if not x.is_contiguous():
            x = x.clone(memory_format=torch.contiguous_format)
        if p:
            sample, row, column, channel = x.stride()
            x = x.as_strided(
                (batch, height, width, k, k, channels), (sample, row, column, row, column, channel)
            )  # every patch as a view
        return x.reshape(batch * height * width, k * k * channels)

    def _output(self, weighted_input: Tensor, x: Tensor) -> Tensor:
        spec = self.spec
        out = activate(
            weighted_input,
            spec.activation,
            power=spec.power,
            inverse_temperature=spec.activation_inverse_temperature,
        )
        out = out.view(x.shape[0], x.shape[2], x.shape[3], spec.channels).permute(0, 3, 1, 2)
        if spec.pool == "max":
            return F.max_pool2d(out, spec.pool_size, spec.pool_stride, spec.pool_padding)
        if spec.pool == "avg":
            return F.avg_pool2d(out, spec.pool_size, spec.pool_stride, spec.pool_padding)
        return out

    def _update(self, weighted_input: Tensor, patches: Tensor) -> None:
        spec, weights = self.spec, self.weight_matrix
        activity = plasticity.plastic_activity(weighted_input, spec.plasticity, spec.inverse_temperature)
        change = plasticity.weight_change(activity, weighted_input, patches, weights)
        rate = plasticity.norm_dependent_rate(weights, spec.learning_rate, spec.rate_power)
        if spec.decay_samples is not None:
            rate = rate * plasticity.linear_decay(self.samples_learned, spec.decay_samples)
        if spec.update_scale != "none":
            scale = plasticity.largest_magnitude(change)
            if spec.update_scale == "running_max":
                scale = plasticity.follow_peak(self.update_peak, scale)
            rate = rate / scale
        weights.addcmul_(change, rate.unsqueeze(1))
