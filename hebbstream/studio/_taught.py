"""`Taught`: the network, what it was taught, and the probe that this makes."""

from collections.abc import Hashable
from dataclasses import replace
from math import prod

import numpy as np
import torch

import hebbstream as hs
from hebbstream.errors import CheckpointNotFoundError, ConfigurationError
from hebbstream.probe import OnlineProbe
from hebbstream.probe._labels import decode_labels
from hebbstream.probe._solvers import as_online_probe, probe_from_state
from hebbstream.studio._drawing import PORTRAITS, Portrait
from hebbstream.studio._examples import Example, Examples, checked_name
from hebbstream.studio._freshness import Freshness
from hebbstream.studio._keeper import Keeper
from hebbstream.studio._picture import Pixels, scaled
from hebbstream.studio._settings import Settings


class Taught:
    """Keeps learner and examples together, here and in the run's folder.

    Parameters
    ----------
    keeper
        The run's folder.
    settings
        Of a new run; one that is there goes on as it was.

    Raises
    ------
    CheckpointError
        If the run's checkpoint cannot be read.
    ConfigurationError
        If its network cannot see what the sources show.
    """

    def __init__(self, keeper: Keeper, settings: Settings) -> None:
        self.keeper, self.settings = keeper, settings
        self.examples = Examples()
        self.changes = 0
        self.adopt(self._first_learner())
        self._read_examples()

    def adopt(self, learner: hs.Learner) -> None:
        """Go on with another learner."""
        probe = as_online_probe(learner.probe, "the studio")
        learner.probe = self.settings.probe() if probe is None else probe
        self.learner, self.net = learner, learner.net
        self.size = self.settings.frame_size(learner.net)
        self.fresh = Freshness(self.examples, learner.net, self._features)

    @property
    def probe(self) -> OnlineProbe:
        """What tells the classes apart."""
        probe: OnlineProbe = self.learner.probe  # type: ignore[assignment]  # `adopt` sees to that
        return probe

    @property
    def replaceable(self) -> bool:
        """Whether nothing that is kept needs this network, so that another may take its place."""
        return not self.net.samples_seen and not len(self.examples) and self.examples.base is None

    def relearn(self, *, anew: bool = False) -> None:
        """Make the probe what the kept examples teach; `anew` with the features that they have by now."""
        if anew:
            self.fresh.look_at_all()
        self.fresh.restart()
        self.learner.probe = self.examples.learned(self.probe)
        self.changes += 1
        self.keeper.agree(self.examples)

    def _first_learner(self) -> hs.Learner:
        try:
            learner = hs.Learner.load(self.keeper.checkpoint, self.settings.device)
        except CheckpointNotFoundError:
            return self.settings.learner()
        self.settings = self._settings_for(learner.net)
        return learner

    def _settings_for(self, net: hs.SoftHebbNet) -> Settings:
        """Return the settings with what a network from a file brings; refuse one that cannot see the sources."""
        size = net.frame_size or (None if self.settings.kind == "pictures" else self.settings.size)
        settings = replace(self.settings, preset=net.preset or self.settings.preset, size=size)
        settings.check(net)
        return settings

    def _read_examples(self) -> None:
        store = self.keeper.store
        self.examples.classes, self.examples.base = store.classes(), self.keeper.base()
        if self.examples.base is not None:
            self._show_classes(_named(decode_labels(self.examples.base["classes"])))
        for number, label, frame in store.read():
            frame = self._fitted(frame)
            self.examples.add(label, frame, self._features(frame), number)
        if len(self.examples) or self.examples.base is not None:
            self.learner.probe = self.examples.learned(self.probe)
        elif self.probe.classes:  # of a run that `hebbstream learn` began
            self.build_on(self.probe)

    def build_on(self, probe: OnlineProbe) -> None:
        """Teach all that is kept to a probe that knows something already."""
        self._show_classes(_named(probe.classes))
        self.examples.base = probe_from_state(probe.state_dict()).state_dict()  # a copy
        self.learner.probe = self.examples.learned(probe)
        self.keeper.agree(self.examples)

    def _show_classes(self, classes: list[str]) -> None:
        self.examples.classes += [label for label in classes if label not in self.examples.classes]

    def open(self, learner: hs.Learner) -> None:
        """Go on with a learner from elsewhere, and teach it what is kept here; call it in this thread.

        Raises
        ------
        ConfigurationError
            If its probe has classes that are no text, its network cannot see what the sources show, or has learned
            the same columns in another order or sound at another rate, or the two do not fit together here.
        LabelError
            If one of its classes has a name that cannot be used.
        """
        probe = as_online_probe(learner.probe, "the studio")
        settings = self._settings_for(learner.net)
        size = settings.frame_size(learner.net)
        if settings.kind != "pictures" and size != self.size:  # pictures are scaled
            raise ConfigurationError(f"network for windows of {size}: expected {self.size}, as the sources have")
        if settings.kind != "pictures":
            self._check_reading(learner.net)
        features = prod(learner.net.output_shape(*size))
        if probe is not None and probe.n_features not in (None, features):  # it learned from frames of another size
            raise ConfigurationError(
                f"probe of {probe.n_features:,} features: expected {features:,}, of frames of {size}"
            )
        _named([] if probe is None else probe.classes)  # before anything changes
        self.settings = settings
        self.adopt(learner)
        for example in self.examples:
            example.frame = self._fitted(example.frame)
            example.features = self._features(example.frame)
        if self.probe.classes:
            self.build_on(self.probe)
        else:
            self.examples.base = None
            self.relearn()
        self.changes += 1

    def _check_reading(self, net: hs.SoftHebbNet) -> None:
        """Refuse a network for which the sources, which stay open, would have been read otherwise."""
        here, there = self.net.channel_names or (), net.channel_names or ()
        if there != here and sorted(there) == sorted(here):
            raise ConfigurationError(
                f"network for the columns {', '.join(there)}: expected {', '.join(here)}, as the sources have them"
            )
        if None not in (net.sample_rate, self.net.sample_rate) and net.sample_rate != self.net.sample_rate:
            raise ConfigurationError(
                f"network for sound of {net.sample_rate} values a second: expected {self.net.sample_rate}, as here"
            )

    def _fitted(self, frame: Pixels) -> Pixels:
        """Return a picture as the network sees it; samples of signals are so already."""
        return scaled(frame, self.size, gray=self.net.in_channels == 1) if frame.dtype == np.uint8 else frame

    def drawn(self, example: Example) -> Pixels:
        """Return an example as people see it."""
        return self._portrait(example.frame)

    @property
    def _portrait(self) -> Portrait:
        return PORTRAITS[self.settings.kind]

    def _features(self, frame: Pixels) -> torch.Tensor:
        return self.net.transform_one(frame).clone()


def _named(classes: list[Hashable]) -> list[str]:
    named = [label for label in classes if isinstance(label, str)]
    if len(named) < len(classes):
        raise ConfigurationError("probe with classes that are no text: expected names, to show them")
    for label in named:
        checked_name(label)
    return named
