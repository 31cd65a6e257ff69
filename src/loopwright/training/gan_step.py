"""One step of adversarial training, to read aloud.

One generated batch and one pass of its features serve both updates: the discriminator learns from the features detached, the
generator from the same features with their graph, through the heads as just updated.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from loopwright.models.discriminator import ProjectedDiscriminator
from loopwright.models.generator import StyledGenerator
from loopwright.models.stylegan_discriminator import StyleGan2Discriminator
from loopwright.training.augment import Augment
from loopwright.training.descend import descend, frozen
from loopwright.training.ema import Average
from loopwright.training.losses import gradient_penalty, loss_of_discriminator, loss_of_generator
from loopwright.training.parallel import ALONE, World
from loopwright.training.seeds import generator_for


class PathLength(nn.Module):
    """The running mean of path lengths, the target of path-length regularisation (arXiv:1912.04958, section 3.2)."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def penalty(self, lengths: Tensor, world: World = ALONE) -> Tensor:
        """Squared distance of lengths (B,) to their running mean, which moves towards them."""
        self.mean.lerp_(world.mean(lengths.detach().mean()), 0.01)
        return (lengths - self.mean).square().mean()


@dataclass
class Gan:
    """Everything a step needs."""

    generator: StyledGenerator
    discriminator: ProjectedDiscriminator | StyleGan2Discriminator
    optimizer_g: torch.optim.Optimizer
    optimizer_d: torch.optim.Optimizer
    average: Average[StyledGenerator]
    augment: Augment
    mean: Tensor  # (M,) decades
    std: Tensor  # (M,) decades
    style_mixing: float = 0.5
    bf16: bool = False
    loss: str = "hinge"
    z_scored: bool = False  # the discriminator takes z-scores instead of log-mels
    r1_gamma: float = 0.0  # of StyleGAN2's discriminator ...
    r1_every: int = 16  # ... lazily
    path: PathLength | None = None
    path_weight: float = 2.0
    path_every: int = 4


def draw_styles(
    generator: StyledGenerator, batch: int, *, mixing: float, rng: torch.Generator, labels: Tensor | None = None
) -> Tensor:
    """Styles (B, L, W) from fresh latents, with style mixing: layers after a random cut take another latent's style.

    Also moves the generator's average style, which truncation pulls towards.
    """
    device = generator.constant.device
    z = torch.randn(2, batch, generator.z_dim, generator=rng).to(device)
    cuts = torch.randint(1, generator.n_styles, (batch,), generator=rng)
    cuts = torch.where(torch.rand(batch, generator=rng) < mixing, cuts, generator.n_styles).to(device)
    first, second = generator.mapping(z[0], labels), generator.mapping(z[1], labels)
    generator.w_avg.lerp_(first.detach().float().mean(dim=0), 0.005)
    layer = torch.arange(generator.n_styles, device=device)
    return torch.where((layer[None] < cuts[:, None])[..., None], first[:, None], second[:, None])


def spread(x: Tensor) -> Tensor:
    """Mean distance between pairs of a batch (B, ...), per cell (root mean square). 0 for a single sample."""
    if len(x) < 2:
        return torch.zeros(())
    distances = torch.cdist(x.flatten(1), x.flatten(1))
    return distances.sum() / (len(x) * (len(x) - 1)) / x[0].numel() ** 0.5


