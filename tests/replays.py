"""Small helpers for the tests of `Replay`."""

import torch
from probes import tensors_of

import hebbstream as hs


def numbered(number):
    return torch.full((1, 2, 2), number % 256, dtype=torch.uint8)


def filled(labels, **options):
    memory = hs.Replay(**options)
    for number, label in enumerate(labels):
        memory.add(numbered(number), label)
    return memory


def kept(memory):
    return sorted(int(frame.max()) for frame in tensors_of(memory)["frames"])


def learned(stream, memory, *, net=None, probe=None, **options):
    net = net or hs.SoftHebbNet.from_preset("cifar10", width=4, engine=options.pop("engine", "eager"))
    probe = probe or hs.SoftmaxProbe()
    hs.learn(net, stream, probe, replay=memory, progress=False, **options)
    return net, probe
