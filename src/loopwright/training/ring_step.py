"""Training of the ring vocoder: bars as circles, noise against noise, an adversary at the end if wanted.

Shapes: B batch, M mel bands, T frames, N = T * hop samples.
"""

from __future__ import annotations

import copy
from typing import cast

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from loopwright.audio.mel import LogMel
from loopwright.config import MelConfig
from loopwright.training.descend import descend, frozen, set_rate, warm_cosine
from loopwright.training.seeds import rng_for, torch_seeded
from loopwright.training.vocoder_loop import RunConfig, VocoderTrainee
from loopwright.vocoder.discriminators import Adversary, discriminator_hinge, feature_matching, generator_hinge
from loopwright.vocoder.losses import log_mel_distance, spectral_energy
from loopwright.vocoder.ring import RingVocoder
from loopwright.vocoder.ring_config import RingConfig


class RingTrainConfig(RunConfig, frozen=True, extra="forbid"):
    """One training run of a ring vocoder. The learning rate falls to its end at `steps`."""

    model: RingConfig = RingConfig()
    lr: PositiveFloat = 8e-4
    lr_end: PositiveFloat = 2e-5
    warmup: PositiveInt = 200
    decay: float = Field(default=0.999, gt=0, lt=1)  # of the average
    repulsion: float = Field(default=0.5, ge=0, le=1)  # 1: noise as random as real; 0: nearest on average
    fit: float = Field(default=0.5, ge=0)  # weight of the spectral convergence, which loud bins decide
    mel_weight: float = Field(default=2.0, ge=0)
    blur: float = Field(default=0.3, ge=0, le=1)  # share of mels blurred and roughened like a model's
    adversary_from: int | None = None  # step at which the discriminators join; None: never
    adversary_width: PositiveInt = 16
    adversary_weight: float = Field(default=0.1, ge=0)
    matching_weight: float = Field(default=0.5, ge=0)


def roughen(log_mel: Tensor, share: float, rng: np.random.Generator) -> Tensor:
    """Blur some of the mels a little and add noise, as models do, so that the vocoder forgives them. (B, M, T) -> same."""
    if share <= 0:
        return log_mel
    b = len(log_mel)
    picked = torch.from_numpy((rng.random(b) < share).astype(np.float32)).to(log_mel)[:, None, None]
    amount = torch.from_numpy(rng.random((2, b)).astype(np.float32)).to(log_mel)[:, :, None, None]
    blurred = F.avg_pool2d(F.pad(log_mel[:, None], (1, 1, 0, 0), mode="circular"), (1, 3), 1)
    blurred = F.avg_pool2d(F.pad(blurred, (0, 0, 1, 1), mode="replicate"), (3, 1), 1)[:, 0]
    noise = torch.from_numpy(rng.standard_normal(log_mel.shape, dtype=np.float32)).to(log_mel)
    rough = torch.lerp(log_mel, blurred, 0.7 * amount[0]) + 0.08 * amount[1] * noise
    return log_mel + picked * (rough.clamp_min(-5.0) - log_mel)


def learning_rate(config: RingTrainConfig, step: int) -> float:
    """Linear warm-up, then half a cosine down to `lr_end`."""
    return warm_cosine(step, steps=config.steps, warmup=config.warmup, highest=config.lr, lowest=config.lr_end)


class RingTrainee(VocoderTrainee):
    """A ring vocoder, its average, and an adversary if the settings have one."""

    config: RingTrainConfig

    @property
    def model(self) -> RingVocoder:
        return cast(RingVocoder, self.modules["model"])

    @property
    def result(self) -> RingVocoder:
        return cast(RingVocoder, self.modules["average"])

    def update(self, real: Tensor) -> dict[str, Tensor]:
        config, step = self.config, self.step
        set_rate(self.optimizers.values(), learning_rate(config, step))
        log_mel = self.analyse(real)
        rng = rng_for(config.seed, step, 1)
        given = roughen(log_mel, config.blur, rng)
        # Two loops for each mel, from different noise.
        hop, t = self.mel.hop, log_mel.shape[-1]
        noise = torch.from_numpy(rng.uniform(-(3**0.5), 3**0.5, (2 * len(real), hop, t)).astype(np.float32))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=config.bf16):
            fake = self.model.shape_noise(given, noise.to(self.device))
        first, second = fake.chunk(2)
        pull, loss = spectral_energy(real, first, second, repulsion=config.repulsion, fit=config.fit)
        mel_loss = log_mel_distance(self.analyse, torch.cat([log_mel, log_mel]), fake)
        loss = loss + config.mel_weight * mel_loss
        report = {"spectral": pull.detach(), "mel": mel_loss.detach()}

        if config.adversary_from is not None and step >= config.adversary_from:
            adversary = self.modules["adversary"]
            with torch.autocast(self.device.type, torch.bfloat16, enabled=config.bf16):
                loss_d = discriminator_hinge(adversary(real), adversary(first.detach()))
            descend(self.optimizers["optimizer_d"], loss_d, name="loss/discriminator", step=step, clip=config.clip)
            with frozen(adversary), torch.autocast(self.device.type, torch.bfloat16, enabled=config.bf16):
                on_fake = adversary(first)
                with torch.no_grad():
                    on_real = adversary(real)
                loss_g = generator_hinge(on_fake)
                match = feature_matching(on_real, on_fake)
            loss = loss + config.adversary_weight * loss_g + config.matching_weight * match
            report |= {"discriminator": loss_d.detach(), "generator": loss_g.detach(), "matching": match.detach()}

        descend(self.optimizers["optimizer"], loss, name="loss/vocoder", step=step, clip=config.clip)
        decay = min(config.decay, (1 + step) / (10 + step))
        with torch.no_grad():
            for kept, new in zip(self.result.parameters(), self.model.parameters(), strict=True):
                kept.lerp_(new, 1 - decay)
        return {"loss": loss.detach(), **report}


def build(mel: MelConfig, config: RingTrainConfig, device: torch.device) -> RingTrainee:
    """A fresh trainee; weights drawn from the seed."""
    with torch_seeded(config.seed):
        model = RingVocoder(mel, config.model)
        adversary = Adversary(width=config.adversary_width) if config.adversary_from is not None else None
    modules: dict[str, nn.Module] = {"model": model, "average": copy.deepcopy(model).requires_grad_(False).eval()}
    if adversary is not None:
        modules["adversary"] = adversary
    modules = {name: module.to(device) for name, module in modules.items()}

    def adam(module: nn.Module, beta: float) -> torch.optim.Optimizer:
        return torch.optim.AdamW(module.parameters(), lr=config.lr, betas=(beta, 0.99), weight_decay=1e-3)

    optimizers = {"optimizer": adam(modules["model"], 0.8)}
    if adversary is not None:
        optimizers["optimizer_d"] = adam(modules["adversary"], 0.5)
    return RingTrainee(modules, optimizers, config, LogMel(mel).to(device), device)