def train_step(
    gan: Gan,
    real: Tensor,
    *,
    seed: int,
    step: int,
    seen: int,
    labels: Tensor | None = None,
    given: Tensor | None = None,
    world: World = ALONE,
) -> dict[str, Tensor]:
    """Update discriminator, generator and average, once each; lazily, their regularisations.

    Args:
        gan: the parts.
        real: normalised log-mels of real bars (B, M, T): this process's part of the joint batch.
        seed, step: all randomness depends on these.
        seen: real images shown before this step, by all processes.
        labels: class of each real bar of the *joint* batch, for conditional training; the fakes get the same labels.
        given: scores or patterns of the *joint* batch, for a generator that is given them.
        world: the processes that train together.

    Returns:
        Scalars to log.
    """
    batch = len(real) * world.size
    rng, aug = generator_for(seed, step, "latent"), generator_for(seed, step, "augment")
    scale, shift = (1.0, 0.0) if gan.z_scored else (gan.std[:, None], gan.mean[:, None])
    mine = None if labels is None else world.mine(labels)
    with torch.autocast(real.device.type, dtype=torch.bfloat16, enabled=gan.bf16):
        styles = world.mine(draw_styles(gan.generator, batch, mixing=gan.style_mixing, rng=rng, labels=labels))
        noise = [world.mine(noise) for noise in gan.generator.make_noise(batch, rng)]
        fake = gan.generator.compose(styles, noise, None if given is None else world.mine(given))

        # 1. Discriminator, on features without a graph.
        with frozen(gan.discriminator):
            seen_fake, fake_turns = gan.augment(fake, kimg=seen / 1000, generator=aug, world=world)
            seen_real, real_turns = gan.augment(real, kimg=seen / 1000, generator=aug, world=world)
            fake_features = gan.discriminator.features(seen_fake * scale + shift)
            with torch.no_grad():
                real_features = gan.discriminator.features(seen_real * scale + shift)
        detached = [[x.detach() for x in scales] for scales in fake_features]
        on_real = gan.discriminator.logits(real_features, mine, real_turns)
        on_fake = gan.discriminator.logits(detached, mine, fake_turns)
        loss_d = loss_of_discriminator(gan.loss, on_real, on_fake)
    norm_d = descend(gan.optimizer_d, loss_d, name="loss/d", step=step, world=world)
    scalars: dict[str, Tensor] = {}
    if gan.r1_gamma and step % gan.r1_every == 0:
        scalars["r1"] = _penalise_discriminator(gan, seen_real.detach(), mine, real_turns, step=step, world=world)

    # 2. Generator, through the heads as they are now, frozen for the length of the block.
    with frozen(gan.discriminator):
        with torch.autocast(real.device.type, dtype=torch.bfloat16, enabled=gan.bf16):
            loss_g = loss_of_generator(gan.loss, gan.discriminator.logits(fake_features, mine, fake_turns))
        norm_g = descend(gan.optimizer_g, loss_g, name="loss/g", step=step, world=world)
    if gan.path is not None and step % gan.path_every == 0:
        scalars["path"] = _smooth_generator(gan, batch, labels, seed=seed, step=step, world=world)

    # 3. What we sample from.
    gan.average.update(gan.generator, batch=batch, seen=seen + batch)
    with torch.no_grad():
        # share of logits beyond the hinge's margin, where the discriminator has nothing left to learn: 1 means it dominates;
        # for the logistic loss, beyond where a logit's gradient is below 5%
        margin = 1.0 if gan.loss == "hinge" else 3.0
        saturation = torch.stack(
            [(r > margin).float().mean() + (f < -margin).float().mean() for r, f in zip(on_real, on_fake, strict=True)]
        )
        return scalars | {
            "loss/d": loss_d.detach(),
            "loss/g": loss_g.detach(),
            "logit/real": torch.stack([r.mean() for r in on_real]).mean(),
            "logit/fake": torch.stack([f.mean() for f in on_fake]).mean(),
            "saturation": saturation.mean() / 2,
            "grad/d": norm_d,
            "grad/g": norm_g,
            "pairwise/real": spread(real),
            "pairwise/fake": spread(fake.detach().float()),
        }


def _penalise_discriminator(gan: Gan, real: Tensor, labels: Tensor | None, turns: Tensor, *, step: int, world: World) -> Tensor:
    """Lazy R1: a step of its own on the gradient of the logits by the log-mel. Returns the penalty."""
    assert isinstance(gan.discriminator, StyleGan2Discriminator), "R1 by the log-mel needs a discriminator that looks at it"
    real = real.requires_grad_()
    penalty = gradient_penalty(gan.discriminator(real, labels, turns), [real])
    descend(gan.optimizer_d, 0.5 * gan.r1_gamma * gan.r1_every * penalty, name="R1", step=step, world=world)
    return penalty.detach()


def _smooth_generator(gan: Gan, batch: int, labels: Tensor | None, *, seed: int, step: int, world: World) -> Tensor:
    """Lazy path-length regularisation on half a batch, a step of its own. Returns the penalty."""
    assert gan.path is not None
    rng = generator_for(seed, step, "noise")
    count = max(world.size, batch // 2 // world.size * world.size)
    some = None if labels is None else labels[:count]
    styles = world.mine(draw_styles(gan.generator, count, mixing=gan.style_mixing, rng=rng, labels=some))
    noise = [world.mine(x) for x in gan.generator.make_noise(count, rng)]
    mel = gan.generator.synthesis(styles, noise)
    direction = world.mine(torch.randn((count, *mel.shape[1:]), generator=rng)).to(mel) / mel[0].numel() ** 0.5
    (grad,) = torch.autograd.grad((mel * direction).sum(), styles, create_graph=True)
    lengths = grad.square().sum(dim=2).mean(dim=1).sqrt()
    penalty = gan.path.penalty(lengths, world)
    descend(gan.optimizer_g, gan.path_weight * gan.path_every * penalty, name="path length", step=step, world=world)
    return penalty.detach()
