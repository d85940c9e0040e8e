"""`Settings`: what a run of the studio is started with."""

from dataclasses import dataclass
from typing import Any

import hebbstream as hs
from hebbstream.errors import ConfigurationError
from hebbstream.probe import OnlineProbe
from hebbstream.probe._solvers import SOLVERS

WIDTHS = (8, 16, 24, 32, 48, 96)
_LEAST_CONFIDENCE = 0.5


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is started with.

    Parameters
    ----------
    preset, width, seed, device
        Of the network.
    solver
        Of the probe.
    dimensions
        Of a probe that solves, which it does after each taught frame.
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
    solver: str = "ridge"
    dimensions: int = 512
    size: tuple[int, int] | None = None
    every_frame: bool = False
    start: bool = False

    def learner(self) -> hs.Learner:
        """Make a learner."""
        net = hs.SoftHebbNet.from_preset(self.preset, width=self.width, seed=self.seed, device=self.device)
        return hs.Learner(net, self.probe())

    def probe(self) -> OnlineProbe:
        """Make a probe that has learned nothing."""
        if self.solver not in SOLVERS:
            raise ConfigurationError(f"solver={self.solver!r}: expected one of {', '.join(map(repr, SOLVERS))}")
        kind = SOLVERS[self.solver]
        options: dict[str, Any] = {"dimensions": self.dimensions} if "dimensions" in kind.option_names else {}
        return kind(min_confidence=_LEAST_CONFIDENCE, **options)

    def frame_size(self, net: hs.SoftHebbNet) -> tuple[int, int]:
        """Return (height, width) of what the network sees."""
        side = hs.PRESETS[self.preset].image_size
        return self.size or net.input_size or net.frame_size or (side, side)
