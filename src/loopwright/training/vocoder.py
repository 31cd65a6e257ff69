"""Training of the house vocoder: bars as circles, noise against noise, an adversary at the end if wanted.

Every random choice depends on (seed, step) alone, and a checkpoint holds all state, so a resumed run equals an unbroken one.

Shapes: B batch, M mel bands, T frames, N = T * hop samples.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, Field, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from loopwright.audio.mel import LogMel
from loopwright.config import MelConfig
from loopwright.errors import ConfigError, InputError, TrainingDivergedError
from loopwright.files import load_tensors, save_tensors
from loopwright.vocoder.discriminators import Adversary, discriminator_hinge, feature_matching, generator_hinge
from loopwright.vocoder.house import HouseConfig, HouseVocoder
from loopwright.vocoder.losses import log_mel_distance, spectral_energy

Float32 = npt.NDArray[np.float32]
SEAM_FADE = 256  # samples over which a crop is made periodic


class VocoderTrainConfig(BaseModel, frozen=True, extra="forbid"):
    """One training run. Everything but `steps` shapes what a step does; the learning rate falls to its end at `steps`."""

    model: HouseConfig = HouseConfig()
    seed: int = 0
    steps: PositiveInt = 20_000
    batch: PositiveInt = 4
    frames: PositiveInt = 64  # frames of a crop, made circular; a whole bar needs no crop
    lr: PositiveFloat = 8e-4
    lr_end: PositiveFloat = 2e-5
    warmup: PositiveInt = 200
    decay: float = Field(default=0.999, gt=0, lt=1)  # of the average
    clip: PositiveFloat = 5.0  # largest norm of a gradient
    repulsion: float = Field(default=0.5, ge=0, le=1)  # 1: noise as random as real; 0: nearest on average
    mel_weight: float = Field(default=2.0, ge=0)
    gain_db: float = Field(default=12.0, ge=0)  # loops are turned down by up to this
    blur: float = Field(default=0.3, ge=0, le=1)  # share of mels blurred and roughened like a model's
    adversary_from: int | None = None  # step at which the discriminators join; None: never
    adversary_width: PositiveInt = 16
    adversary_weight: float = Field(default=0.1, ge=0)
    matching_weight: float = Field(default=0.5, ge=0)
    bf16: bool = False  # backbone and discriminators in bfloat16 where the device has it


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


def draw_batch(data: BarSource, rows: npt.NDArray[np.int64], config: VocoderTrainConfig, step: int) -> Tensor:
    """Crops of random bars, rolled and turned down at random: (B, frames * hop), decided by (seed, step)."""
    rng = seeded(config.seed, step, 0)
    bars = data.audio(rng.choice(rows, config.batch))
    gains = 10 ** (-rng.uniform(0, config.gain_db, config.batch) / 20)
    starts = rng.integers(bars.shape[1], size=config.batch)
    length = min(config.frames * data.mel.hop, bars.shape[1])
    crops = [circular_crop(bar, int(s), length) * g for bar, s, g in zip(bars, starts, gains, strict=True)]
    return torch.from_numpy(np.stack(crops).astype(np.float32))


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


@dataclass
class Trainee:
    """Everything a step changes."""

    config: VocoderTrainConfig
    model: HouseVocoder
    average: HouseVocoder
    optimizer: torch.optim.AdamW
    analyse: LogMel
    device: torch.device
    adversary: Adversary | None = None
    optimizer_d: torch.optim.AdamW | None = None
    step: int = 0
    seconds: float = 0.0


def build(mel: MelConfig, config: VocoderTrainConfig, device: torch.device) -> Trainee:
    """A fresh trainee; weights drawn from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = HouseVocoder(mel, config.model)
        adversary = Adversary(width=config.adversary_width) if config.adversary_from is not None else None
    average = copy.deepcopy(model).requires_grad_(False).eval()
    model, average = model.to(device), average.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr, betas=(0.8, 0.99), weight_decay=1e-3)
    optimizer_d = None
    if adversary is not None:
        adversary = adversary.to(device)
        optimizer_d = torch.optim.AdamW(adversary.parameters(), lr=config.lr, betas=(0.5, 0.99), weight_decay=1e-3)
    return Trainee(config, model, average, optimizer, LogMel(mel).to(device), device, adversary, optimizer_d)


def learning_rate(config: VocoderTrainConfig, step: int) -> float:
    """Linear warm-up, then half a cosine down to `lr_end`."""
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    part = min(1.0, (step - config.warmup) / max(1, config.steps - config.warmup))
    return config.lr_end + (config.lr - config.lr_end) * 0.5 * (1 + math.cos(math.pi * part))


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


