"""`hebbstream info`."""

import argparse
import platform
from importlib.metadata import PackageNotFoundError, version

import torch

import hebbstream as hs
from hebbstream import _threads as threads
from hebbstream.rule import _fast as fast

USAGE = ""

_PACKAGES = ("torch", "numpy", "river", "av", "onnx", "onnxruntime", "onnxruntime-gpu", "numba", "matplotlib")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no options: this command has none."""


def run(options: argparse.Namespace) -> None:  # noqa: ARG001  # every command takes its options
    """Show versions, devices and presets."""
    print(f"hebbstream {hs.__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    for package in _PACKAGES:
        try:
            print(f"{package:16} {version(package)}")
        except PackageNotFoundError:
            print(f"{package:16} not installed")
    cuda = ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
    print(f"{'CUDA devices':16} {cuda or 'none'}")
    waiting = f"spin {threads.SPIN_COUNT} times" if threads.SHORT_SPIN else "as the environment or torch sets it"
    print(f"{'CPU threads':16} {torch.get_num_threads()}, waiting for each other: {waiting}")
    kernels = fast.kernels()
    print(f"{'kernels':16} {fast.reason() or 'compiled by numba, vectors of ' + str(kernels.SHAPE.lanes) + ' values'}")
    print(f"{'precision=auto':16} {'bfloat16' if kernels is not None and kernels.BFLOAT16 else 'float32'} on this CPU")
    print("presets")
    for name, preset in hs.PRESETS.items():
        neurons = "/".join(str(spec.channels) for spec in preset.layers)
        (height, width), channels = preset.frame_size, preset.in_channels
        print(f"  {name:14} {neurons} neurons, {height}×{width} pixels, {channels} channel{'s' * (channels > 1)}")
