"""Hypothesis strategies for frames as they arrive: any shape and dtype, and the same values in any memory."""

from contextlib import contextmanager

import numpy as np
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import hebbstream as hs

modest = settings(derandomize=True, deadline=None, max_examples=30, database=None)

DTYPES = st.sampled_from(["u1", "f4", "f8", "f2", ">f4", "i1", "i4", "u2", "?", "c8", "g", "U2", "O", "M8[s]"])


def tiny_net(**options):
    return hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3, seed=0, **options)


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def state(net):
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def assert_same_state(before, after):
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert torch.equal(tensor, after[name]), name


def assert_same_nets(one, other):
    assert_same_state(one.state_dict(), other.state_dict())


def assert_learns(samples, count, net=None):
    """Let `learn` take the samples as they are, with a probe where they have labels."""
    net = net or tiny_net()
    before = net.layers[0].weight.clone()
    report = hs.learn(net, samples, hs.SoftmaxProbe(), progress=False)
    assert report.samples == net.samples_seen == count
    assert not torch.equal(before, net.layers[0].weight)
    return report


def forward(array):
    return array.copy()


def backward(array):
    reverse = (..., *(slice(None, None, -1),) * array.ndim)
    return array[reverse].copy()[reverse]


def every_other(array):
    wide, every = (
        np.zeros([2 * side for side in array.shape], array.dtype),
        (..., *(slice(None, None, 2),) * array.ndim),
    )
    wide[every] = array
    return wide[every]


def packed(array):
    fields = np.zeros(array.shape, dtype=[("before", "u1"), ("value", array.dtype)])
    fields["value"] = array
    return fields["value"]


def read_only(array):
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def fortran(array):
    return np.asfortranarray(array).reshape(array.shape, order="F")


LAYOUTS = st.sampled_from([forward, fortran, backward, every_other, packed, read_only])


@st.composite
def arrays(draw, shape=None, dtype=DTYPES):
    """An array of ones, zeros and values between; of NaN, infinity and beyond in some."""
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=9) if shape is None else shape)
    dtype = np.dtype(draw(dtype))
    values = np.random.default_rng(draw(st.integers(0, 99))).random(shape)
    if dtype.kind in "f" and values.size and draw(st.integers(0, 3)) == 0:
        values.flat[0] = draw(st.sampled_from([np.nan, np.inf, -np.inf, -0.1, 300.0, 1e4]))
    return np.asarray(values * 255 if dtype == np.uint8 else values).astype(dtype)


FRAME_SHAPES = st.tuples(st.integers(0, 12), st.integers(0, 12), st.sampled_from([1, 2, 3, 3, 3])).map(
    lambda s: s if s[0] % 2 else (s[2], s[0], s[1])
)
