"""A step down against steps by hand; rates against their closed form."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import nn

from loopwright.errors import TrainingDivergedError
from loopwright.training.descend import descend, frozen, set_rate, warm_cosine


def weight(*values: float) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values))


def test_a_step_is_the_optimizers_and_the_norm_the_gradients() -> None:
    """SGD with rate 1 on 3a + 4b: the gradient is (3, 4), of norm 5."""
    a, b = weight(0.0), weight(0.0)
    optimizer = torch.optim.SGD([{"params": [a]}, {"params": [b]}], lr=1.0)
    for step in range(2):  # gradients do not add up from step to step
        assert descend(optimizer, (3 * a + 4 * b).sum(), name="loss", step=step).item() == pytest.approx(5.0)
    assert (a.item(), b.item()) == (-6.0, -8.0)


@pytest.mark.parametrize(("clip", "length"), [(2.5, 2.5), (10.0, 5.0)])
def test_clipping_shortens_the_gradient_and_keeps_its_direction(clip: float, length: float) -> None:
    x = weight(0.0, 0.0)
    norm = descend(torch.optim.SGD([x], lr=1.0), x @ torch.tensor([3.0, 4.0]), name="loss", step=0, clip=clip)
    assert norm.item() == pytest.approx(5.0)  # as it was
    torch.testing.assert_close(-x.detach(), torch.tensor([0.6, 0.8]) * length)


def test_nan_is_told_before_anything_changes() -> None:
    x = weight(1.0)
    optimizer = torch.optim.Adam([x])
    with pytest.raises(TrainingDivergedError, match=r"^loss/g became nan at step 7\. Lower the learning rate"):
        descend(optimizer, (x * float("nan")).sum(), name="loss/g", step=7)
    with pytest.raises(TrainingDivergedError, match=r"^the gradient of loss/g became (nan|inf) at step 8"):
        descend(optimizer, (x * 0).sqrt().sum(), name="loss/g", step=8, clip=1.0)  # 0 * inf
    assert x.item() == 1.0
    assert not optimizer.state_dict()["state"]


def test_frozen_for_the_length_of_a_block_even_if_it_fails() -> None:
    layer = nn.Linear(2, 2)
    layer.bias.requires_grad_(False)
    with frozen(layer):
        assert not any(p.requires_grad for p in layer.parameters())
    assert (layer.weight.requires_grad, layer.bias.requires_grad) == (True, False)
    with pytest.raises(RuntimeError), frozen(layer):
        layer(torch.zeros(3))  # of another size
    assert (layer.weight.requires_grad, layer.bias.requires_grad) == (True, False)


def test_warm_cosine_rises_in_a_line_and_falls_along_half_a_cosine() -> None:
    rates = [warm_cosine(s, steps=110, warmup=10, highest=1.0, lowest=0.2) for s in range(121)]
    assert rates[:11] == pytest.approx([0.1 * (s + 1) for s in range(10)] + [1.0])
    assert rates[60] == pytest.approx(0.6)  # half way
    assert rates[35] == pytest.approx(0.2 + 0.8 * (1 + math.cos(math.pi / 4)) / 2)
    assert rates[110:] == pytest.approx([0.2] * 11)
    assert all(a > b for a, b in itertools.pairwise(rates[10:111]))


def test_all_groups_get_the_rate() -> None:
    groups: list[dict[str, Any]] = [{"params": [weight(0.0)]}, {"params": [weight(0.0)], "lr": 3.0}]
    optimizers = [torch.optim.SGD([dict(group) for group in groups], lr=1.0) for _ in range(2)]
    set_rate(optimizers, 0.5)
    assert [group["lr"] for optimizer in optimizers for group in optimizer.param_groups] == [0.5] * 4
