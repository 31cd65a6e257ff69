"""What the training of every vocoder shares: crops of bars, a trainee, and the loop; `ring_step`, `melgan_step` have steps.

Every random choice depends on (seed, step) alone, and a checkpoint holds all state, so a resumed run equals an unbroken one.

Shapes: B batch, M mel bands, T frames, N = T * hop samples.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from pydantic import BaseModel, Field, PositiveFloat, PositiveInt
from torch import Tensor

from loopwright.arrays import Float32, Int64
from loopwright.audio.mel import LogMel
from loopwright.config import MelConfig
from loopwright.training.checkpoint import Trainee, load_checkpoint, save_checkpoint
from loopwright.training.pace import Pace, Tick
from loopwright.training.seeds import rng_for
from loopwright.vocoder.melgan import MelGan
from loopwright.vocoder.ring import RingVocoder

SEAM_FADE = 256  # samples over which a crop is made periodic


class RunConfig(BaseModel, frozen=True, extra="forbid"):
    """What every run has. Everything but `steps` shapes what a step does."""

    seed: int = 0
    steps: PositiveInt = 20_000
    batch: PositiveInt = 4
    frames: PositiveInt = 64  # frames of a crop; a whole bar needs no crop
    gain_db: float = Field(default=12.0, ge=0)  # loops are turned down by up to this
    clip: PositiveFloat = 5.0  # largest norm of a gradient
    bf16: bool = False  # networks in bfloat16 where the device has it


class BarSource(Protocol):
    """What training needs of prepared data."""

    mel: MelConfig

    def audio(self, indices: Int64) -> Float32:
        """Bars (n, N)."""
        ...


def circular_crop(loop: Float32, start: int, length: int) -> Float32:
    """`length` samples from `start` of a periodic signal, made periodic themselves by a short cross-fade. (N,) -> (length,)."""
    turned = np.roll(loop, -start)
    if length >= len(loop):
        return turned
    out = turned[:length].copy()
    fade = min(SEAM_FADE, length // 4, len(loop) - length)
    ramp = np.linspace(0, 1, fade, endpoint=False, dtype=np.float32)
    out[:fade] = out[:fade] * ramp + turned[length : length + fade] * (1 - ramp)
    return out


def draw_batch(data: BarSource, rows: Int64, config: RunConfig, step: int) -> Tensor:
    """Crops of random bars, turned down at random: (B, frames * hop), decided by (seed, step).

    Where time is a circle, crops begin anywhere and are made circles themselves; else they lie inside the bar.
    """
    rng = rng_for(config.seed, step)
    bars = data.audio(rng.choice(rows, config.batch))
    gains = 10 ** (-rng.uniform(0, config.gain_db, config.batch) / 20)
    length = min(config.frames * data.mel.hop, bars.shape[1])
    starts = rng.integers(bars.shape[1] if data.mel.circular else bars.shape[1] - length + 1, size=config.batch)
    crop = circular_crop if data.mel.circular else _plain_crop
    crops = [crop(bar, int(s), length) * g for bar, s, g in zip(bars, starts, gains, strict=True)]
    return torch.from_numpy(np.stack(crops).astype(np.float32))


def _plain_crop(bar: Float32, start: int, length: int) -> Float32:
    return bar[start : start + length]


@dataclass
class VocoderTrainee(Trainee, ABC):
    """A vocoder with all that learns beside it, and its step."""

    config: RunConfig
    analyse: LogMel
    device: torch.device

    @property
    def mel(self) -> MelConfig:
        return self.analyse.mel

    @property
    def settings(self) -> dict[str, Any]:
        """What a run may not change on the way, but for `steps`."""
        return {"kind": self.model.name, "mel": self.mel.model_dump(), **self.config.model_dump(mode="json")}

    @property
    @abstractmethod
    def model(self) -> RingVocoder | MelGan:
        """The vocoder that learns."""

    @property
    @abstractmethod
    def result(self) -> RingVocoder | MelGan:
        """The vocoder to listen to and to keep."""

    @abstractmethod
    def update(self, real: Tensor) -> dict[str, Tensor]:
        """One update from loops (B, N) on the device; scalars to log."""

    def train_step(self, real: Tensor) -> dict[str, Tensor]:
        """One step. `real` (B, N); returns scalars to log. Raises TrainingDivergedError."""
        report = self.update(real.to(self.device))
        self.step += 1
        return report


KIND = "vocoder checkpoint"


def save(trainee: VocoderTrainee, path: Path) -> None:
    """Write all state of a run."""
    save_checkpoint(path, trainee, {"kind": KIND, "settings": trainee.settings})


def resume(trainee: VocoderTrainee, path: Path) -> None:
    """Continue from `path`. Raises InputError, or ConfigError if it was begun with other settings."""
    load_checkpoint(path, trainee, kind=KIND, settings=trainee.settings, may_change={"steps"})


def train(
    trainee: VocoderTrainee,
    data: BarSource,
    rows: Int64,
    *,
    checkpoint: Path,
    every: int = 200,
    minutes: float | None = None,
) -> Iterator[Tick]:
    """Train to `config.steps` or for `minutes` more; a checkpoint and a Tick every `every` steps and at the end."""
    config = trainee.config
    pace = Pace(trainee, end=config.steps, every=every, limit_s=None if minutes is None else 60 * minutes)
    while not pace.done:
        if pace.count(trainee.train_step(draw_batch(data, rows, config, trainee.step))):
            tick = pace.tick()
            save(trainee, checkpoint)
            yield tick
            pace.resume()
