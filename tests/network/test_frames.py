"""Whatever a frame's memory, its values decide: what a network computes, or the one error by which it refuses."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import FRAME_SHAPES, LAYOUTS, arrays, assert_same_state, modest, packed, state, tiny_net

import hebbstream as hs
from hebbstream import errors
from hebbstream.network import _stack
from hebbstream.network._frames import pinned, to_input

NETS = {name: tiny_net(input_range=bounds) for name, bounds in (("unit", (0.0, 1.0)), ("any", None))}
KINDS = st.sampled_from(list(NETS.values()))


def outcome(method, frame):
    try:
        return method(frame)
    except hs.HebbstreamError as error:
        return type(error), str(error)


def assert_same(one, other):
    assert type(one) is type(other)
    assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def check(net, frame, same):
    """`same` holds the values of `frame` in other memory."""
    net, other = copy.deepcopy(net), copy.deepcopy(net)
    before = state(net)
    expected = outcome(net.transform_one, frame)
    assert_same(expected, outcome(net.transform_one, same))
    assert_same_state(before, state(net))
    learned = outcome(net.learn_one, frame)
    assert_same(learned, outcome(other.learn_one, same))
    assert_same_state(state(net), state(other))
    if isinstance(learned, tuple):
        assert learned == expected
        assert "\n" not in learned[1]
        assert_same_state(before, state(net))
        assert net.samples_seen == 0
    else:
        assert all(bool(tensor.isfinite().all()) for tensor in net.state_dict().values())


@modest
@given(KINDS, arrays(), LAYOUTS)
def test_any_array_gives_features_or_one_error(net, frame, layout):
    check(net, frame, layout(frame))


@modest
@given(KINDS, arrays(FRAME_SHAPES, st.sampled_from(["u1", "f2", "f4", "f8"])), LAYOUTS)
def test_the_memory_of_a_frame_does_not_matter(net, frame, layout):
    check(net, frame, layout(frame))


@modest
@given(
    KINDS, arrays(FRAME_SHAPES, st.sampled_from(["u1", "f2", "f4", "f8"])), st.permutations([0, 1, 2]), st.booleans()
)
def test_the_memory_of_a_tensor_does_not_matter(net, frame, order, grad):
    tensor = torch.from_numpy(frame)
    permuted = tensor.permute(order).contiguous().permute([order.index(axis) for axis in range(3)])
    check(net, tensor, permuted.requires_grad_(grad and permuted.is_floating_point()))


@modest
@given(st.lists(arrays(st.just((3, 6, 6)), st.sampled_from(["u1", "f4"])), max_size=3), LAYOUTS)
def test_the_memory_of_a_batch_does_not_matter(frames, layout):
    batch = np.stack(frames) if frames else np.zeros((0, 3, 6, 6), np.uint8)
    assert_same(outcome(NETS["unit"].transform_many, batch), outcome(NETS["unit"].transform_many, layout(batch)))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("channels_last", [False, True])
def test_a_large_batch_is_brought_to_the_input_as_its_frames_are_one_by_one(dtype, channels_last):
    batch = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3)).astype(dtype)
    x = torch.from_numpy(batch).permute(0, 3, 1, 2)
    x, cpu = x if channels_last else x.contiguous(), torch.device("cpu")
    found, expected = to_input(x, cpu), torch.cat([to_input(frame[None], cpu) for frame in x])
    assert torch.equal(found, expected)
    assert found.dtype == torch.float32
    assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("mirror", [False, True])
def test_a_batch_beyond_the_caches_is_read_in_parts(monkeypatch, mirror):
    net, frames = tiny_net(mirror=mirror), np.random.default_rng(0).random((7, 3, 8, 8), dtype=np.float32)
    whole, sizes = net.transform_many(frames), []
    monkeypatch.setattr(_stack, "_CACHED", -(-3 * 64 * net.layers[0].spec.channels // torch.get_num_threads()))
    monkeypatch.setattr(net, "_features", lambda x: sizes.append(len(x)) or type(net)._features(net, x))
    torch.testing.assert_close(net.transform_many(frames), whole)
    assert sizes == [3, 3, 1]


def test_fields_of_packed_records_are_read():
    frame = np.random.default_rng(0).random((8, 8, 3), dtype=np.float32)
    assert packed(frame).strides[-1] % 4
    assert torch.equal(NETS["unit"].transform_one(packed(frame)), NETS["unit"].transform_one(frame))


@pytest.mark.parametrize(
    ("frame", "kind"),
    [(torch.zeros(3, 8, 8).to_sparse(), "sparse_coo"), (torch.zeros(3, 8, 8, device="meta"), "meta")],
)
def test_a_tensor_without_plain_memory_is_refused(frame, kind):
    with pytest.raises(errors.DtypeError, match=f"as a {kind} tensor: expected a dense one"):
        NETS["unit"].learn_one(frame)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_whose_squares_would_overflow_are_refused(dtype):
    net = tiny_net(input_range=None)
    net.learn_one(np.linspace(-1e15, 1e15, 3 * 64, dtype=np.float64).reshape(3, 8, 8).clip(-1e15, 1e15))
    before = state(net)
    assert all(bool(tensor.isfinite().all()) for tensor in before.values())
    with pytest.raises(errors.ValueRangeError, match=r"to 1e\+30: expected -1e\+15 to 1e\+15"):
        net.learn_one(np.full((3, 8, 8), 1e30, dtype))
    assert_same_state(before, state(net))


class OnACard(torch.Tensor):
    """A tensor that says it is on a card, and keeps how it was asked to go elsewhere."""

    is_cpu = False
    device = torch.device("cuda", 0)

    def to(self, *args, **options):
        ASKED.append(options.get("non_blocking", False))
        return self.as_subclass(torch.Tensor).to(*args)


ASKED: list[bool] = []


def test_what_comes_from_a_card_is_waited_for():
    """A copy to the host that does not block is read before it is there."""
    ASKED.clear()
    frame = torch.full((1, 3, 4, 4), 255, dtype=torch.uint8)
    assert torch.equal(to_input(frame.as_subclass(OnACard), torch.device("cpu")), torch.ones(1, 3, 4, 4))
    assert ASKED == [False]


def test_an_upload_reads_memory_that_is_no_callers(monkeypatch):
    """A caller who pinned a frame writes the next one there, while the first is still on its way."""
    made = []
    monkeypatch.setattr(
        torch, "empty_like", lambda x, *, pin_memory: made.append(pin_memory) or torch.zeros(x.shape, dtype=x.dtype)
    )
    monkeypatch.setattr(torch.Tensor, "is_pinned", lambda _: True)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda x: x)
    frame = torch.rand(1, 3, 4, 4)
    before, uploaded = frame.clone(), pinned(frame)
    frame.zero_()
    assert torch.equal(uploaded, before)
    assert made == [True]
