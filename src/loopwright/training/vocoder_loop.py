"""What the training of every vocoder shares: crops of bars, a trainee with its checkpoint, and the loop.

Every random choice depends on (seed, step) alone, and a checkpoint holds all state, so a resumed run equals an unbroken one.
The steps themselves are in `ring_step` and `melgan`.

Shapes: B batch, M mel bands, T frames, N = T * hop samples.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from loopwright.audio.mel import LogMel
from loopwright.config import MelConfig
from loopwright.errors import ConfigError, InputError, TrainingDivergedError
from loopwright.files import load_tensors, save_tensors
from loopwright.vocoder.melgan import MelGan
from loopwright.vocoder.ring import RingVocoder

Float32 = npt.NDArray[np.float32]
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

    def audio(self, indices: npt.NDArray[np.int64]) -> Float32:
        """Bars (n, N)."""
        ...


def seeded(seed: int, step: int, stream: int) -> np.random.Generator:
    """A generator that depends on nothing but its arguments."""
    return np.random.default_rng([seed & 0xFFFFFFFF, step, stream])


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


def draw_batch(data: BarSource, rows: npt.NDArray[np.int64], config: RunConfig, step: int) -> Tensor:
    """Crops of random bars, turned down at random: (B, frames * hop), decided by (seed, step).

    Where time is a circle, crops begin anywhere and are made circles themselves; else they lie inside the bar.
    """
    rng = seeded(config.seed, step, 0)
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
class Trainee(ABC):
    """Everything a step changes, and the step. Modules and optimizers are named as in the checkpoint."""

    config: RunConfig
    modules: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    analyse: LogMel
    device: torch.device
    step: int = 0
    seconds: float = 0.0

    @property
    def mel(self) -> MelConfig:
        return self.analyse.mel

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


def descend(optimizer: torch.optim.Optimizer, loss: Tensor, clip: float, *, name: str, step: int) -> None:
    """One clipped step down. Raises TrainingDivergedError before any weight is touched by a NaN."""
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    norm = nn.utils.clip_grad_norm_(parameters, clip)
    if not bool(torch.isfinite(loss)) or not bool(torch.isfinite(norm)):
        raise TrainingDivergedError(
            f"{name} is {float(loss.detach()):g} (gradient {float(norm):g}) at step {step}. The last checkpoint is kept; "
            "continue with a lower --lr in a new run folder."
        )
    optimizer.step()


# --- checkpoints -------------------------------------------------------------------------------------------------------


def _optimizer_tensors(prefix: str, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"{prefix}.{i}.{key}": torch.as_tensor(value) for i, slot in state.items() for key, value in slot.items()}


def _restore_optimizer(prefix: str, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith(prefix + "."):
            _, index, key = name.rsplit(".", 2)
            state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def save_checkpoint(path: Path, trainee: Trainee) -> None:
    """Everything needed to go on as if never stopped: tensors and a JSON header, atomically."""
    tensors = {f"{name}.{k}": v for name, module in trainee.modules.items() for k, v in module.state_dict().items()}
    for name, optimizer in trainee.optimizers.items():
        tensors |= _optimizer_tensors(name, optimizer)
    header = {
        "kind": "vocoder-checkpoint",
        "step": trainee.step,
        "seconds": trainee.seconds,
        "config": trainee.config.model_dump(),
        "mel": trainee.mel.model_dump(),
        "architecture": trainee.model.name,
    }
    save_tensors(path, {k: v.cpu().clone() for k, v in tensors.items()}, header)


def load_checkpoint(path: Path, trainee: Trainee) -> None:
    """Restore a trainee built with the same settings. Raises InputError or ConfigError."""
    tensors, header = load_tensors(path)
    if header.get("kind") != "vocoder-checkpoint":
        raise InputError(f"{path} is not a checkpoint of a vocoder. Choose an empty run folder.")
    kind = header.get("architecture")
    if kind != trainee.model.name:
        raise ConfigError(f"{path} is of a vocoder '{kind}'. Pass --kind {kind}, or use a new run folder.")
    if header["mel"] != trainee.mel.model_dump():
        raise ConfigError(f"{path} was trained for '{header['mel']['name']}'. Use a new run folder for other data.")
    mine, old = trainee.config.model_dump(mode="json"), header["config"]
    changed = [f"{k}: {old.get(k)} -> {mine[k]}" for k in mine if k != "steps" and mine[k] != old.get(k)]
    if changed:
        raise ConfigError(f"{path} was made with other settings ({'; '.join(changed)}). Use them, or a new run folder.")

    def part(prefix: str) -> dict[str, Tensor]:
        return {k[len(prefix) + 1 :]: v for k, v in tensors.items() if k.startswith(prefix + ".")}

    try:
        for name, module in trainee.modules.items():
            module.load_state_dict(part(name))
        for name, optimizer in trainee.optimizers.items():
            _restore_optimizer(name, optimizer, tensors)
    except (RuntimeError, ValueError, KeyError) as error:
        raise InputError(f"{path} does not fit this version ({str(error)[:120]}). Start a new run folder.") from error
    trainee.step = int(header["step"])
    trainee.seconds = float(header["seconds"])


# --- the loop ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tick:
    """What a caller learns at each tick."""

    step: int
    steps: int
    seconds: float
    losses: dict[str, float]


def train(
    trainee: Trainee,
    data: BarSource,
    rows: npt.NDArray[np.int64],
    *,
    checkpoint: Path,
    every: int = 200,
    minutes: float | None = None,
) -> Iterator[Tick]:
    """Train to `config.steps` or for `minutes` more; a checkpoint and a Tick every `every` steps and at the end."""
    config = trainee.config
    started = last = time.monotonic()
    sums: dict[str, float] = {}
    count = 0
    while trainee.step < config.steps:
        report = trainee.train_step(draw_batch(data, rows, config, trainee.step))
        for key, value in report.items():
            sums[key] = sums.get(key, 0.0) + float(value)
        count += 1
        now = time.monotonic()
        over = minutes is not None and now - started > 60 * minutes
        if trainee.step % every == 0 or trainee.step == config.steps or over:
            trainee.seconds += now - last
            last = now
            save_checkpoint(checkpoint, trainee)
            tick = Tick(trainee.step, config.steps, trainee.seconds, {k: v / count for k, v in sums.items()})
            yield tick
            last = time.monotonic()  # what the caller did at the tick is not training time
            sums, count = {}, 0
        if over:
            return


def append_metrics(path: Path, record: dict[str, Any]) -> None:
    """Append one line of JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(record) + "\n")
