"""Products at a chosen precision."""

from types import SimpleNamespace

import pytest
import torch

from hebbstream.rule import _precision as precision


class OnACard(torch.Tensor):
    """A tensor that says it is on a card, and is not."""

    device = SimpleNamespace(type="cuda")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_card_multiplies_where_torch_cannot_widen_the_product(dtype, monkeypatch):
    """Before torch 2.8."""
    monkeypatch.setattr(precision, "_WIDENS", False)
    a, b, out = torch.rand(3, 4), torch.rand(4, 2), torch.empty(3, 2)
    expected = precision.product(dtype)(a, b, torch.empty(3, 2))
    assert torch.equal(precision.product(dtype)(a.as_subclass(OnACard), b, out), expected)
