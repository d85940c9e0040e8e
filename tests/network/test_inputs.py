"""What a network takes, and what it refuses: one error of its own kind each, before anything changes."""

import re

import numpy as np
import pytest
import torch

import hebbstream as hs
from hebbstream import errors


@pytest.fixture
def net(frames):
    net = hs.SoftHebbNet.from_preset("cifar10", width=4)
    net.learn_one(frames[0])
    return net


def spoiled(value):
    frame = np.full((32, 32, 3), 0.5, dtype=np.float32)
    frame[3, 4, 1] = value
    return frame


REFUSED = [
    (spoiled(np.nan), errors.NonFiniteError, "NaN: 1 of its 3072 values"),
    (spoiled(np.inf), errors.NonFiniteError, "infinity: 1 of its 3072 values"),
    (spoiled(-np.inf), errors.NonFiniteError, "infinity"),
    (spoiled(255.0), errors.ValueRangeError, "values from 0.5 to 255: expected 0 to 1"),
    (np.zeros((32, 32, 4), np.uint8), errors.ChannelError, "(32, 32, 4): expected 3 channels"),
    (np.zeros((32, 32), np.uint8), errors.RankError, "(32, 32): expected (3, H, W) or (H, W, 3)"),
    (np.zeros((1, 3, 32, 32), np.uint8), errors.RankError, "(1, 3, 32, 32): expected"),
    (np.float32(0.5), errors.DtypeError, "type float32"),
    (np.zeros((32, 32, 3), np.int64), errors.DtypeError, "dtype int64: expected uint8"),
    (np.zeros((32, 32, 3), bool), errors.DtypeError, "dtype bool"),
    (np.ma.masked_equal(np.eye(32), 1)[..., None].repeat(3, 2), errors.NonFiniteError, "masked values"),
    (torch.zeros(3, 32, 32, dtype=torch.int32), errors.DtypeError, "dtype int32"),
    (torch.zeros(3, 32, 32, dtype=torch.complex64), errors.DtypeError, "dtype complex64"),
    ([[0.0]], errors.DtypeError, "type list: expected a numpy array or a torch tensor"),
    ([np.zeros((32, 32, 3)), 1], errors.DtypeError, "a pair (frame, label) is a tuple, and samples_from_torch"),
    (None, errors.DtypeError, "type NoneType"),
    (np.zeros((5, 5, 3), np.uint8), errors.ImageSizeError, "5×5 pixels: too small for layer 3"),
    (np.zeros((0, 32, 3), np.uint8), errors.ImageSizeError, "holds no values"),
]


