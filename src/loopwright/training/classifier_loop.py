"""Training of the loop-style classifier: a Short-Chunk ResNet (Won et al., SMC 2020) that knows time is a circle.

Classes are drawn equally often; every random choice depends on (seed, step) alone, and a checkpoint holds all state, so a
run that was killed continues as if it had not been. The frozen counterpart is `features.scnn_loop`.

Shapes: B batch, M bands (64), T frames, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from pydantic import BaseModel, Field, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from loopwright.arrays import Float32, Int64
from loopwright.errors import ConfigError
from loopwright.features.short_chunk import widths
from loopwright.models.layers import channels_last
from loopwright.training.checkpoint import Trainee, load_checkpoint, save_checkpoint
from loopwright.training.descend import descend, set_rate, warm_cosine
from loopwright.training.pace import Pace, Tick
from loopwright.training.seeds import rng_for, torch_seeded

KIND = "classifier checkpoint"
Gather = Callable[[Int64], Tensor]  # rows -> log10 mels as `features.scnn_loop` sees them (B, 64, T)


class ClassifierConfig(BaseModel, frozen=True, extra="forbid"):
    """One training run."""

    width: PositiveInt = 16  # channels of the first layers; the paper's network is 64 wide
    layers: int = Field(default=6, ge=4, le=6)  # each halves both axes: 64 bands allow 6
    steps: PositiveInt = 1_000
    batch: PositiveInt = 32
    lr: PositiveFloat = 4e-3  # highest, after a tenth of the steps; down to 0 along a cosine
    weight_decay: float = Field(default=0.02, ge=0)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    smoothing: float = Field(default=0.05, ge=0, lt=1)  # of the labels
    seed: int = Field(default=0, ge=0)
    gain_db: float = Field(default=6.0, ge=0)  # loops are turned up or down by up to this
    tilt_db: float = Field(default=6.0, ge=0)  # and their spectrum tilted by up to this, from lowest to highest band
    roll_frames: PositiveInt = 32  # rolls are multiples of this: a quarter note
    mask_bands: int = Field(default=8, ge=0)  # up to so many neighbouring bands are blanked
    mask_frames: int = Field(default=12, ge=0)  # and so many frames


class ResLayer(nn.Module):
    """Residual layer that halves both axes; time wraps, frequency ends. (B, C, M, T) -> (B, K, M/2, T/2)."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv_1, self.bn_1 = nn.Conv2d(channels, out, 3, stride=2, padding=(1, 0)), nn.BatchNorm2d(out)
        self.conv_2, self.bn_2 = nn.Conv2d(out, out, 3, padding=(1, 0)), nn.BatchNorm2d(out)
        self.conv_3, self.bn_3 = nn.Conv2d(channels, out, 3, stride=2, padding=(1, 0)), nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        turned = torch.cat([x[..., -1:], x], dim=3)  # cells -1, 0, 1; then 1, 2, 3: at stride 2 nothing reaches past the end
        inner = F.relu(self.bn_1(self.conv_1(turned)))
        inner = torch.cat([inner[..., -1:], inner, inner[..., :1]], dim=3)
        return F.relu(self.bn_2(self.conv_2(inner)) + self.bn_3(self.conv_3(turned)))


class LoopClassifier(nn.Module):
    """Log10 mels to class scores, in training form. (B, M, T) -> (B, K)."""

    def __init__(self, config: ClassifierConfig, n_classes: int) -> None:
        super().__init__()
        self.count = config.layers
        self.spec_bn = nn.BatchNorm2d(1)
        channels = widths(config.width, config.layers)
        for number in range(1, config.layers + 1):
            setattr(self, f"layer{number}", ResLayer(channels[number - 1], channels[number]))
        top = channels[-1]
        self.dense1, self.bn, self.dense2 = nn.Linear(top, top), nn.BatchNorm1d(top), nn.Linear(top, n_classes)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, log_mel: Tensor) -> Tensor:
        x = self.spec_bn(log_mel[:, None]).contiguous(memory_format=torch.channels_last)
        for number in range(1, self.count + 1):
            x = getattr(self, f"layer{number}")(x)
        x = x.amax(dim=(2, 3))
        scores: Tensor = self.dense2(self.dropout(F.relu(self.bn(self.dense1(x)))))
        return scores

    def tensors(self) -> dict[str, Tensor]:
        """The weights under the keys of `features.short_chunk`, in half precision."""
        state = {key: value for key, value in self.state_dict().items() if not key.endswith("num_batches_tracked")}
        return {key: value.detach().half() for key, value in state.items()}


