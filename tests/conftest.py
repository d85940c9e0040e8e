import hebbstream  # noqa: F401, I001  # before torch, so that a busy machine does not slow the tests down

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP, clip_label
from hebbstream.rule import _fast as fast

fast.kernels()  # so that no program of a test is the first here, and says that it compiles them


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("cuda"):
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(scope="session")
def data() -> Path:
    folder = os.environ.get("HEBBSTREAM_DATA")
    if not folder:
        pytest.skip("HEBBSTREAM_DATA is not set: it names a folder with the real data sets and videos")
    return Path(folder)


@pytest.fixture(scope="session")
def frames() -> np.ndarray:
    """100 real frames, 32×32 RGB uint8, spread over the bundled clip."""
    with open_video(CLIP, size=32, stride=20) as stream:
        pictures = [sample.x for _, sample in zip(range(100), stream, strict=False)]
    assert len(pictures) == 100
    return np.stack(pictures)


@pytest.fixture(scope="session")
def labelled() -> list:
    """The first 400 samples of the bundled clip."""
    with open_video(CLIP, size=32, label=clip_label()) as stream:
        return [sample for _, sample in zip(range(400), stream, strict=False)]
