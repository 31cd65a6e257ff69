"""Adversarial losses and penalties. Logits come as one grid a head; every head has its own loss, then their mean.

Names of recipes: "hinge" (arXiv:1705.02894), "logistic" (StyleGAN2's, non-saturating).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def mean_of(losses: Iterable[Tensor]) -> Tensor:
    """The mean over heads."""
    return torch.stack(list(losses)).mean()


def hinge_d(real: Iterable[Tensor], fake: Iterable[Tensor]) -> Tensor:
    """Discriminator's hinge loss, one hinge a head, averaged over heads (arXiv:1705.02894, eq. 3)."""
    return mean_of(F.relu(1 - r).mean() + F.relu(1 + f).mean() for r, f in zip(real, fake, strict=True))


def hinge_g(fake: Iterable[Tensor]) -> Tensor:
    """Generator's loss: minus the mean logit, averaged over heads."""
    return -mean_of(f.mean() for f in fake)


def loss_of_discriminator(kind: str, real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """The discriminator's loss of a recipe."""
    if kind == "hinge":
        return hinge_d(real, fake)
    assert kind == "logistic", kind
    return mean_of(F.softplus(-r).mean() + F.softplus(f).mean() for r, f in zip(real, fake, strict=True))


def loss_of_generator(kind: str, fake: Sequence[Tensor]) -> Tensor:
    """The generator's loss of a recipe."""
    if kind == "hinge":
        return hinge_g(fake)
    assert kind == "logistic", kind
    return mean_of(F.softplus(-f).mean() for f in fake)


def gradient_penalty(logits: Iterable[Tensor], inputs: Sequence[Tensor]) -> Tensor:
    """Mean over samples of the squared gradient of the summed mean logits by `inputs` (zero-centred: R1).

    For one logit a sample this is |dD/dx|^2 of arXiv:1801.04406. A grid counts with its mean, so that its size does not matter.
    """
    total = sum((grid.mean(dim=tuple(range(1, grid.dim()))).sum() for grid in logits), torch.zeros((), device=inputs[0].device))
    grads = torch.autograd.grad(total, list(inputs), create_graph=True)
    return torch.stack([g.square().flatten(1).sum(dim=1).mean() for g in grads]).sum()
