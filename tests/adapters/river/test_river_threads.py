"""River's models under several threads, as in a server that predicts while it learns."""

import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hebbstream.adapters.river import LinearProbe, LinearRegressorProbe, SoftHebbAnomaly, SoftHebbTransformer

ROWS = [{f"c{at}": value for at, value in enumerate(row)} for row in np.random.default_rng(0).normal(size=(200, 6))]


@pytest.fixture(autouse=True)
def _in_small_turns() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def _at_once(*works: Callable[[], None]) -> None:
    errors: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # told by the thread of the test
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors[0]


def _ask_at_once(ask: Callable[[Any], Any]) -> None:
    """Ask four times at once about each row, each time in another order, and compare with what was said before."""
    expected = [ask(row) for row in ROWS]
    assert expected[0] != expected[1]
    wrong = []

    def ask_all(start: int) -> None:
        order = np.roll(np.arange(len(ROWS)), start)
        wrong.extend([at for at in order if ask(ROWS[at]) != expected[at]])

    _at_once(*[partial(ask_all, start) for start in (0, 50, 100, 150)])
    assert not wrong


def test_threads_that_transform_get_the_features_of_their_own_rows() -> None:
    model = SoftHebbTransformer(neurons=20, frozen=True, standardise=False)
    model.learn_one(ROWS[0])
    _ask_at_once(lambda row: dict(model.transform_one(row)))


def test_a_pipeline_predicts_while_another_thread_lets_it_learn() -> None:
    model = SoftHebbTransformer(neurons=20) | LinearProbe()

    def learn() -> None:
        for at, row in enumerate(ROWS):
            model.learn_one(row, at % 3)

    def predict() -> None:
        for row in ROWS:
            model.predict_proba_one(row)

    _at_once(learn, *[predict] * 3)
    assert model["LinearProbe"].as_probe().steps == len(ROWS)


def test_scores_are_those_of_the_row_that_is_asked_about() -> None:
    detector = SoftHebbAnomaly(SoftHebbTransformer(neurons=20, frozen=True))
    detector.learn_one(ROWS[0])
    _ask_at_once(detector.score_one)


@pytest.mark.parametrize(
    ("probe", "ask"),
    [
        (LinearProbe, LinearProbe.predict_one),
        (LinearProbe, LinearProbe.predict_proba_one),
        (LinearRegressorProbe, LinearRegressorProbe.predict_one),
        (LinearProbe, lambda model, row: model.predict_many(pd.DataFrame([row]))),
        (LinearProbe, lambda model, row: model.predict_proba_many(pd.DataFrame([row]))),
        (LinearRegressorProbe, lambda model, row: model.predict_many(pd.DataFrame([row]))),
    ],
)
def test_names_that_appear_while_other_threads_ask(probe: Callable[[], Any], ask: Callable[[Any, Any], Any]) -> None:
    model = probe()
    rows = [{f"n{at // 4 + place}": 1.0 for place in range(8)} for at in range(len(ROWS))]

    def learn(part: int) -> None:
        for row in rows[part::2]:
            model.learn_one(row, 1)

    def predict() -> None:
        for row in rows:
            ask(model, row)

    _at_once(lambda: learn(0), lambda: learn(1), predict, predict)
    assert list(model._model.columns.values()) == list(range(len(model._model.columns)))