def augment(log_mel: Tensor, config: ClassifierConfig, rng: np.random.Generator, floor: float = -5.0) -> Tensor:
    """Roll, turn up or down, tilt and blank parts of loops. (B, M, T) -> same."""
    batch, bands, frames = log_mel.shape
    turns = rng.integers(0, max(1, frames // config.roll_frames), batch) * config.roll_frames
    out = torch.stack([x.roll(int(turn), dims=1) for x, turn in zip(log_mel, turns, strict=True)])
    gain = rng.uniform(-config.gain_db, config.gain_db, (batch, 1)) / 20
    tilt = rng.uniform(-config.tilt_db, config.tilt_db, (batch, 1)) / 20 * np.linspace(-0.5, 0.5, bands)[None]
    out = (out + torch.from_numpy((gain + tilt).astype(np.float32))[:, :, None]).clamp_min(floor)
    for x in out:
        start, size = rng.integers(bands), rng.integers(config.mask_bands + 1)
        x[start : start + size] = floor
        start, size = rng.integers(frames), rng.integers(config.mask_frames + 1)
        x[:, start : start + size] = floor
    return out


@dataclass
class ClassifierTrainee(Trainee):
    """A classifier and what moves it."""

    config: ClassifierConfig

    @property
    def model(self) -> LoopClassifier:
        return cast(LoopClassifier, self.modules["model"])

    @property
    def settings(self) -> dict[str, Any]:
        """What a run may not change on the way."""
        return {**self.config.model_dump(mode="json"), "n_classes": self.model.dense2.out_features}


def build(config: ClassifierConfig, n_classes: int) -> ClassifierTrainee:
    """A fresh trainee; weights drawn from the seed."""
    if n_classes < 2:
        raise ConfigError(
            f"a classifier needs two or more classes with training rows, got {n_classes}. Choose another --label."
        )
    with torch_seeded(config.seed):
        model = channels_last(LoopClassifier(config, n_classes))
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    return ClassifierTrainee({"model": model}, {"optimizer": optimizer}, config)


def learning_rate(config: ClassifierConfig, step: int) -> float:
    """Linear warm-up over a tenth of the steps, then half a cosine to 0."""
    return warm_cosine(step, steps=config.steps, warmup=max(1, config.steps // 10), highest=config.lr)


def train_step(trainee: ClassifierTrainee, gather: Gather, rows_of_class: Sequence[Int64]) -> dict[str, Tensor]:
    """One step on a batch with equally likely classes; scalars to log. Raises TrainingDivergedError."""
    config, model, step = trainee.config, trainee.model, trainee.step
    rng = rng_for(config.seed, step)
    labels = rng.integers(len(rows_of_class), size=config.batch)
    rows = np.asarray([rng.choice(rows_of_class[label]) for label in labels], dtype=np.int64)
    log_mel = augment(gather(rows), config, rng)
    model.train()
    with torch_seeded(config.seed, step):  # dropout
        scores = model(log_mel)
    loss = F.cross_entropy(scores, torch.from_numpy(labels), label_smoothing=config.smoothing)
    set_rate(trainee.optimizers.values(), learning_rate(config, step))
    descend(trainee.optimizers["optimizer"], loss, name="the classifier's loss", step=step)
    trainee.step += 1
    return {"loss": loss.detach()}


def train(
    trainee: ClassifierTrainee,
    gather: Gather,
    rows_of_class: Sequence[Int64],
    checkpoint: Path,
    *,
    every: int,
    minutes: float | None = None,
) -> Iterator[Tick]:
    """Train to the end of the schedule, with a checkpoint and a Tick every `every` steps; `minutes` stops earlier."""
    pace = Pace(trainee, end=trainee.config.steps, every=every, limit_s=None if minutes is None else 60 * minutes)
    while not pace.done:
        if pace.count(train_step(trainee, gather, rows_of_class)):
            tick = pace.tick()
            save_checkpoint(checkpoint, trainee, {"kind": KIND, "settings": trainee.settings})
            yield tick
            pace.resume()


def resume(trainee: ClassifierTrainee, path: Path) -> None:
    """Continue from `path`. Raises InputError, or ConfigError if it was begun with other settings."""
    load_checkpoint(path, trainee, kind=KIND, settings=trainee.settings)


@torch.no_grad()
def predict(model: LoopClassifier, gather: Gather, rows: Int64, batch: int = 64) -> Float32:
    """Class probabilities of rows: (n, K)."""
    model.eval()
    parts = [model(gather(rows[i : i + batch])).softmax(dim=1).numpy() for i in range(0, len(rows), batch)]
    return np.concatenate(parts) if parts else np.zeros((0, model.dense2.out_features), dtype=np.float32)


@dataclass(frozen=True)
class Accuracy:
    """Share of right answers with a 95% interval from resampling whole sources, the mean over classes, and the counts."""

    share: float
    low: float
    high: float
    balanced: float
    majority: float
    n: int
    sources: int


def accuracy(right: Int64, predicted: Int64, sources: Sequence[object], *, seed: int = 0, draws: int = 1000) -> Accuracy:
    """Accuracy of `predicted` against `right`. Bars of one source are no independent witnesses, hence the resampling."""
    hit = (right == predicted).astype(np.float64)
    _, group = np.unique(np.asarray([str(source) for source in sources]), return_inverse=True)
    hits, sizes = np.bincount(group, weights=hit), np.bincount(group).astype(np.float64)
    rng = np.random.default_rng(seed)
    picks = rng.integers(len(hits), size=(draws, len(hits)))
    shares = hits[picks].sum(axis=1) / sizes[picks].sum(axis=1)
    low, high = np.quantile(shares, [0.025, 0.975])
    present = np.unique(right)
    balanced = float(np.mean([hit[right == label].mean() for label in present]))
    majority = float(np.bincount(right).max() / len(right))
    return Accuracy(float(hit.mean()), float(low), float(high), balanced, majority, len(right), len(hits))
