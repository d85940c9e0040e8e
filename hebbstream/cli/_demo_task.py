"""The demo's task: a few labelled frames of each photograph, and later ones with other zooms and lights to recognise."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

import hebbstream as hs
from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP, clip_label

Frames = np.ndarray[Any, np.dtype[np.uint8]]

SIZE, LEARNED, LABELLED, TESTED = 32, 4500, 30, 500
_DRAWS = 3  # of the labelled frames; an accuracy is their mean
_CLIP_SIDE, _EVERY = 64, 3  # of the clip's frames after those learned, every so many-th is tested
_ZOOM, _LIGHT, _CAST = (0.55, 1.0), (0.5, 1.5), (0.75, 1.25)  # share of the frame in view; exposure; of each colour
_SEED = 2026


@dataclass(frozen=True, slots=True)
class Task:
    """Labelled frames to teach a probe, in a random order, and those to recognise; uint8, (N, 32, 32, 3).

    Parameters
    ----------
    taught, taught_labels
        Several draws, one after another, of as many frames of each photograph.
    test, test_labels
        Later frames.
    """

    taught: Frames
    taught_labels: list[str]
    test: Frames
    test_labels: list[str]

    @classmethod
    def load(cls) -> "Task":
        """Read the bundled clip."""
        random = np.random.default_rng(_SEED)
        with open_video(CLIP, size=_CLIP_SIDE, label=clip_label()) as stream:
            samples = list(stream)
        labels = np.array([sample.y for sample in samples])
        seen = labels[:LEARNED]
        taught = np.concatenate([_drawn(seen, np.unique(seen), random) for _ in range(_DRAWS)])
        tested = np.arange(LEARNED, len(labels), _EVERY)[:TESTED]
        return cls(
            np.stack([_scaled(samples[at].x) for at in taught]),
            labels[taught].tolist(),
            np.stack([_changed(samples[at].x, random) for at in tested]),
            labels[tested].tolist(),
        )

    @property
    def classes(self) -> list[str]:
        """The photographs' names."""
        return sorted(set(self.taught_labels))

    def taught_probe(self, net: hs.SoftHebbNet) -> hs.SldaProbe:
        """Return a probe that saw each frame of the first draw once: of few labels, and features that stand still, it makes most."""
        one = len(self.taught) // _DRAWS
        return _taught(net.transform_many(self.taught[:one]), self.taught_labels[:one])

    def accuracy(self, net: hs.SoftHebbNet) -> float:
        """Return the share of the test that such probes get right on a network's features, a mean over the draws."""
        return self._right(net.transform_many(self.taught), net.transform_many(self.test))

    def accuracy_of_pixels(self) -> float:
        """Return the same for the pixels themselves."""
        taught, test = (torch.from_numpy(part).flatten(1).float() / 255 for part in (self.taught, self.test))
        return self._right(taught, test)

    def _right(self, taught: torch.Tensor, test: torch.Tensor) -> float:
        one, expected = len(taught) // _DRAWS, np.array(self.test_labels)
        draws = [slice(at, at + one) for at in range(0, len(taught), one)]
        probes = [_taught(taught[draw], self.taught_labels[draw]) for draw in draws]
        return float(np.mean([np.array(probe.predict_many(test)) == expected for probe in probes]))


def _drawn(
    labels: np.ndarray[Any, Any], names: np.ndarray[Any, Any], random: np.random.Generator
) -> np.ndarray[Any, Any]:
    """Return indices of labelled frames, as many of each photograph, in a random order."""
    chosen = [random.permutation(np.flatnonzero(labels == name))[:LABELLED] for name in names]
    return random.permutation(np.concatenate(chosen))


def _taught(features: torch.Tensor, labels: list[str]) -> hs.SldaProbe:
    probe = hs.SldaProbe()
    probe.learn_many(features, labels)
    return probe


def _changed(frame: Frames, random: np.random.Generator) -> Frames:
    """Return a part of a frame, in another light."""
    side = round(_CLIP_SIDE * random.uniform(*_ZOOM))
    top, left = random.integers(0, _CLIP_SIDE - side + 1, 2)
    light = random.uniform(*_LIGHT) * random.uniform(*_CAST, 3)
    return _scaled((frame[top : top + side, left : left + side] * light).clip(0, 255).astype(np.uint8))


def _scaled(frame: Frames) -> Frames:
    planes = torch.from_numpy(frame).permute(2, 0, 1)[None].float()
    small = F.interpolate(planes, (SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False)
    scaled: Frames = small[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()
    return scaled
