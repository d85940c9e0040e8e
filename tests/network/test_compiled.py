"""A network within a module that `torch.compile` compiles; warnings of torch are errors here."""

import copy

import pytest
import torch
from torch import nn

import hebbstream as hs


class Head(nn.Module):
    """A linear layer that learns by gradients, on features of a network that learns without."""

    def __init__(self, use):
        super().__init__()
        self.net = hs.SoftHebbNet.from_preset("mnist", width=4)
        self.linear = nn.Linear(576, 2)
        self.use = use

    def forward(self, x):
        return self.linear(self.use(self.net, x)).square().sum()


@pytest.mark.parametrize(
    "use",
    [lambda net, x: net(x), lambda net, x: net.transform_many(x), lambda net, x: net.learn_many(x)],
    ids=["call", "transform", "learn"],
)
def test_a_compiled_head_does_what_it_does_as_it_is(use):
    torch.manual_seed(0)
    head = Head(use)
    twin = copy.deepcopy(head)
    compiled = torch.compile(head, backend="eager")
    for x in (torch.rand(3, 1, 28, 28), torch.rand(2, 1, 28, 28)):
        for module in (compiled, twin):
            module(x).backward()
        assert head.linear.weight.grad.equal(twin.linear.weight.grad)
    assert head.net.samples_seen == twin.net.samples_seen
    assert head.net.layers[0].weight.equal(twin.net.layers[0].weight)
    torch.compiler.reset()
