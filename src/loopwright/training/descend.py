"""One step down a loss, and how large a step: what every trainer does to its weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import torch
from torch import Tensor, nn

from loopwright.errors import TrainingDivergedError
from loopwright.training.parallel import ALONE, World


def descend(
    optimizer: torch.optim.Optimizer,
    loss: Tensor,
    *,
    name: str,
    step: int,
    clip: float | None = None,
    world: World = ALONE,
) -> Tensor:
    """One optimizer step; returns the norm of the gradient (before clipping).

    Args:
        optimizer: moves its own parameters; only these should be reached by the loss's gradient.
        loss: a scalar.
        name, step: what and when, for the message.
        clip: largest norm of the gradient that is applied; None for no limit.
        world: the processes that train together, whose gradients are averaged.

    Raises TrainingDivergedError on NaN or infinity, before any weight is touched.
    """
    value = world.mean(loss.detach())
    if not torch.isfinite(value):
        _diverged(name, value, step)
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    grads = [p.grad for p in parameters if p.grad is not None]
    world.average(grads)
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
    if not torch.isfinite(norm):
        _diverged(f"the gradient of {name}", norm, step)
    if clip is not None:
        nn.utils.clip_grads_with_norm_(parameters, clip, norm)
    optimizer.step()
    return norm.detach()


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Parameters need no gradients inside the block."""
    flags = [p.requires_grad for p in module.parameters()]
    module.requires_grad_(False)
    try:
        yield
    finally:
        for p, flag in zip(module.parameters(), flags, strict=True):
            p.requires_grad_(flag)


def _diverged(what: str, value: Tensor, step: int) -> NoReturn:
    raise TrainingDivergedError(
        f"{what} became {value.item()} at step {step}. Lower the learning rate in a new run; the last checkpoint is kept."
    )


def set_rate(optimizers: Iterable[torch.optim.Optimizer], rate: float) -> None:
    """Give all groups of the optimizers one learning rate."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate


def warm_cosine(step: int, *, steps: int, warmup: int, highest: float, lowest: float = 0.0) -> float:
    """A learning rate: up to `highest` in `warmup` steps, then half a cosine down to `lowest`, reached at `steps`."""
    if step < warmup:
        return highest * (step + 1) / warmup
    part = min(1.0, (step - warmup) / max(1, steps - warmup))
    return lowest + (highest - lowest) * 0.5 * (1 + math.cos(math.pi * part))
