"""`LabelledCheck`: a labelled sample that the probe could not learn is found out before the network learns it."""

import math
from typing import TYPE_CHECKING

from hebbstream.errors import ImageSizeError
from hebbstream.probe import OnlineProbe
from hebbstream.probe._inputs import checked_label
from hebbstream.streams._sample import Sample

if TYPE_CHECKING:
    from hebbstream.learning._learner import Learner


class LabelledCheck:
    """Refuses labels that are no classes, and frames of another size, where the learner's probe is one of ours.

    Parameters
    ----------
    learner
        Whose samples they are.
    """

    def __init__(self, learner: "Learner") -> None:
        self._learner = learner
        self._shape: object = None  # of the latest frame looked at: one alike needs no look
        self.features: int | None = None  # of that frame: with samples under way the probe may not know yet

    def __call__(self, sample: Sample) -> None:
        """Refuse a sample.

        Raises
        ------
        LabelError
            If its label cannot be a class.
        InputError
            If the network would refuse its frame, or give other features than the probe reads.
        """
        probe, net = self._learner.probe, self._learner.net
        if sample.y is None or probe is None:
            return
        probe = probe.as_probe() if hasattr(probe, "as_probe") else probe
        if not isinstance(probe, OnlineProbe):
            return
        checked_label(sample.y)
        shape = getattr(sample.x, "shape", None)
        if shape == self._shape:
            return
        height, width = net.checked(sample.x, single=True).shape[2:]
        features, read = math.prod(net.output_shape(height, width)), probe.n_features or self.features
        if read not in (None, features):
            raise ImageSizeError(
                f"frame of {height}×{width} pixels, which has {features} features: expected one that has {read}, as the"
                " probe has learned"
            )
        self._shape, self.features = shape, features
