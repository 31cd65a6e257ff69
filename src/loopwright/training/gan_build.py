"""The parts of a GAN from a recipe and prepared data: generator, discriminator with its networks, optimizers, average."""

from __future__ import annotations

import numpy as np
import torch

from loopwright.data import PreparedData
from loopwright.errors import ConfigError
from loopwright.features import build as build_features
from loopwright.models.build import build_generator
from loopwright.models.config import GeneratorSizes
from loopwright.models.discriminator import ProjectedDiscriminator
from loopwright.models.layers import channels_last
from loopwright.models.stylegan_discriminator import StyleGan2Discriminator
from loopwright.training.augment import Augment
from loopwright.training.ema import Average
from loopwright.training.gan_step import Gan, PathLength
from loopwright.training.recipe import Recipe
from loopwright.training.seeds import torch_seeded


def styles_of(recipe: Recipe, data: PreparedData) -> tuple[str, ...]:
    """Names of the classes of a conditional recipe, sorted; () for an unconditional one.

    Raises ConfigError if a training bar has no label.
    """
    column = recipe.train.condition
    if not column:
        return ()
    labels = data.column(column, data.indices("train"))
    missing = sum(label in (None, "") for label in labels)
    if missing:
        raise ConfigError(
            f"recipe '{recipe.name}' is conditional on '{column}', but {missing} of {len(labels)} training bars of {data.path} "
            f"have no {column}. Prepare the loops with labels, or leave train.condition out."
        )
    return tuple(sorted({str(label) for label in labels}))


def build_discriminator(
    recipe: Recipe, data: PreparedData, device: torch.device, *, classes: int = 0
) -> ProjectedDiscriminator | StyleGan2Discriminator:
    """The recipe's discriminator. Raises ConfigError or WeightsError for a feature network that is not there."""
    settings = recipe.discriminator
    n_mels, length = data.representation.bands, data.bars * data.representation.model_frames

    if settings.kind == "stylegan2":
        shrink = 2 ** (len(settings.channels) - 1)
        if n_mels % shrink or length % shrink:
            raise ConfigError(
                f"recipe '{recipe.name}': a discriminator of {len(settings.channels)} scales needs multiples of {shrink} "
                f"cells, the data has {n_mels} bands and {length} frames. Give fewer discriminator.channels."
            )
        whole = StyleGan2Discriminator(
            n_mels=n_mels,
            frames=length,
            channels=settings.channels,
            circular=settings.circular,
            clock=settings.clock,
            labels=classes,
        )
        return channels_last(whole.to(device))
    networks = [
        build_features(
            name,
            data.representation,
            circular=settings.circular,
            bridge=settings.bridge,
            batch_stats=settings.batch_stats,
            halves=settings.halves,
        ).to(device)
        for name in settings.network_names
    ]
    frames: list[list[int]] | None = None
    if settings.clock:
        blank = torch.zeros(1, n_mels, length, device=device)
        with torch.no_grad():
            frames = [[tap.shape[-1] for tap in net(blank)] for net in networks]
    projected = ProjectedDiscriminator(
        networks,
        heads=settings.heads,
        ccm=settings.ccm,
        csm=settings.csm,
        norm=settings.norm,
        circular=settings.circular,
        pool=settings.pool,
        seed=recipe.train.seed,
        labels=classes,
        frames=frames,
        summed=settings.fusion == "summed",
    )
    return channels_last(projected.to(device))  # the layout the features come in


def build_gan(recipe: Recipe, data: PreparedData, device: torch.device) -> Gan:
    """All parts of a run at step 0, from the recipe's seed alone."""
    classes = len(styles_of(recipe, data))
    mean, std = (torch.from_numpy(x).to(device) for x in (data.stats.mean, data.stats.std))
    with torch_seeded(recipe.train.seed):
        frames = data.bars * data.representation.model_frames
        sizes = GeneratorSizes(config=recipe.generator, bands=data.representation.bands, frames=frames, classes=classes)
        generator = build_generator(sizes, mean.cpu(), std.cpu())
        discriminator = build_discriminator(recipe, data, device, classes=classes)
    generator.to(device)
    floor = (float(np.log10(data.representation.log_floor)) - mean) / std
    train, augment = recipe.train, recipe.augment
    betas = (train.beta1, train.beta2)
    return Gan(
        generator=generator,
        discriminator=discriminator,
        optimizer_g=torch.optim.Adam(generator.parameters(), lr=train.lr_g, betas=betas, eps=1e-8),
        optimizer_d=torch.optim.Adam(discriminator.parameters(), lr=train.lr_d, betas=betas, eps=1e-8),
        average=Average(generator, half_life_kimg=train.ema_kimg, rampup=train.ema_rampup),
        augment=Augment(
            std,
            floor,
            roll=augment.roll,
            gain_db=augment.gain_db,
            noise=augment.noise,
            noise_kimg=augment.noise_kimg,
        ),
        mean=mean,
        std=std,
        style_mixing=train.style_mixing,
        bf16=train.bf16,
        loss=train.loss,
        z_scored=not isinstance(discriminator, ProjectedDiscriminator) or not recipe.discriminator.bridge,
        r1_gamma=recipe.discriminator.r1_gamma,
        r1_every=recipe.discriminator.r1_every,
        path=PathLength().to(device) if train.path_weight else None,
        path_weight=train.path_weight,
        path_every=train.path_every,
    )
