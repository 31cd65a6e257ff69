"""Training of MelGAN as published (arXiv 1910.06711): hinge loss, feature matching, Adam; nothing else.

The same for its circular twin. There is no average of weights and no spectral loss: it is the control for the ring vocoder.

Shapes: B batch, M mel bands, T frames, N = T * hop samples.
"""

from __future__ import annotations

from typing import cast

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn
from torch.nn import functional as F

from loopwright.audio.mel import LogMel
from loopwright.config import MelConfig
from loopwright.errors import ConfigError
from loopwright.training.descend import descend, frozen
from loopwright.training.seeds import torch_seeded
from loopwright.training.vocoder_loop import RunConfig, VocoderTrainee
from loopwright.vocoder.discriminators import Judgement
from loopwright.vocoder.melgan import MelGan, MelGanAdversary, MelGanConfig

RATIOS = {160: (5, 4, 4, 2), 125: (5, 5, 5), 375: (5, 5, 5, 3)}  # by hop; the first is published


class MelGanTrainConfig(RunConfig, frozen=True, extra="forbid"):
    """One training run of a MelGAN. Defaults are the published ones, but for the batch (16 there) and crops of 64 frames."""

    model: MelGanConfig | None = None  # None: the published one for the hop of the data, circular where the data are
    lr: PositiveFloat = 1e-4
    matching_weight: float = Field(default=10.0, ge=0)  # lambda
    clip: PositiveFloat = 1e6  # published: none

    def for_data(self, mel: MelConfig) -> MelGanTrainConfig:
        """These settings with the model decided. Raises ConfigError if there are no known ratios for the hop."""
        if self.model is not None:
            return self
        if mel.hop not in RATIOS:
            raise ConfigError(f"no ratios are known for hop {mel.hop}. Pass --set 'model.ratios=[...]' that multiply to it.")
        return self.model_copy(update={"model": MelGanConfig(ratios=RATIOS[mel.hop], circular=mel.circular)})


def hinge_d(real: list[Judgement], fake: list[Judgement]) -> Tensor:
    """Sum over scales of the hinge loss of the discriminators. Scalar."""
    return torch.stack([F.relu(1 - r[0]).mean() + F.relu(1 + f[0]).mean() for r, f in zip(real, fake, strict=True)]).sum()


def hinge_g(fake: list[Judgement]) -> Tensor:
    """Sum over scales of minus the logits. Scalar."""
    return torch.stack([-f[0].mean() for f in fake]).sum()


def matching(real: list[Judgement], fake: list[Judgement]) -> Tensor:
    """Mean over scales of the L1 distances of inner features, four fifths of each as in the published code. Scalar."""
    terms = [
        F.l1_loss(b, a.detach()) * (4 / 5 / len(real))
        for (_, reals), (_, fakes) in zip(real, fake, strict=True)
        for a, b in zip(reals, fakes, strict=True)
    ]
    return torch.stack(terms).sum()


class MelGanTrainee(VocoderTrainee):
    """Generator and discriminators."""

    config: MelGanTrainConfig

    @property
    def model(self) -> MelGan:
        return cast(MelGan, self.modules["model"])

    @property
    def result(self) -> MelGan:
        return self.model

    def update(self, real: Tensor) -> dict[str, Tensor]:
        config, step, adversary = self.config, self.step, self.modules["adversary"]
        log_mel = self.analyse(real)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=config.bf16):
            fake = self.model.synthesise(log_mel).float()
            loss_d = hinge_d(adversary(real), adversary(fake.detach()))
        descend(self.optimizers["optimizer_d"], loss_d, name="loss/discriminator", step=step, clip=config.clip)
        with frozen(adversary), torch.autocast(self.device.type, torch.bfloat16, enabled=config.bf16):
            on_fake = adversary(fake)
            with torch.no_grad():
                on_real = adversary(real)
            loss_g, match = hinge_g(on_fake), matching(on_real, on_fake)
        loss = loss_g + config.matching_weight * match
        descend(self.optimizers["optimizer"], loss, name="loss/vocoder", step=step, clip=config.clip)
        report = {"loss": loss, "discriminator": loss_d, "generator": loss_g, "matching": match}
        return {name: value.detach() for name, value in report.items()}


def build(mel: MelConfig, config: MelGanTrainConfig, device: torch.device) -> MelGanTrainee:
    """A fresh trainee; weights drawn from the seed. `config.model` must be decided (`for_data`)."""
    assert config.model is not None
    with torch_seeded(config.seed):
        modules: dict[str, nn.Module] = {
            "model": MelGan(mel, config.model).to(device),
            "adversary": MelGanAdversary(circular=config.model.circular).to(device),
        }
    optimizers: dict[str, torch.optim.Optimizer] = {
        name: torch.optim.Adam(modules[of].parameters(), lr=config.lr, betas=(0.5, 0.9))
        for name, of in (("optimizer", "model"), ("optimizer_d", "adversary"))
    }
    return MelGanTrainee(modules, optimizers, config, LogMel(mel).to(device), device)
