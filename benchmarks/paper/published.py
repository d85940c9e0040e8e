"""What the paper reports (test accuracy, %): on the original data, at full width, over 4 seeds."""

PUBLISHED: dict[tuple[str, str], str] = {
    ("cifar10", "paper"): "80.31 ± 0.14",
    ("mnist", "paper"): "99.35 ± 0.03",
    ("stl10", "paper"): "76.23 ± 0.19",
    ("stl10", "random"): "68.2",
    ("imagenette", "paper"): "80.98 ± 0.43",
    ("imagenet160", "paper"): "27.3",
    ("imagenet160", "random"): "14.0",
    ("authors", "authors"): "80.31 ± 0.14",
    ("depth", "soft, layer 1"): "71.10 ± 0.06",
    ("depth", "soft, layer 3"): "80.31 ± 0.14",
    ("depth", "hard, layer 1"): "62.69 ± 0.47",
    ("depth", "random, layer 1"): "63.93 ± 0.22",
    ("depth", "backprop, 1 layers"): "72.42 ± 0.24",
    ("depth", "backprop, 3 layers"): "83.97 ± 0.07",
    ("activations", "ReLU"): "70.68 ± 1.07",
    ("activations", "tanh"): "56.13 ± 0.34",
    ("activations", "RePU"): "79.08 ± 0.13",
    ("activations", "softmax"): "54.05 ± 0.55",
    ("activations", "RePU + Triangle"): "80.31 ± 0.14",
    ("dense", "paper"): "96.94 ± 0.15",
}
