"""`LayerStack`: layers on top of each other, the features that they give, and their state."""

import copy
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from hebbstream._container import State, inconsistent, read_state, write_state
from hebbstream._globals import outside_modes, uncompiled, usable_device
from hebbstream._pickled import tell_if_of_another_version
from hebbstream._quote import first_line
from hebbstream._turns import Turns
from hebbstream._version import __version__
from hebbstream.errors import ConfigurationError, ImageSizeError
from hebbstream.network._arguments import (
    Size,
    checked_channels,
    checked_range,
    checked_size,
    checked_specs,
    make_generator,
)
from hebbstream.network._frames import check_frames, flattened, merge_views, to_input, views
from hebbstream.network._layer import SoftHebbLayer
from hebbstream.network._spec import LayerSpec, are_one_dimensional
from hebbstream.rule._precision import Product, product
from hebbstream.rule._workspace import PerThread, Workspace

# Values of a layer's activity that a core keeps at hand, in its second cache. A pass of more samples takes up to three times as long.
_CACHED = 2**18
_WINDOW_OPTIONS: dict[str, Callable[[Any], Any]] = {"time": str, "group": str, "gap": float, "valid_range": list}


class LayerStack(nn.Module):
    """What a network is, without how it learns.

    Parameters
    ----------
    layers, in_channels, input_size, input_range, mirror, seed, device
        As of `SoftHebbNet`.
    blank
        Whether to leave out the values of all tensors, for a stack about to be loaded; `device` is then not looked at.
    """

    _fitting: tuple[Any, ...] = ()
    """What was last found to fit together."""

    samples_seen: int
    """Samples that it has learned."""

    def __init__(
        self,
        layers: Sequence[LayerSpec],
        in_channels: int,
        *,
        input_size: int | Sequence[int] | None = None,
        input_range: Sequence[float] | None = (0.0, 1.0),
        mirror: bool = False,
        seed: int = 0,
        device: str | torch.device = "cpu",
        blank: bool = False,
    ) -> None:
        super().__init__()
        layers = checked_specs(layers)
        place = torch.device("meta") if blank else usable_device(device)
        self.in_channels = checked_channels(in_channels)
        self.input_size = checked_size(input_size, signal=are_one_dimensional(layers))
        self.input_range = None if input_range is None else checked_range(input_range)
        self.mirror = bool(mirror)
        self.samples_seen, self._memory = 0, PerThread()
        self._turns, self._under_way, self._made_by = Turns(), 0, __version__
        self.preset: str | None = None
        """Name of the preset that the layers were taken from."""
        self.channel_names: tuple[str, ...] | None = None
        """What the channels of a table's rows are called, first to last."""
        self.sample_rate: int | None = None
        """Values a second of the sound that it learns from."""
        self.window_options: dict[str, Any] = {}
        """By which `windows` read the table that it was made for: `time`, `group`, `gap` and `valid_range`, where given."""
        self.frame_size: Size | None = self.input_size
        """(height, width) of the latest frame learned."""
        with outside_modes():
            generator = make_generator(seed)
            self.seed = operator.index(seed)  # of NumPy's integers torch knows no seed
            try:
                self._layers = nn.ModuleList(
                    SoftHebbLayer(spec, inputs, None if blank else generator, "meta" if blank else "cpu", self.seed)
                    for spec, inputs in zip(layers, self._inputs(layers), strict=True)
                )
            except RuntimeError as error:  # of torch, whose MemoryError it is
                neurons = "/".join(f"{spec.channels:,}" for spec in layers)
                raise ConfigurationError(
                    f"network of {neurons} neurons: expected one that fits into memory ({first_line(error)})"
                ) from None
            if not blank:
                self.to(place)

    @property
    def layers(self) -> tuple[SoftHebbLayer, ...]:
        """The layers, first to last."""
        return tuple(self._layers)  # type: ignore[arg-type]  # a ModuleList does not know what it holds

    @property
    def one_dimensional(self) -> bool:
        """Whether it is for signals: no layer looks beyond a row, so a sample may be (C, T), (T, C) or (C, 1, T)."""
        row = self.input_size is not None and self.input_size[0] == 1 < self.input_size[1]
        return row or are_one_dimensional([layer.spec for layer in self.layers])

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return self.layers[0].device

    def output_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Return the (channels, height, width) of the features of a frame of that size.

        Raises
        ------
        ImageSizeError
            If the frame is smaller than the network can pool.
        ConfigurationError
            If specifications of layers that were set since do not fit together.

        Examples
        --------
        >>> from hebbstream import SoftHebbNet
        >>> SoftHebbNet.from_preset("cifar10").output_shape(32, 32)
        (1536, 4, 4)
        """
        self._check_together()
        size = (height, width)
        for index, layer in enumerate(self.layers):
            size = layer.spec.output_size(*size)
            if min(size) < 1:
                raise ImageSizeError(
                    f"frame of {height}×{width} pixels: too small for layer {index + 1} of this network"
                )
        return self.layers[-1].spec.channels, *size

    def transform_one(self, frame: Any) -> Tensor:
        """Return the features of one frame and change nothing; see `SoftHebbNet.learn_one`."""
        return self(self.checked(frame, single=True)).squeeze(0)  # type: ignore[no-any-return]

    def transform_many(self, frames: Any) -> Tensor:
        """Return the features of a batch and change nothing; see `SoftHebbNet.learn_many`."""
        return self(self.checked(frames, single=False))  # type: ignore[no-any-return]

    @uncompiled
    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Return the features of a checked (B, C, H, W) batch, shape (B, F)."""
        with outside_modes():  # its memory serves later passes
            x = to_input(x, self.device)
            if len(x) == 1 or not x.is_cpu:
                return self._features(x)
            parts = x.chunk(-(-len(x) // self._most_in_caches(*x.shape[2:])) or 1)
            return torch.cat([self._features(part) for part in parts]) if len(parts) > 1 else self._features(x)

    def _features(self, x: Tensor) -> Tensor:
        x = views(x, self.mirror)
        # On a card, two streams of a thread must not share memory; there torch's allocator is as quick, and knows of streams.
        memory: Sequence[Workspace | None] = (
            self._memory.take(len(self.layers)) if x.is_cpu else [None] * len(self.layers)
        )
        for layer, workspace in zip(self.layers, memory, strict=True):
            x = layer.forward(x.to(layer.device), workspace, self._inference_product()).output
        return merge_views(flattened(x), self.mirror)

    def _most_in_caches(self, height: int, width: int) -> int:
        """Return of how many samples a layer's activity fits the caches of the cores at work."""
        most, size = 1, (height, width)
        for layer in self.layers:
            places = 1 if layer.spec.kernel_size is None else math.prod(size)
            most, size = max(most, places * layer.spec.channels), layer.spec.output_size(*size)
        return max(1, _CACHED * torch.get_num_threads() // most)

    def _inference_product(self) -> Product:
        return product("float32")

    @uncompiled
    def checked(self, frames: Any, *, single: bool) -> Tensor:
        """Return one frame, or a batch, as (B, C, H, W) of its own dtype, in the caller's memory where it can be.

        Raises
        ------
        InputError
            If the network would refuse it: one subclass per reason.
        """
        x = check_frames(
            frames,
            single=single,
            in_channels=self.in_channels,
            input_size=self.input_size,
            input_range=self.input_range,
            signal=self.one_dimensional,
        )
        self.output_shape(x.shape[2], x.shape[3])
        return x

    def r1_fraction(self) -> tuple[float, ...]:
        """Return, for each layer, the share of neurons whose weight norm has converged to 1 (section 4).

        Examples
        --------
        >>> from hebbstream import SoftHebbNet
        >>> SoftHebbNet.from_preset("cifar10", width=8).r1_fraction()
        (0.0, 0.0, 0.0)
        """
        return tuple(layer.r1_fraction() for layer in self.layers)

    def check_finite(self) -> None:
        """Refuse to hand on what learning has made of a network that has diverged.

        Raises
        ------
        ConfigurationError
            If a layer's weights or statistics are no numbers any more: they must not replace those of a checkpoint or model.

        Examples
        --------
        >>> from hebbstream import SoftHebbNet
        >>> SoftHebbNet.from_preset("mnist", width=4).check_finite()
        """
        for number, layer in enumerate(self.layers, start=1):
            for name, tensor in layer.state_dict().items():
                if not torch.stack(tensor.aminmax()).isfinite().all():  # no second tensor as large as the weights
                    lost = f"layer {number} has diverged: its {name} holds NaN or infinity"
                    raise ConfigurationError(f"{lost}: expected a lower learning_rate, from an earlier checkpoint on")

    def to_state(self) -> State:
        """Return all that makes this network, in JSON terms and tensors; see `from_state`.

        Raises
        ------
        ConfigurationError
            If learning has diverged: see `check_finite`. Or if what was made of it could not be read again, as specifications
            of layers that were set since do not fit together.
        """
        self._check_together()
        self.check_finite()
        config = {
            "layers": [asdict(layer.spec) for layer in self.layers],
            "in_channels": self.in_channels,
            "input_size": self.input_size,
            "input_range": self.input_range,
            "mirror": self.mirror,
            "seed": self.seed,
            "preset": self.preset,
            "channel_names": self.channel_names,
            "sample_rate": self.sample_rate,
            "window_options": self.window_options,
        }
        return {"config": config, "tensors": self.state_dict()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], device: str | torch.device = "cpu") -> Self:
        """Make a network from what `to_state` returned.

        Raises
        ------
        ConfigurationError
            If the device cannot be used, or a layer cannot work.
        ValueError, TypeError, LookupError
            If the state does not fit together.
        """
        place = usable_device(device)
        config = dict(state["config"])
        specs, preset = [LayerSpec.from_dict(values) for values in config.pop("layers")], config.pop("preset")
        # Earlier files have none of these.
        names, rate, windowed = (config.pop(name, None) for name in ("channel_names", "sample_rate", "window_options"))
        net = cls.__new__(cls)
        LayerStack.__init__(net, specs, **config, blank=True)
        net.preset, net.channel_names = preset, None if names is None else tuple(map(str, names))
        net.sample_rate = None if rate is None else int(rate)
        net.window_options = {name: _WINDOW_OPTIONS[name](value) for name, value in dict(windowed or {}).items()}
        # Before any memory is asked for: a header must not be able to ask for more than its file has.
        tensors = _completed(state["tensors"])
        _check_fit(net.state_dict(), tensors)
        # `to_empty` would import sympy, which takes as long as the rest of loading.
        net._apply(lambda blank: torch.empty(blank.shape, dtype=blank.dtype, device=place))
        net.load_state_dict(tensors)
        return net

    def save(self, path: str | Path) -> None:
        """Write the network to a safetensors file, atomically; `load` reads it.

        Raises
        ------
        OutputError
            If the file cannot be written; an earlier file at `path` is then untouched.
        ConfigurationError
            If learning has diverged, likewise.
        """
        with self._between_steps("save"):
            write_state(path, {"network": self.to_state()})

    @classmethod
    def load(cls, path: str | Path, device: str | torch.device = "cpu") -> Self:
        """Read the network from a file that it, or a `Learner`, was saved to.

        Raises
        ------
        CheckpointNotFoundError
            If there is no file.
        CorruptCheckpointError
            If it is damaged, or no checkpoint of hebbstream.
        CheckpointVersionError
            If its format is one that this version does not read.
        ConfigurationError
            If the device cannot be used.

        Examples
        --------
        >>> import tempfile
        >>> from hebbstream import SoftHebbNet
        >>> path = Path(tempfile.mkdtemp()) / "net.safetensors"
        >>> SoftHebbNet.from_preset("mnist", width=4, seed=3).save(path)
        >>> SoftHebbNet.load(path).seed
        3
        """
        place = usable_device(device)
        state = read_state(path)
        with inconsistent(path):
            return cls.from_state(state["network"], place)

    @contextmanager
    def _between_steps(self, doing: str) -> Iterator[None]:
        """Do something while no other thread learns: there, weights and statistics are all of one time.

        Raises
        ------
        ConfigurationError
            If samples overlap in a pipeline, where there is no such time.
        """
        with self._turns.lock:
            if self._under_way:
                raise ConfigurationError(
                    f"{doing} while samples are under way in a pipeline: expected it before or after"
                )
            yield

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        tell_if_of_another_version(state)
        super().__setstate__(dict(state))  # type: ignore[no-untyped-call]
        # What is unpickled in inference mode could not learn outside it.
        with outside_modes():
            super()._apply(lambda tensor: tensor.clone() if tensor.is_inference() else tensor)  # type: ignore[no-untyped-call]

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = self.__class__.__new__(self.__class__)
        memo[id(self)] = twin
        with self._between_steps("copy"), outside_modes():
            twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return twin

    def get_extra_state(self) -> Tensor:
        """Return what `state_dict` holds besides buffers, so that it resumes exactly: samples seen, frame height, width."""
        return torch.tensor([self.samples_seen, *(self.frame_size or (0, 0))], dtype=torch.int64, device="cpu")

    def set_extra_state(self, state: Tensor) -> None:
        """Take over what `get_extra_state` returned."""
        samples, *size = state.tolist()
        if samples < 0:
            raise ValueError(f"{samples} samples seen: expected 0 or more")
        self.samples_seen = samples
        self.frame_size = checked_size(size) if all(size) else None

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # All of `to`, `double`, `half`, `cuda` … end here. A trial, and all before the first takes its place: half of a network
        # must not be left behind, as where the memory of a card does not suffice.
        with outside_modes():
            try:
                trial = fn(torch.empty(0, dtype=torch.float32, device=self.device))
                goes = trial.dtype == torch.float32 and not trial.is_meta
                moved = {id(tensor): fn(tensor) for tensor in self.buffers()} if goes else {}
            except (RuntimeError, AssertionError, NotImplementedError) as error:
                raise ConfigurationError(f"network cannot go there: {first_line(error)}") from None
            if trial.dtype != torch.float32:
                kind = str(trial.dtype).removeprefix("torch.")
                raise ConfigurationError(f"network as {kind}: expected float32; an engine's precision= is for products")
            usable_device(trial.device)

            def taken(tensor: Tensor) -> Tensor:  # a subclass may have parameters, too
                return moved[id(tensor)] if id(tensor) in moved else fn(tensor)

            return super()._apply(taken, recurse)  # type: ignore[no-untyped-call, no-any-return]

    def _inputs(self, specs: Sequence[LayerSpec]) -> list[int]:
        """Return how many channels each layer reads, a dense one values; refuse specifications that do not fit together."""
        imprints = any(spec.imprints for spec in specs)
        if self.mirror and imprints:  # between a frame and its mirror image all seems to move
            raise ConfigurationError("mirror=True and plasticity='imprinting': expected only one of the two")
        found: list[int] = []
        channels, size = self.in_channels, self.input_size
        for number, spec in enumerate(specs, start=1):
            if spec.kernel_size is None:
                if size is None:
                    raise ConfigurationError(f"layer {number} is dense: expected input_size=(height, width)")
                channels *= size[0] * size[1]
            found.append(channels)
            channels = spec.channels
            size = None if size is None else spec.output_size(*size)
            if size is not None and min(size) < 1:
                raise ConfigurationError(f"input_size={self.input_size}: too small for layer {number} of this network")
        return found

    def _check_together(self) -> None:
        """Refuse specifications that were set since, one by one, and do not fit together."""
        specs = [layer.spec for layer in self.layers]
        if (fitting := (self.mirror, self.input_size, *specs)) == self._fitting:  # as for nearly every frame
            return
        for number, (layer, given) in enumerate(zip(self.layers, self._inputs(specs), strict=True), start=1):
            if given != layer.in_channels:
                before = f"layer {number} gets {given} values, as the layers before it are specified now"
                raise ConfigurationError(f"{before}: expected {layer.in_channels}, for which it was made")
        self._fitting = fitting

    def __repr__(self) -> str:
        name = f" {self.preset!r}" if self.preset else ""
        what = f"{self.in_channels} channels, {self.samples_seen:,} samples seen, on {self.device}"
        lines = [f"{index:3}  {layer}" for index, layer in enumerate(self.layers, start=1)]
        return "\n".join([f"{type(self).__name__}{name}: {what}{', mirrored' if self.mirror else ''}", *lines])


def _completed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Add what earlier files do not have: how much moved since neurons began to imprint, as if alike in each sample."""
    found = dict(tensors)
    for name, moved in tensors.items():
        layer, imprints, _ = name.partition("imprinting.moved")
        if imprints and not moved.dim():
            mean = moved / tensors[f"{layer}imprinting.steps"].clamp(min=1)
            learned = tensors[f"{layer}samples_learned"]
            found[name] = torch.stack([moved, learned * mean, learned * mean.square(), mean])
    return found


def _check_fit(expected: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    if expected.keys() != found.keys():
        raise ValueError(f"tensors {sorted(expected.keys() ^ found.keys())}: expected {sorted(expected)}")
    for name, blank in expected.items():
        if (found[name].shape, found[name].dtype) != (blank.shape, blank.dtype):
            wanted, got = tuple(blank.shape), tuple(found[name].shape)
            raise ValueError(f"tensor {name} of {found[name].dtype} {got}: expected {blank.dtype} {wanted}")