def train_step(trainee: Trainee, real: Tensor) -> dict[str, Tensor]:
    """One update of the vocoder (and of its adversary, once it has joined). `real` (B, N); returns scalars to log."""
    config, step = trainee.config, trainee.step
    for optimizer in filter(None, (trainee.optimizer, trainee.optimizer_d)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, step)
    real = real.to(trainee.device)
    log_mel = trainee.analyse(real)
    rng = seeded(config.seed, step, 1)
    given = roughen(log_mel, config.blur, rng)
    # Two loops for each mel, from different noise.
    hop, t = trainee.model.mel.hop, log_mel.shape[-1]
    noise = torch.from_numpy(rng.uniform(-(3**0.5), 3**0.5, (2 * len(real), hop, t)).astype(np.float32))
    with torch.autocast(trainee.device.type, torch.bfloat16, enabled=config.bf16):
        fake = trainee.model.shape_noise(given, noise.to(trainee.device))
    first, second = fake.chunk(2)
    pull, loss = spectral_energy(real, first, second, repulsion=config.repulsion)
    mel_loss = log_mel_distance(trainee.analyse, torch.cat([log_mel, log_mel]), fake)
    loss = loss + config.mel_weight * mel_loss
    report = {"spectral": pull.detach(), "mel": mel_loss.detach()}

    if config.adversary_from is not None and step >= config.adversary_from:
        adversary, optimizer_d = trainee.adversary, trainee.optimizer_d
        assert adversary is not None
        assert optimizer_d is not None
        with torch.autocast(trainee.device.type, torch.bfloat16, enabled=config.bf16):
            loss_d = discriminator_hinge(adversary(real), adversary(first.detach()))
        descend(optimizer_d, loss_d, config.clip, name="loss/discriminator", step=step)
        adversary.requires_grad_(False)
        with torch.autocast(trainee.device.type, torch.bfloat16, enabled=config.bf16):
            judged = adversary(first)
            with torch.no_grad():
                wanted = adversary(real)
            loss_g = generator_hinge(judged)
            match = feature_matching(wanted, judged)
        adversary.requires_grad_(True)
        loss = loss + config.adversary_weight * loss_g + config.matching_weight * match
        report |= {"discriminator": loss_d.detach(), "generator": loss_g.detach(), "matching": match.detach()}

    descend(trainee.optimizer, loss, config.clip, name="loss/vocoder", step=step)
    decay = min(config.decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for kept, new in zip(trainee.average.parameters(), trainee.model.parameters(), strict=True):
            kept.lerp_(new, 1 - decay)
    trainee.step += 1
    return {"loss": loss.detach(), **report}


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
    tensors = {f"model.{k}": v for k, v in trainee.model.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in trainee.average.state_dict().items()}
    tensors |= _optimizer_tensors("optimizer", trainee.optimizer)
    if trainee.adversary is not None and trainee.optimizer_d is not None:
        tensors |= {f"adversary.{k}": v for k, v in trainee.adversary.state_dict().items()}
        tensors |= _optimizer_tensors("optimizer_d", trainee.optimizer_d)
    header = {
        "kind": "vocoder-checkpoint",
        "step": trainee.step,
        "seconds": trainee.seconds,
        "config": trainee.config.model_dump(),
        "mel": trainee.model.mel.model_dump(),
    }
    save_tensors(path, {k: v.cpu().clone() for k, v in tensors.items()}, header)


def load_checkpoint(path: Path, trainee: Trainee) -> None:
    """Restore a trainee built with the same settings. Raises InputError or ConfigError."""
    tensors, header = load_tensors(path)
    if header.get("kind") != "vocoder-checkpoint":
        raise InputError(f"{path} is not a checkpoint of a vocoder. Choose an empty run folder.")
    if header["mel"] != trainee.model.mel.model_dump():
        raise ConfigError(f"{path} was trained for '{header['mel']['name']}'. Use a new run folder for other data.")
    mine, old = trainee.config.model_dump(), header["config"]
    changed = [f"{k}: {old.get(k)} -> {mine[k]}" for k in mine if k != "steps" and mine[k] != old.get(k)]
    if changed:
        raise ConfigError(f"{path} was made with other settings ({'; '.join(changed)}). Use them, or a new run folder.")

    def part(prefix: str) -> dict[str, Tensor]:
        return {k[len(prefix) + 1 :]: v for k, v in tensors.items() if k.startswith(prefix + ".")}

    try:
        trainee.model.load_state_dict(part("model"))
        trainee.average.load_state_dict(part("average"))
        _restore_optimizer("optimizer", trainee.optimizer, tensors)
        if trainee.adversary is not None and trainee.optimizer_d is not None:
            trainee.adversary.load_state_dict(part("adversary"))
            _restore_optimizer("optimizer_d", trainee.optimizer_d, tensors)
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
        report = train_step(trainee, draw_batch(data, rows, config, trainee.step))
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
