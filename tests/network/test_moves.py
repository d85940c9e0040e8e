"""Networks that go to another device: whole, or not at all."""

import pytest
import torch

import hebbstream as hs
from hebbstream.errors import ConfigurationError


@pytest.mark.parametrize("fits", [0, 1, 9])
def test_a_card_without_the_memory_leaves_the_network_where_it_was(fits):
    net = hs.SoftHebbNet.from_preset("cifar10", width=4)
    before, taken = list(net.buffers()), []

    def move(tensor):
        taken.append(tensor.numel() > 0)
        if sum(taken) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")
        return tensor.clone()

    with pytest.raises(ConfigurationError, match="network cannot go there: CUDA out of memory"):
        net._apply(move)
    assert all(one is other for one, other in zip(net.buffers(), before, strict=True))
    net._apply(torch.clone)
    assert not any(one is other for one, other in zip(net.buffers(), before, strict=True))
    net.learn_one(torch.rand(3, 32, 32))


def test_what_a_subclass_adds_goes_along():
    class Headed(hs.SoftHebbNet):
        pass

    net = Headed([hs.LayerSpec(channels=4)], 3)
    net.head = torch.nn.Linear(4, 2)
    before = net.head.weight.data_ptr()
    net._apply(torch.clone)
    assert net.head.weight.data_ptr() != before
    assert isinstance(net.head.weight, torch.nn.Parameter)
