"""A small learner that has learned the bundled clip, shipped with the package."""

from importlib.resources import files
from pathlib import Path

from hebbstream.learning import Learner

_EXAMPLE = Path(str(files("hebbstream.clip"))) / "example.safetensors"


def load_example(device: str = "cpu") -> Learner:
    """Return a small network, with a probe, that has learned from the bundled clip.

    Each call reads it anew, so you may let it learn on. `scripts/train_example.py` in the clone trained it.

    Parameters
    ----------
    device
        Where to compute.

    Returns
    -------
    Learner
        Its ``net`` reads frames of 32×32 pixels in colour, its ``probe`` knows the eight photographs of the clip.

    Raises
    ------
    ConfigurationError
        If the device cannot be used.

    Examples
    --------
    >>> from hebbstream.clip._clip import clip_frames
    >>> learner = load_example()
    >>> features = learner.net.transform_one(clip_frames(32, 1)[0])
    >>> learner.probe.predict_one(features) in learner.probe.classes
    True
    """
    return Learner.load(_EXAMPLE, device)
