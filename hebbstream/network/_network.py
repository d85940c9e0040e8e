"""`SoftHebbNet`: a stack of SoftHebb layers that all learn from the same sample as it passes."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any, Self

import torch
from torch import Tensor

from hebbstream._globals import outside_modes, uncompiled
from hebbstream._numbers import as_index, check_number, quantity
from hebbstream._quote import quote
from hebbstream.errors import ConfigurationError
from hebbstream.network._forward import ForwardPass, forward_through
from hebbstream.network._frames import batched, flattened, merge_views, to_input, views
from hebbstream.network._presets import get_preset
from hebbstream.network._spec import LayerSpec, NormalizationName
from hebbstream.network._stack import LayerStack
from hebbstream.network.engine import EagerEngine, Engine
from hebbstream.network.engine._make import EngineName, make_engine
from hebbstream.rule._precision import Product

_LONGEST_HALF_LIFE = 1_000_000  # samples; the factor of 24 million would round to 1, and plasticity stay open for good


class SoftHebbNet(LayerStack):
    """A stack of SoftHebb layers. Learning is a side effect of the forward pass; there is no backward pass.

    Parameters
    ----------
    layers
        One `LayerSpec` a layer.
    in_channels
        Channels of a frame; for plain vectors, their length (with ``input_size=1``).
    input_size
        (height, width) or one number for both; of a network for signals one number is their length. ``None`` takes
        frames of any size; a network with a dense layer needs it.
    input_range
        Least and greatest value of a floating-point frame; ``None`` takes any up to 1e15 in magnitude.
    mirror
        Whether to see each frame together with its mirror image: a step learns from both, and features are the mean
        of those of the two, so that they do not depend on which way a thing faces. For natural images; not where left
        and right differ, as in writing. Learning and inference take twice as long. Layers count both as samples: what a
        `LayerSpec` or `reopen_plasticity` gives in samples passes in half as many frames.
    seed
        What the initial weights are drawn by; they are the same on every device.
    device
        Where the network lives and computes.
    engine
        How a learning step is executed: an `Engine`, or the name of one: ``"eager"``, ``"cuda-graph"`` or
        ``"pipelined"``. The attribute of the same name may be set at any time; it is no part of the network's state.

    Raises
    ------
    ConfigurationError
        If the layers do not fit together.

    Examples
    --------
    >>> net = SoftHebbNet([LayerSpec(channels=8), LayerSpec(channels=16)], in_channels=3, seed=0)
    >>> net.learn_one(torch.rand(16, 16, 3)).shape
    torch.Size([256])
    >>> net.layers[1].weight.shape
    torch.Size([16, 8, 3, 3])
    >>> net
    SoftHebbNet: 3 channels, 1 samples seen, on cpu
      1  8 neurons of 3×3×3, max pooling 2/2
      2  16 neurons of 3×3×8, max pooling 2/2
    """

    def __init__(
        self,
        layers: Sequence[LayerSpec],
        in_channels: int,
        *,
        input_size: int | tuple[int, int] | None = None,
        input_range: tuple[float, float] | None = (0.0, 1.0),
        mirror: bool = False,
        seed: int = 0,
        device: str | torch.device = "cpu",
        engine: Engine | EngineName = "eager",
    ) -> None:
        super().__init__(
            layers,
            in_channels,
            input_size=input_size,
            input_range=input_range,
            mirror=mirror,
            seed=seed,
            device=device,
        )
        self.engine = engine

    @property
    def engine(self) -> Engine:
        """How a step is carried out; it may be set at any time, also by name."""
        return self._engine

    @engine.setter
    def engine(self, engine: Engine | EngineName) -> None:
        self._engine = make_engine(engine)

    @classmethod
    def from_preset(
        cls,
        name: str,
        *,
        width: int | None = None,
        width_factor: int = 4,
        batch_size: int = 1,
        normalization: NormalizationName | None = None,
        in_channels: int | None = None,
        event_threshold: float | None = None,
        mirror: bool = False,
        seed: int = 0,
        device: str | torch.device = "cpu",
        engine: Engine | EngineName = "eager",
    ) -> Self:
        """Build one of the networks that are ready made.

        Parameters
        ----------
        name
            ``"video"``, ``"motion"``, ``"pictures"``, ``"signal"``, ``"aligned-signal"``, ``"sound"``, or one of the paper's: ``"cifar10"``,
            ``"cifar100"``, ``"mnist"``, ``"mnist-dense"``, ``"stl10"`` or ``"imagenet160"``.
        width, width_factor, batch_size, normalization
            As of `Preset.resolve`: the neurons of the first layer, and how the preset is adapted.
        in_channels
            Channels of a frame; ``None`` keeps the preset's (1 for MNIST, signals and sound, 3 otherwise).
        event_threshold
            As of `Preset.resolve`.
        mirror, seed, device, engine
            As for `SoftHebbNet`.

        Raises
        ------
        ConfigurationError
            If there is no such preset.

        Examples
        --------
        >>> net = SoftHebbNet.from_preset("cifar10", width=48)
        >>> [layer.spec.channels for layer in net.layers]
        [48, 192, 768]
        """
        preset = get_preset(name)
        net = cls(
            preset.resolve(
                width=width,
                width_factor=width_factor,
                batch_size=batch_size,
                normalization=normalization,
                event_threshold=event_threshold,
            ),
            preset.in_channels if in_channels is None else in_channels,
            input_size=preset.input_size,
            input_range=preset.input_range,
            mirror=mirror,
            seed=seed,
            device=device,
            engine=engine,
        )
        net.preset = name
        return net

    @classmethod
    def from_state(cls, state: Mapping[str, Any], device: str | torch.device = "cpu") -> Self:
        """Make a network from what `to_state` returned, with the eager engine; errors as of `LayerStack.from_state`."""
        net = super().from_state(state, device)
        net._engine = EagerEngine()  # not by name, which loads kernels: many are read to be looked at, or exported
        return net

    def learn_one(self, frame: Any) -> Tensor:
        """Learn from one frame and return its features.

        Every layer updates once. The features are those that the weights gave before this update.

        Parameters
        ----------
        frame
            (H, W, C) or (C, H, W), or (H, W) for one channel; for a network for signals (C, T) or (T, C), or (T,);
            uint8, which is divided by 255 whatever the `input_range`, or floating point in it; NumPy or torch.

        Returns
        -------
        Tensor
            1-D, on the network's device.

        Raises
        ------
        InputError
            If the frame is refused: one subclass per reason. Nothing has changed then.
        """
        return self._learn(self.checked(frame, single=True)).squeeze(0)

    def learn_many(self, frames: Any) -> Tensor:
        """Learn from a mini-batch with one update a layer; (B, C, H, W) or (B, H, W, C) in, (B, F) out."""
        return self._learn(self.checked(frames, single=False))

    def learn_stream(
        self, frames: Iterable[Any], batch_size: int = 1, *, ready: Callable[[], bool] = lambda: True
    ) -> Generator[Tensor, None, None]:
        """Learn from frames as they come, and yield the features of each, in order; see `learn_one`.

        With a `batch_size` above 1, so many successive frames of one size make one step (`learn_many`): more frames a
        second, and fewer, larger updates. A step is smaller where the frames end, fail, or change their size, or where
        the next one is not `ready`. The pipelined engine overlaps successive frames here, and takes in a few of them
        before it yields the features of the first. Whether the iterator ends, fails or is closed early, every frame
        taken in is learned by every layer.

        Examples
        --------
        >>> net = SoftHebbNet.from_preset("cifar10", width=4)
        >>> [features.shape for features in net.learn_stream(torch.rand(2, 32, 32, 3))]
        [torch.Size([1024]), torch.Size([1024])]
        """
        check_number("batch_size", batch_size)
        waits = batch_size > 1 or self.engine.overlaps  # the source may then fill its memory with the next frame
        checked = (x.clone() if waits else x for x in (self.checked(frame, single=True) for frame in frames))
        batches = batched(checked, batch_size, ready)
        if not self.engine.overlaps:
            for batch in batches:
                yield from self._learn(batch)
            return
        with self._between_steps("learn"):  # steps of another stream must not come between its own
            steps = self.engine.learn_stream(self.layers, map(self._begun, batches))
        try:
            with closing(steps):  # which ends what is under way
                for features in steps:
                    self._under_way -= 1
                    yield from merge_views(features, self.mirror)
        finally:
            self._under_way = 0

    @torch.no_grad()
    def _forward_one(self, frame: Any, memory: ForwardPass | None = None) -> ForwardPass:
        """Return what `transform_one` computes, features and all before them, to `_learn_from` later.

        An earlier pass that is of no more use, handed in as `memory`, saves the system from finding new memory.

        Examples
        --------
        >>> net = SoftHebbNet.from_preset("cifar10", width=4)
        >>> passes = net._forward_one(torch.rand(32, 32, 3))
        >>> net._learn_from(passes)
        >>> passes.features.shape, net.samples_seen
        (torch.Size([1024]), 1)
        """
        frames = self.checked(frame, single=True)
        with outside_modes():  # its memory serves later passes
            x = views(to_input(frames, self.device), self.mirror)
            layers = forward_through(self.layers, x, None if memory is None else memory.layers)
            features = merge_views(flattened(layers[-1][1].output), self.mirror).squeeze(0)
        return ForwardPass(features, layers, (frames.shape[2], frames.shape[3]), self.samples_seen)

    def _learn_from(self, passes: ForwardPass) -> None:
        """Learn from what `_forward_one` returned, at the cost of the updates alone.

        It differs from `learn_one` in that the frame is normalised by the statistics of those before it alone.

        Raises
        ------
        ConfigurationError
            If the network has learned since then.
        """
        with self._between_steps("learn"), outside_modes():
            if passes.samples_seen != self.samples_seen:
                raise ConfigurationError(
                    f"forward pass after {passes.samples_seen} samples: expected one after the {self.samples_seen} learned"
                )
            for layer, (x, forward, workspace) in zip(self.layers, passes.layers, strict=True):
                layer.compete(forward)
                layer.update(forward, workspace)
                layer.take_in(x)
            self.frame_size = passes.frame_size
            self.samples_seen += 1

    @uncompiled
    def _learn(self, x: Tensor) -> Tensor:
        with self._between_steps("learn"), outside_modes():
            return merge_views(self.engine.learn(self.layers, self._taken_in(x)), self.mirror)

    def _begun(self, x: Tensor) -> Tensor:
        with self._turns.lock:
            self._under_way += 1
            return self._taken_in(x)

    def _inference_product(self) -> Product:
        return self.engine.multiply if self.engine.precision == "auto" else super()._inference_product()

    def _taken_in(self, x: Tensor) -> Tensor:
        self.frame_size = (x.shape[2], x.shape[3])
        self.samples_seen += self.engine.samples_of(x)
        return views(x, self.mirror)

    def reopen_plasticity(
        self, opening: float = 1.0, *, half_life: int = 2000, layers: Sequence[int] | None = None
    ) -> None:
        """Let converged neurons learn again for a while, from what they are.

        The rate falls to zero as a weight norm reaches 1 (eq. 5). Until it has faded, an opening ρ puts the norm at
        least that far from 1 in the eyes of the rate, ``η·max(|r − 1|, ρ)^q``; ``decay_samples`` counts from zero
        again, and so does ``averaging_samples``: features then follow what is learned now. No weight changes at the call, so
        features stay what they were; neurons still further from 1 learn as before. The opening is in the checkpoint.

        Parameters
        ----------
        opening
            ``ρ`` of the next sample, 0 to close.
        half_life
            Samples in which it halves, a million at most: float32 has no factor for a slower fall.
        layers
            Indices of the layers to reopen; ``None`` for all.

        Raises
        ------
        ConfigurationError
            If a number cannot work, or there is no such layer.

        Examples
        --------
        >>> net = SoftHebbNet.from_preset("cifar10", width=4)
        >>> net.reopen_plasticity(half_life=1)
        >>> _ = net.learn_one(torch.rand(32, 32, 3))
        >>> net.layers[0].opening
        tensor([0.5000, 0.5000])
        """
        if not 0 <= quantity(opening) < 2**63:
            raise ConfigurationError(f"opening={quote(opening)}: expected a number of at least 0, below 2**63")
        if not 1 <= quantity(half_life) <= _LONGEST_HALF_LIFE:
            raise ConfigurationError(f"half_life={quote(half_life)}: expected 1 to {_LONGEST_HALF_LIFE:,} samples")
        named = range(len(self.layers)) if layers is None else layers
        chosen = list(named) if isinstance(named, Iterable) else [-1]
        if not all(0 <= as_index(index) < len(self.layers) for index in chosen):
            raise ConfigurationError(
                f"layers={quote(layers)}: expected indices from 0 to {len(self.layers) - 1}, in a list"
            )
        with self._turns.lock:
            for index in chosen:
                self.layers[index].reopen_plasticity(opening, half_life)
