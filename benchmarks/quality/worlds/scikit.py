"""Measure what classifiers of scikit-learn make of features: those of a network as drawn, and of one that has learned.

The preset "motion", and labels as in `later`. Nothing about the classifiers was chosen: features are standardised for logistic regression,
or all divided by one deviation, neighbours are compared by cosine, and the covariance of LDA is shrunk by the rule of Ledoit and Wolf. *Averages* are features that are
averaged over all places of a frame, one number for each neuron.
"""

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import hebbstream as hs
from benchmarks.core import store
from benchmarks.quality.worlds.__main__ import features, learn_from, measure_worlds, network, shown, small
from benchmarks.quality.worlds.readout import Array, World
from benchmarks.quality.worlds.tables import DRAWN, LEARNED

CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "logistic regression": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "logistic regression, one scale": lambda: make_pipeline(StandardScaler(with_std=False), LogisticRegression()),
    "five nearest": partial(KNeighborsClassifier, 5, metric="cosine"),
    "LDA": partial(LinearDiscriminantAnalysis, solver="lsqr", shrinkage="auto"),
}


def jobs(world: World, cropped: bool, width: int, seed: int) -> Iterator[store.Job]:  # noqa: ARG001  # whole frames
    """Yield a row for the network as drawn and one for that which has learned."""
    for row, learning in ((DRAWN, ()), (LEARNED, (0, 1))):
        yield {"row": row}, partial(_row, world, network("motion", learning, width, world.train.shape[-1], seed))


def _row(world: World, net: hs.SoftHebbNet) -> store.Result:
    seconds = learn_from(net, small(world.stream))
    known, tested = (features(net, frames) for frames in shown(world))
    neurons = net.layers[-1].spec.channels
    averages = [rows.reshape(len(rows), neurons, -1).mean(axis=2) for rows in (known, tested)]
    seen = {"": (known, tested), ", averages": averages}
    accuracy = {
        name + of: _right(world, *seen[of], classifier()) for of in seen for name, classifier in CLASSIFIERS.items()
    }
    return {"cpu_seconds": seconds, "accuracy": accuracy}


def _right(world: World, known: Array, tested: Array, classifier: Any) -> float:
    scale = known.std(axis=0).mean()  # penalties are for values near 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # after its hundred steps, as many would leave it
        named = classifier.fit(known / scale, world.y[:, 0]).predict(tested / scale)
    return round(float((named == world.test_y[:, 0]).mean()), 4)


if __name__ == "__main__":
    measure_worlds("quality/scikit", __doc__, jobs)
