"""`Settings`: what a run of the studio is started with."""

from dataclasses import dataclass, field
from typing import Any

import hebbstream as hs
from hebbstream._choices import check_choice
from hebbstream.adapters._picture import PictureFormat
from hebbstream.errors import ConfigurationError
from hebbstream.probe import OnlineProbe
from hebbstream.probe._solvers import SOLVERS
from hebbstream.studio._drawing import Kind

WIDTHS = (8, 16, 24, 32, 48, 96)
_LEAST_CONFIDENCE = 0.5
_MOST_SIDE = 96  # of what a new network of the page's choosing sees


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is started with.

    Parameters
    ----------
    preset, width, seed, device
        Of the network.
    kind, in_channels
        Of what it sees; ``None`` takes the preset's channels.
    channel_names, sample_rate, window_options
        Of a table's columns, of sound, and of how rows are cut: see `SoftHebbNet`.
    solver
        Of the probe.
    dimensions
        Of a probe that solves: most features to keep products of.
    size
        (height, width) of the frames that the network sees; ``None`` takes the preset's.
    every_frame
        Whether to learn from frames, too, that show nothing new.
    start
        Whether to learn from the first frame on, without being told to.
    """

    preset: str = "video"
    width: int | None = 24
    seed: int = 0
    device: str = "cpu"
    kind: Kind = "pictures"
    in_channels: int | None = None
    channel_names: tuple[str, ...] | None = None
    sample_rate: int | None = None
    window_options: dict[str, Any] = field(default_factory=dict)
    solver: str = "ridge"
    dimensions: int = 512
    size: tuple[int, int] | None = None
    every_frame: bool = False
    start: bool = False

    def learner(self) -> hs.Learner:
        """Make a learner; what `check` refuses is refused."""
        net = hs.SoftHebbNet.from_preset(
            self.preset, width=self.width, in_channels=self.in_channels, seed=self.seed, device=self.device
        )
        self.check(net)
        net.channel_names, net.sample_rate = self.channel_names, self.sample_rate
        net.window_options = self.window_options
        return hs.Learner(net, self.probe())

    def probe(self) -> OnlineProbe:
        """Make a probe that has learned nothing."""
        check_choice("solver", self.solver, SOLVERS)
        kind = SOLVERS[self.solver]
        options: dict[str, Any] = {"dimensions": self.dimensions} if "dimensions" in kind.option_names else {}
        return kind(min_confidence=_LEAST_CONFIDENCE, **options)

    def check(self, net: hs.SoftHebbNet) -> None:
        """Refuse a network that cannot see what the sources show.

        Raises
        ------
        ConfigurationError
            If it is for signals and they are pictures, or the other way round, or for frames of another size.
        ImageSizeError
            If their frames are too small for it.
        """
        channels = net.in_channels if self.in_channels is None else self.in_channels
        if channels != net.in_channels:
            raise ConfigurationError(f"network of {net.in_channels} channels: expected {channels}, as the sources have")
        if net.one_dimensional != (self.kind == "signal"):
            made_for = "signals" if net.one_dimensional else "pictures"
            raise ConfigurationError(f"network for {made_for}: expected one for {self.kind}, as the sources are")
        size = self.frame_size(net)
        if self.kind == "pictures":
            PictureFormat(size)  # refuses what memory would not hold
        if net.input_size not in (None, size):
            raise ConfigurationError(f"network for frames of {net.input_size}: expected {size}, as frames are here")
        net.output_shape(*size)

    def presets(self) -> list[str]:
        """Return the presets to choose from before the start."""
        if self.kind != "pictures":
            return [self.preset]
        sides = {name: max(preset.frame_size) for name, preset in hs.PRESETS.items() if min(preset.frame_size) > 1}
        return [name for name, side in sides.items() if side <= _MOST_SIDE]

    def frame_size(self, net: hs.SoftHebbNet) -> tuple[int, int]:
        """Return (height, width) of what the network sees."""
        return self.size or net.input_size or net.frame_size or hs.PRESETS[self.preset].frame_size
