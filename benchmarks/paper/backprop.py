"""Backpropagation on the architecture that SoftHebb learned: from the start, or as fine-tuning of what it learned."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

import hebbstream as hs
from benchmarks.core.contenders import BackpropNet
from benchmarks.core.data import Task
from benchmarks.core.probe import Protocol, accuracy, as_input, augmented, halving


def backprop_accuracy(
    net: hs.SoftHebbNet, task: Task, protocol: Protocol, *, epochs: int, seed: int, learned: bool, progress: bool
) -> float:
    """Train all layers and a classifier end to end, and return the test accuracy; the network becomes what they are.

    With `learned` the network's weights and statistics are the start, otherwise weights of variance 2/fan-in are.
    """
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    images, labels = task.train.images, torch.from_numpy(task.train.labels)
    model = BackpropNet(net, task.test.images[:1].shape[1], int(labels.max()) + 1, 0.5 * protocol.dropout)
    for layer, norm, weight in zip(net.layers, model.norms, model.weights, strict=True):
        if not learned:
            torch.nn.init.kaiming_normal_(weight)
        elif layer.norm is not None:
            norm.running_mean.copy_(layer.norm.mean)
            norm.running_var.copy_(layer.norm.var)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    scheduler = halving(optimizer, epochs)
    for _ in tqdm(range(epochs), desc="backprop", leave=False, disable=not progress):
        model.train()
        for indices in tqdm(torch.randperm(len(labels)).split(protocol.batch), leave=False, disable=not progress):
            optimizer.zero_grad()
            chosen = images[indices.numpy()]
            x = as_input(augmented(chosen, generator) if protocol.augment else chosen)
            F.cross_entropy(model(x), labels[indices]).backward()
            optimizer.step()
        scheduler.step()
    model.eval()
    with torch.no_grad():
        for layer, norm, weight in zip(net.layers, model.norms, model.weights, strict=True):
            layer.weight.copy_(weight)
            if layer.norm is not None:
                layer.norm.mean.copy_(norm.running_mean)
                layer.norm.var.copy_(norm.running_var)

    def of(indices: Tensor) -> Any:
        return as_input(task.test.images[indices.numpy()])

    return accuracy(model, of, task.test.labels)
