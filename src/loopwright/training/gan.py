"""One step of adversarial training, to read aloud.

One generated batch and one pass of its features serve both updates: the discriminator learns from the features detached, the
generator from the same features with their graph, judged by the heads as just updated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loopwright.errors import TrainingDivergedError
from loopwright.models.discriminator import ProjectedDiscriminator
from loopwright.models.generator import Generator
from loopwright.training.augment import Augment
from loopwright.training.ema import Average
from loopwright.training.seeds import generator_for


@dataclass
class Gan:
    """Everything a step needs."""

    generator: Generator
    discriminator: ProjectedDiscriminator
    optimizer_g: torch.optim.Optimizer
    optimizer_d: torch.optim.Optimizer
    average: Average[Generator]
    augment: Augment
    mean: Tensor  # (M,) decades
    std: Tensor  # (M,) decades
    style_mixing: float = 0.5
    bf16: bool = False


def hinge_d(real: Iterable[Tensor], fake: Iterable[Tensor]) -> Tensor:
    """Discriminator's hinge loss, one hinge a head, averaged over heads (arXiv:1705.02894, eq. 3)."""
    losses = [F.relu(1 - r).mean() + F.relu(1 + f).mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(losses).mean()


def hinge_g(fake: Iterable[Tensor]) -> Tensor:
    """Generator's loss: minus the mean logit, averaged over heads."""
    return -torch.stack([f.mean() for f in fake]).mean()


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


def descend(optimizer: torch.optim.Optimizer, loss: Tensor, *, name: str, step: int) -> Tensor:
    """One optimizer step; returns the gradient norm. Raises TrainingDivergedError on NaN or infinity, before any update."""
    if not torch.isfinite(loss):
        raise TrainingDivergedError(
            f"{name} became {loss.item()} at step {step}. Lower the learning rate, or continue from `best`."
        )
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
    if not torch.isfinite(norm):
        raise TrainingDivergedError(f"the gradient of {name} became {norm.item()} at step {step}. Lower the learning rate.")
    optimizer.step()
    return norm.detach()


def draw_styles(
    generator: Generator, batch: int, *, mixing: float, rng: torch.Generator, labels: Tensor | None = None
) -> Tensor:
    """Styles (B, L, W) from fresh latents, with style mixing: layers after a random cut take another latent's style.

    Also moves the generator's average style, which truncation pulls towards.
    """
    device = generator.constant.device
    z = torch.randn(2, batch, generator.z_dim, generator=rng).to(device)
    cuts = torch.randint(1, generator.n_styles, (batch,), generator=rng)
    cuts = torch.where(torch.rand(batch, generator=rng) < mixing, cuts, generator.n_styles).to(device)
    first, second = generator.mapping(z[0], labels), generator.mapping(z[1], labels)
    generator.w_avg.lerp_(first.detach().mean(dim=0), 0.005)
    layer = torch.arange(generator.n_styles, device=device)
    return torch.where((layer[None] < cuts[:, None])[..., None], first[:, None], second[:, None])


def train_step(gan: Gan, real: Tensor, *, seed: int, step: int, seen: int, labels: Tensor | None = None) -> dict[str, Tensor]:
    """Update discriminator, generator and average, once each.

    Args:
        gan: the parts.
        real: normalised log-mels of real bars (B, M, T).
        seed, step: all randomness depends on these.
        seen: real images shown before this step.
        labels: (B,) class of each real bar, for conditional training; the fakes are made with the same labels.

    Returns:
        Scalars to log.
    """
    batch = len(real)
    rng, aug = generator_for(seed, step, "latent"), generator_for(seed, step, "augment")
    scale, shift = gan.std[:, None], gan.mean[:, None]
    with torch.autocast(real.device.type, dtype=torch.bfloat16, enabled=gan.bf16):
        styles = draw_styles(gan.generator, batch, mixing=gan.style_mixing, rng=rng, labels=labels)
        fake = gan.generator.synthesis(styles, gan.generator.make_noise(batch, rng))

        # 1. Discriminator, on features without a graph.
        with frozen(gan.discriminator):
            seen_fake, fake_turns = gan.augment(fake, kimg=seen / 1000, generator=aug)
            seen_real, real_turns = gan.augment(real, kimg=seen / 1000, generator=aug)
            fake_features = gan.discriminator.features(seen_fake * scale + shift)
            with torch.no_grad():
                real_features = gan.discriminator.features(seen_real * scale + shift)
        on_real = gan.discriminator.judge(real_features, labels, real_turns)
        on_fake = gan.discriminator.judge([[x.detach() for x in scales] for scales in fake_features], labels, fake_turns)
        loss_d = hinge_d(on_real, on_fake)
    norm_d = descend(gan.optimizer_d, loss_d, name="loss/d", step=step)

    # 2. Generator, through the heads as they are now, frozen for the length of the block.
    with frozen(gan.discriminator):
        with torch.autocast(real.device.type, dtype=torch.bfloat16, enabled=gan.bf16):
            loss_g = hinge_g(gan.discriminator.judge(fake_features, labels, fake_turns))
        norm_g = descend(gan.optimizer_g, loss_g, name="loss/g", step=step)

    # 3. What we sample from.
    gan.average.update(gan.generator, batch=batch, seen=seen + batch)
    with torch.no_grad():
        # share of logits beyond the hinge's margin, where the discriminator has nothing left to learn: 1 means it dominates
        saturation = torch.stack(
            [(r > 1).float().mean() + (f < -1).float().mean() for r, f in zip(on_real, on_fake, strict=True)]
        )
        return {
            "loss/d": loss_d.detach(),
            "loss/g": loss_g.detach(),
            "logit/real": torch.stack([r.mean() for r in on_real]).mean(),
            "logit/fake": torch.stack([f.mean() for f in on_fake]).mean(),
            "saturation": saturation.mean() / 2,
            "grad/d": norm_d,
            "grad/g": norm_g,
        }
