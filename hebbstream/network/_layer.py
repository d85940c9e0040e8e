"""`SoftHebbLayer`: normalise, multiply by the weights, compete and learn, activate, pool."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hebbstream._globals import outside_modes
from hebbstream._quote import quote
from hebbstream.errors import ConfigurationError
from hebbstream.network import _fused as fused
from hebbstream.network import _fused_update as fused_update
from hebbstream.network._parts import Change, Forward, output
from hebbstream.network._rounded import RoundedWeights
from hebbstream.network._spec import LayerSpec, Pair
from hebbstream.rule import _plasticity as plasticity
from hebbstream.rule._imprint import Imprinting, places_of
from hebbstream.rule._init import initial_weights
from hebbstream.rule._normalize import Moments, StreamNorm
from hebbstream.rule._patches import patches as patches_of
from hebbstream.rule._precision import Product, product
from hebbstream.rule._sparse import Events, find_events
from hebbstream.rule._whiten import ColorWhitening, PatchWhitening, StreamWhitening
from hebbstream.rule._workspace import Workspace

_FLOAT32 = product("float32")
_WHITENING = {"whiten": StreamWhitening, "whiten_colors": ColorWhitening}


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
    device
        Where a layer without a `generator` lies; one with initial weights begins on the CPU.
    seed
        Of chance, where neurons imprint.

    Examples
    --------
    >>> layer = SoftHebbLayer(LayerSpec(channels=8, kernel_size=3), 3, torch.Generator().manual_seed(0))
    >>> layer.weight.shape
    torch.Size([8, 3, 3, 3])
    >>> layer.learn(torch.rand(1, 3, 6, 6)).shape
    torch.Size([1, 8, 3, 3])
    """

    weight_matrix: Tensor
    plastic_matrix: Tensor | None
    samples_learned: Tensor
    update_peak: Tensor
    opening: Tensor

    def __init__(
        self,
        spec: LayerSpec,
        in_channels: int,
        generator: torch.Generator | None,
        device: str | torch.device = "cpu",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self._spec, self._seed = spec, seed
        self.in_channels = in_channels
        self.norm = _normalisation(spec, in_channels, device)
        shape = (spec.channels, in_channels * spec.kernel[0] * spec.kernel[1])
        # A step and a checkpoint know float32 only, whatever torch's default dtype and device are by now.
        if generator is None:
            weights = torch.empty(shape, dtype=torch.float32, device=device)
        else:
            weights = initial_weights(shape, spec.init, spec.radius, generator)
        number = partial(torch.zeros, dtype=torch.float32, device=device)
        count = torch.zeros((), dtype=torch.int64, device=device)
        self.register_buffer("weight_matrix", weights)  # synapses ordered (row, column, channel), as in a patch
        self.register_buffer(
            "plastic_matrix", weights.clone() if spec.averages else None
        )  # `weight_matrix` averages it
        self.rounded = RoundedWeights()
        self.plastic_rounded = RoundedWeights() if spec.averages else self.rounded
        self.register_buffer("samples_learned", count)  # since plasticity was reopened
        self.register_buffer("update_peak", number(()))  # the running maximum of |Δw|
        self.register_buffer("opening", number(2))  # ρ of the rate, and its factor for each sample
        self.imprinting = self._new_imprinting(spec, device)

    def __repr__(self) -> str:
        spec = self.spec
        size = "×".join(map(str, (*spec.kernel, self.in_channels)))
        size = f"{self.in_channels:,} values" if spec.kernel_size is None else size
        window = "/".join(map(_sides, spec.window[:2]))
        pool = "" if spec.pool == "none" else f", {spec.pool} pooling {window}"
        averaged = "" if spec.average_size == 1 else f", averages of {_sides(spec.average)}"
        scaled = ", scaled to unit length" if spec.unit_length else ""
        return f"{spec.channels:,} neurons of {size}{pool}{averaged}{scaled}"

    @property
    def spec(self) -> LayerSpec:
        """What the layer is.

        It may be set between two steps: one with ``learning_rate=0`` freezes the layer, and the one before lets it learn again.
        A layer that imprints then begins anew: it takes over other patches for those that it holds. One that does not fit the
        other layers, as its outputs are more than a dense layer reads, is refused when the network reads or is saved.

        Raises
        ------
        ConfigurationError
            If the new one is for other weights or statistics than the layer has.
        """
        return self._spec

    @spec.setter
    def spec(self, spec: LayerSpec) -> None:
        if not isinstance(spec, LayerSpec):
            raise ConfigurationError(f"spec={quote(spec)}: expected a LayerSpec")
        before = self._spec
        for name in ("channels", "kernel_size", "normalization"):
            held, wanted = getattr(before, name), getattr(spec, name)
            if held != wanted:
                raise ConfigurationError(f"{name}={wanted!r}: expected {held!r}, with which this layer was made")
        with outside_modes():
            # A file holds what a layer with this specification has, no less and no more.
            if spec.averages != before.averages:
                self.plastic_matrix = self.weight_matrix.clone() if spec.averages else None
                self.plastic_rounded = RoundedWeights() if spec.averages else self.rounded
            if (spec.imprints, spec.whitened > 0) != (before.imprints, before.whitened > 0):
                self.imprinting = self._new_imprinting(spec, self.device)
        if self.norm is not None:
            self.norm.momentum = spec.momentum
        self._spec = spec

    @property
    def weight(self) -> Tensor:
        """The weights as a view of shape (K, C, k, k), of a pair's sides; (K, C, 1, 1) for a dense layer."""
        return self.weight_matrix.view(self.spec.channels, *self.spec.kernel, self.in_channels).permute(0, 3, 1, 2)

    @property
    def plastic_weights(self) -> Tensor:
        """The weights that compete and learn, shape (K, N): those of the features, unless these are an average of them."""
        return self.weight_matrix if self.plastic_matrix is None else self.plastic_matrix

    @property
    def device(self) -> torch.device:
        """Where the layer computes."""
        return self.weight_matrix.device

    def norms(self) -> Tensor:
        """Return the Euclidean norm of each neuron's weight vector as it learns, shape (K,)."""
        norms: Tensor = torch.linalg.vector_norm(self.plastic_weights, dim=1)
        return norms

    def r1_fraction(self) -> float:
        """Return the share of neurons whose norm has reached 1 (within 1e-2; within 5e-3 in a dense layer)."""
        tolerance = 5e-3 if self.spec.kernel_size is None else 1e-2
        return float(((self.norms() - 1.0).abs() < tolerance).float().mean())

    def learn(self, x: Tensor, workspace: Workspace | None = None, multiply: Product = _FLOAT32) -> Tensor:
        """Learn from a step and return what the weights gave *before* this update.

        Parameters
        ----------
        x
            Shape (B, C, H, W), float32, on the layer's device.
        workspace
            Memory to compute in, kept from step to step; ``None`` for new memory.
        multiply
            Computes the products of matrices.

        Returns
        -------
        Tensor
            Shape (B, K, H', W').
        """
        workspace = workspace or Workspace()
        forward = self.learn_forward(x, workspace, multiply)
        self.update(forward, workspace, multiply)
        return forward.output

    @torch.no_grad()
    def moments(self, x: Tensor) -> Moments | None:
        """Return the moments of a step's input that the normalisation follows; ``None`` where there is none."""
        return None if self.norm is None else self.norm.moments(self._as_layer_input(x))

    @torch.no_grad()
    def learn_forward(
        self, x: Tensor, workspace: Workspace, multiply: Product = _FLOAT32, moments: Moments | None = None
    ) -> Forward:
        """Do the first half of a step, the forward pass; the statistics of the normalisation take `x` in.

        The next layer needs nothing else of this one, so it may begin while this one updates. Where `x` is a part of a
        step, `moments` are those of all of it.
        """
        x = self._as_layer_input(x)
        kernels = fused.kernels_for(self, x, multiply.precision)
        whole = moments is None
        if kernels is not None and moments is not None and self.norm is not None and not self.norm.use_batch_statistics:
            self.norm.follow(moments)
            moments = None
        if kernels is not None and moments is None:
            forward = fused.forward(kernels, self, x, workspace, multiply.precision, follow=whole)
        else:
            x = x if self.norm is None else self.norm.learn(x, moments)
            forward = self._forward_normalised(x, workspace, multiply)
        self.compete(forward, multiply)
        return forward

    @torch.no_grad()
    def compete(self, forward: Forward, multiply: Product = _FLOAT32) -> None:
        """Make the weighted input that of the weights that learn, where an average of them made the features."""
        if self.plastic_matrix is None:
            return
        if isinstance(forward, fused.FusedForward):
            fused.weigh_again(self, forward.plan)
        else:
            multiply(forward.patches, self.plastic_matrix.t(), forward.weighted_input)

    @torch.no_grad()
    def update(self, forward: Forward, workspace: Workspace, multiply: Product = _FLOAT32) -> None:
        """Do the second half of a step: update the weights by what the first half computed from them."""
        learns = self.spec.learning_rate > 0 and self.imprinting is None
        if learns and isinstance(forward, fused.FusedForward) and fused_update.update(self, forward):
            self._average(forward.output.shape[0])
        else:
            self.apply_change(self.change(forward, workspace, multiply), forward.output.shape[0])

    @torch.no_grad()
    def change(self, forward: Forward, workspace: Workspace, multiply: Product = _FLOAT32) -> Change | None:
        """Sum the local updates of a step, without rates; ``None`` where nothing is learned. No weight changes."""
        spec, weights = self.spec, self.plastic_weights
        if not spec.learning_rate > 0:
            return None
        if self.imprinting is not None:
            samples = forward.output.shape[0]
            places = places_of(len(forward.weighted_input) // samples, weights.device)
            patches = forward.patches_at(places, samples)
            return self._imprinted(*self.imprinting.draw(patches, samples, spec.channels, spec.decay_samples))
        events = self._events(forward.weighted_input)
        if events is not None:
            out = workspace.take("rows", (len(events.neurons), weights.shape[1]), weights)
            rows = torch.index_select(weights, 0, events.neurons, out=out)
            return Change(events.weight_change(forward.patches, rows), rows, events.neurons)
        activity = plasticity.plastic_activity(
            forward.weighted_input,
            spec.plasticity,
            spec.inverse_temperature,
            spec.event_threshold,
            spec.event_budget,
        )
        out = workspace.take("change", tuple(weights.shape), weights)
        summed = plasticity.weight_change(
            activity, forward.weighted_input, forward.patches, weights, multiply=multiply, out=out
        )
        return Change(summed, weights, None)

    @torch.no_grad()
    def apply_change(self, change: Change | None, samples: int) -> None:
        """Scale what `change` summed over a step of so many samples, and add it to the weights; it is used up."""
        if change is not None:
            rate = self._rate(change)
            if change.neurons is None:
                self.plastic_weights.addcmul_(change.summed, rate.unsqueeze(1))
            else:
                self.plastic_weights.index_add_(0, change.neurons, change.summed.mul_(rate.unsqueeze(1)))
        if self.spec.learning_rate > 0:  # a frozen layer's decay and half-life wait for it
            self.samples_learned.add_(samples)
            self.opening.select(0, 0).mul_(self.opening.select(0, 1) ** samples)
            self._average(samples)

    @torch.no_grad()
    def forward(self, x: Tensor, workspace: Workspace | None = None, multiply: Product = _FLOAT32) -> Forward:
        """Do a forward pass that changes nothing; arguments as in `learn`."""
        workspace = workspace or Workspace()
        if (kernels := fused.kernels_for(self, x, multiply.precision)) is not None:
            return fused.forward(kernels, self, x, workspace, multiply.precision)
        return self._forward_normalised(self._normalised(x), workspace, multiply)

    @torch.no_grad()
    def take_in(self, x: Tensor) -> None:
        """Let the statistics of the normalisation take `x` in, where `forward` came before an update."""
        if self.norm is not None:
            self.norm.take_in(self._as_layer_input(x))

    @torch.no_grad()
    def reopen_plasticity(self, opening: float = 1.0, half_life: int = 2000) -> None:
        """Let converged neurons learn again for a while; see `SoftHebbNet.reopen_plasticity`."""
        for place, value in enumerate((opening, 0.5 ** (1.0 / half_life))):
            self.opening[place] = float(value)  # NumPy's numbers are none to torch
        self.samples_learned.zero_()
        if self.imprinting is not None:
            self.imprinting.reopen()

    def _as_layer_input(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], -1, 1, 1) if self.spec.kernel_size is None else x

    def _normalised(self, x: Tensor) -> Tensor:
        x = self._as_layer_input(x)
        return x if self.norm is None else self.norm.forward(x)

    def _forward_normalised(self, x: Tensor, workspace: Workspace, multiply: Product) -> Forward:
        patches = self._patches(x, workspace)
        u = workspace.take("weighted_input", (patches.shape[0], self.spec.channels), patches)
        weighted_input = multiply(patches, self.weight_matrix.t(), u)
        out = output(self.spec, weighted_input, x.shape[0], x.shape[2], x.shape[3])
        return Forward(out, weighted_input, patches)

    def _patches(self, x: Tensor, workspace: Workspace) -> Tensor:
        runs = patches_of(x, self.spec.cut)
        patches = workspace.take("patches", (x.shape[0] * x.shape[2] * x.shape[3], self.weight_matrix.shape[1]), x)
        patches.view(runs.shape).copy_(runs)
        return patches

    def _new_imprinting(self, spec: LayerSpec, device: str | torch.device) -> Imprinting | None:
        if not spec.imprints:
            return None
        return Imprinting(self.weight_matrix.shape[1], device, whitens=spec.whitened > 0, seed=self._seed)

    def _imprinted(self, patches: Tensor, chosen: Tensor, taken: Tensor) -> Change | None:
        """Return the change from what neurons are to the patches that they take over, at the length of initial weights.

        The last ones take theirs over whitened.
        """
        neurons, rows = torch.arange(len(taken), device=taken.device), self.plastic_weights
        on_host = taken.is_cpu  # elsewhere, how many take one over would have to be told to the host
        if on_host:
            neurons = taken.nonzero().flatten()
            if not len(neurons):
                return None
            rows, chosen, taken = (tensor.index_select(0, neurons) for tensor in (rows, chosen, taken))
        wanted = patches.index_select(0, chosen)
        if self.imprinting is not None and self.spec.whitened:
            whitens = neurons >= self.spec.channels - self.spec.whitened
            wanted = torch.where(whitens.unsqueeze(1), self.imprinting.whitened(wanted), wanted)
        wanted = F.normalize(wanted).mul_(self.spec.radius)
        return Change(wanted.sub_(rows).mul_(taken.unsqueeze(1)), rows, neurons if on_host else None)

    def _rate(self, change: Change) -> Tensor:
        spec = self.spec
        if self.imprinting is not None:
            return change.rows.new_full((len(change.rows),), spec.learning_rate)
        opening = self.opening.select(0, 0)
        rate = plasticity.norm_dependent_rate(change.rows, spec.learning_rate, spec.rate_power, opening)
        if spec.decay_samples is not None:
            rate = rate * plasticity.linear_decay(self.samples_learned, spec.decay_samples)
        if spec.update_scale != "none":
            scale = plasticity.largest_magnitude(change.summed)
            if spec.update_scale == "running_max":
                scale = plasticity.follow_peak(self.update_peak, scale)
            rate = rate / scale
        return rate

    def _average(self, samples: int) -> None:
        """Let the weights of the features follow those that learn, after a step of so many samples."""
        if self.plastic_matrix is not None and self.spec.averaging_samples is not None:
            share = plasticity.averaging_share(self.samples_learned, samples, self.spec.averaging_samples)
            self.weight_matrix.lerp_(self.plastic_matrix, share)

    def _events(self, weighted_input: Tensor) -> Events | None:
        spec = self.spec
        if not spec.event_threshold or spec.plasticity == "hebbian" or weighted_input.device.type != "cpu":
            return None
        rule = spec.plasticity, spec.inverse_temperature
        return find_events(weighted_input, *rule, spec.event_threshold, spec.event_budget)


def _normalisation(spec: LayerSpec, channels: int, device: str | torch.device) -> StreamNorm | None:
    if spec.normalization == "none":
        return None
    if spec.normalization == "whiten_patches":
        return PatchWhitening(channels, spec.kernel, spec.momentum, device=device)
    if (whitening := _WHITENING.get(spec.normalization)) is not None:
        return whitening(channels, spec.momentum, device=device)
    batch = spec.normalization == "batch"
    return StreamNorm(channels, spec.momentum, use_batch_statistics=batch, device=device)


def _sides(size: Pair) -> str:
    return "×".join(map(str, size if size[0] != size[1] else size[:1]))