@pytest.mark.parametrize(
    ("value", "bounds", "told"),
    [
        (1.0001, (0.0, 1.0), "values from 0.5 to 1.0001: expected 0 to 1"),
        (1.00001, (0.0, 1.0), "values from 0.5 to 1.00001: expected 0 to 1"),
        (1.000002, (0.0, 1.0), "values from 0.5 to 1.000002: expected 0 to 1"),
        (-0.000123456, (0.0, 1.0), "values from -0.0001235 to 0.5: expected 0 to 1"),
        (255.02, (0.0, 255.0), "values from 0.5 to 255.02: expected 0 to 255"),
        (1000001.0, (0.0, 1e6), "values from 0.5 to 1000001: expected 0 to 1000000"),
        (-1.00004, (-1.0, 1.0), "values from -1.00004 to 0.5: expected -1 to 1"),
        (0.7072, (0.0, 0.70710678), "values from 0.5 to 0.7072: expected 0 to 0.70710678"),
        (2e15, None, "values from 0.5 to 2e+15: expected -1e+15 to 1e+15"),
        (1.000001e15, None, "values from 0.5 to 1.000001e+15: expected -1e+15 to 1e+15"),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_value_out_of_range_is_told_in_digits_that_show_it(value, bounds, told, dtype):
    net = hs.SoftHebbNet([hs.LayerSpec(channels=2)], 3, input_range=bounds)
    frame = np.full((8, 8, 3), 0.5, dtype)
    frame[2, 3, 1] = value
    with pytest.raises(errors.ValueRangeError) as caught:
        net.learn_one(frame)
    message = str(caught.value)
    low, high, least, most = (float(number) for number in re.findall(r"-?\d[\d.e+-]*", message)[:4])
    assert low < least or high > most
    assert dtype is np.float32 or told in message  # in float32 it is another value


@pytest.mark.parametrize(("frame", "kind", "message"), REFUSED)
def test_a_bad_frame_is_refused_before_anything_changes(net, frame, kind, message):
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    for method in (net.learn_one, net.transform_one):
        with pytest.raises(kind) as caught:
            method(frame)
        assert type(caught.value) is kind
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
        assert isinstance(caught.value, hs.HebbstreamError)
    assert net.samples_seen == 1
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_layouts_dtypes_and_memory_give_the_same_features(net, frames):
    frame = frames[5]
    read_only = frame.copy()
    read_only.flags.writeable = False
    wide = np.repeat(frame, 2, axis=1)
    same = [
        frame,
        frame.transpose(2, 0, 1),
        np.asfortranarray(frame),
        read_only,
        wide[:, ::2],
        frame[::-1].copy()[::-1],
        torch.from_numpy(frame),
        torch.from_numpy(frame).permute(2, 0, 1),
        frame / np.float32(255),
        frame / np.float64(255),
        (frame / np.float32(255)).astype(">f4"),
        np.ma.array(frame),
        torch.complex(torch.zeros(frame.shape), torch.from_numpy(frame / np.float32(-255))).conj().imag,
    ]
    expected = net.transform_one(frame)
    for other in same:
        torch.testing.assert_close(net.transform_one(other), expected, rtol=1e-4, atol=1e-3)


def test_gray_frames_may_leave_out_the_channel():
    net = hs.SoftHebbNet.from_preset("mnist", width=4)
    frame = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)
    expected = net.transform_one(frame)
    for other in (frame[None], frame[..., None]):
        assert torch.equal(net.transform_one(other), expected)
    assert torch.equal(net.transform_many(frame[None])[0], expected)


def test_a_dense_network_takes_vectors_and_insists_on_their_length():
    net = hs.SoftHebbNet([hs.LayerSpec(channels=4, kernel_size=None, pool="none")], 6, input_size=1, input_range=None)
    assert net.learn_one(np.arange(6.0)).shape == (4,)
    with pytest.raises(errors.ChannelError):
        net.learn_one(np.arange(7.0))
    with pytest.raises(errors.RankError):
        net.learn_one(np.zeros((6, 1)))


def test_a_network_of_fixed_size_insists_on_it():
    net = hs.SoftHebbNet.from_preset("mnist-dense", width=8)
    with pytest.raises(errors.ImageSizeError, match="30×28 pixels: this network was built for 28×28"):
        net.learn_one(np.zeros((30, 28), np.uint8))


@pytest.mark.parametrize("normalization", ["whiten", "other", ""])
def test_a_dense_preset_refuses_a_normalisation_that_it_cannot_have(normalization):
    with pytest.raises(errors.ConfigurationError, match=f"^normalization='{normalization}': expected"):
        hs.SoftHebbNet.from_preset("mnist-dense", width=8, normalization=normalization)


def test_a_network_that_no_memory_holds_is_refused():
    specs = [hs.LayerSpec(channels=8), hs.LayerSpec(channels=2**31 - 1, kernel_size=10_001)]
    with pytest.raises(errors.ConfigurationError, match=r"^network of 8/2,147,483,647 neurons: expected one that fits"):
        hs.SoftHebbNet(specs, 3)


def test_input_range_none_takes_any_finite_value():
    net = hs.SoftHebbNet([hs.LayerSpec(channels=4)], 1, input_range=None)
    assert torch.isfinite(net.learn_one(np.linspace(-50, 50, 64).reshape(8, 8))).all()


@pytest.mark.parametrize("device", [None, 1.5])
def test_what_names_no_device_is_refused(device):
    with pytest.raises(errors.ConfigurationError, match=f"device={device}: expected a name, such as 'cpu' or 'cuda'"):
        hs.SoftHebbNet([hs.LayerSpec(channels=2)], 3, device=device)


@pytest.mark.parametrize("device", ["nonsense", "cuda:99", "hpu"])  # torch looks for the last in a module of its own
def test_a_device_that_is_not_there_is_refused(device):
    with pytest.raises(
        errors.ConfigurationError, match=rf"device='{device}': it cannot be used here \(.*\); expected one of cpu"
    ):
        hs.SoftHebbNet([hs.LayerSpec(channels=2)], 3, device=device)


def test_a_device_without_float64_is_refused_before_anything_is_learned(monkeypatch):
    """Apple's mps has none, and makes tensors of any other type."""
    net = hs.SoftHebbNet([hs.LayerSpec(channels=2)], 3)
    monkeypatch.setattr(torch, "empty", without_float64(torch.empty))
    for use in (lambda: hs.SoftHebbNet([hs.LayerSpec(channels=2)], 3), lambda: net.to("cpu")):
        with pytest.raises(errors.ConfigurationError, match=r"device='cpu': it cannot be used here .* float64"):
            use()


def without_float64(make):
    def made(*args, dtype=None, **kwargs):
        if dtype == torch.float64:
            raise TypeError("Cannot convert a Tensor to float64 dtype as the framework doesn't support float64.")
        return make(*args, dtype=dtype, **kwargs)

    return made


@pytest.mark.parametrize("batch_size", [0, 1.5, "2", True, None])
def test_no_step_is_of_so_many_samples(batch_size):
    """Of 1.5, a stream without end filled the memory: no batch ever had as many."""
    with pytest.raises(errors.ConfigurationError, match=f"batch_size={batch_size!r}: expected a positive integer"):
        next(hs.SoftHebbNet.from_preset("cifar10", width=4).learn_stream(torch.rand(2, 3, 32, 32), batch_size))


def test_a_preset_is_named_by_a_text():
    with pytest.raises(errors.ConfigurationError, match=r"no preset \['cifar10'\]: expected one of pictures"):
        hs.SoftHebbNet.from_preset(["cifar10"])
