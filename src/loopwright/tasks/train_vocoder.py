"""Train a vocoder: prepared data in, a run folder with the model file out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from loopwright.arrays import Float32, Int64
from loopwright.audio.io import write_wav
from loopwright.audio.mel import LogMel
from loopwright.audio.picture import mel_sheet
from loopwright.config import MelConfig, check_same_mel
from loopwright.data import PreparedData
from loopwright.errors import ConfigError, InputError
from loopwright.files import locked
from loopwright.training import melgan_step, ring_step
from loopwright.training.device import choose_device
from loopwright.training.pace import Tick as Tick  # given on: the command line shows it
from loopwright.training.runs import RunFolder
from loopwright.training.vocoder_loop import RunConfig, VocoderTrainee, resume, train
from loopwright.vocoder import modelfile
from loopwright.vocoder.base import Vocoder
from loopwright.vocoder.losses import amplitudes, distance
from loopwright.vocoder.ring_config import RING_SIZES

VALIDATION_BARS = 16
Report = Callable[[Tick, Mapping[str, float]], None]


def make_config(kind: str, size: str, values: Mapping[str, Any]) -> RunConfig:
    """Settings of a run of `ring` (a size name) or `melgan` (`size` is not used) with changed values.

    Raises ConfigError naming what is wrong.
    """
    if kind not in ("ring", "melgan"):
        raise ConfigError(f"no vocoder kind '{kind}'. Known: ring, melgan.")
    if size not in RING_SIZES:
        raise ConfigError(f"no vocoder size '{size}'. Known: {', '.join(RING_SIZES)}.")
    try:
        if kind == "melgan":
            return melgan_step.MelGanTrainConfig(**values)
        return ring_step.RingTrainConfig(**{"model": RING_SIZES[size].model_dump(), **values})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"vocoder setting '{where}': {first['msg']}.") from error


@torch.no_grad()
def validate(model: Vocoder, real: torch.Tensor, analyse: LogMel) -> tuple[dict[str, float], torch.Tensor]:
    """Distance of resynthesised to real loops (B, N), and the resynthesised ones."""
    log_mel = analyse(real)
    fake = model(log_mel)
    target, got = amplitudes(real), amplitudes(fake)
    scale = [t.mean(dim=(1, 2)).clamp_min(1e-4) for t in target]
    error = (analyse(fake).clamp_min(-4) - log_mel.clamp_min(-4)).abs().mean()
    return {"held_out/spectral": float(distance(target, got, scale)), "held_out/mel": float(error)}, fake


class Together:
    """Rows of several prepared folders under one numbering, in the order given. Raises InputError, MelMismatchError."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.parts = [PreparedData.open(folder) for folder in folders]
        self.mel = self.parts[0].mel
        for part in self.parts[1:]:
            check_same_mel(str(part.path), part.mel, str(self.parts[0].path), self.mel)
            if part.frames != self.parts[0].frames:
                raise InputError(
                    f"rows of {part.path} have {part.frames} frames, those of {self.parts[0].path} {self.parts[0].frames}. "
                    "Prepare both with the same number of bars."
                )
        self.starts = np.cumsum([0, *(len(part) for part in self.parts)])

    def indices(self, split: str) -> Int64:
        """Rows of a split."""
        rows = [start + part.indices(split) for start, part in zip(self.starts, self.parts, strict=False)]
        return np.concatenate(rows)

    def audio(self, indices: Int64) -> Float32:
        """Bars (n, N)."""
        owner = np.searchsorted(self.starts, indices, side="right") - 1
        out = np.empty((len(indices), self.parts[0].frames * self.mel.hop), dtype=np.float32)
        for i in np.unique(owner):
            out[owner == i] = self.parts[i].audio(indices[owner == i] - self.starts[i])
        return out


def train_vocoder(
    data: Sequence[Path],
    run: Path,
    config: RunConfig,
    *,
    start_from: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    every: int = 500,
    minutes: float | None = None,
    report: Report | None = None,
) -> Path:
    """Train or continue the run folder `run`; returns the model file, `run/vocoder.safetensors`.

    Args:
        data: prepared folders with audio, of one representation; rows of split `train` are learned from, each as often
            as any other, `validation` is listened to.
        run: folder of this one run; if it holds a checkpoint, training goes on from there, bit for bit on a CPU.
        config: settings, see `make_config`.
        start_from: a vocoder file to begin from instead of random weights.
        device: `auto`, `cpu`, `cuda`.
        threads: CPU threads, torch's choice if None.
        every: steps from checkpoint to checkpoint.
        minutes: stop after this long; the same call continues.
        report: called at each checkpoint.

    Raises InputError, ConfigError, BusyError, TrainingDivergedError.
    """
    prepared = Together(data)
    names = ", ".join(str(part) for part in data)
    folder = RunFolder(Path(run))
    if threads is not None:
        torch.set_num_threads(threads)
    rows = prepared.indices("train")
    held_out = prepared.indices("validation")
    if len(rows) == 0:
        raise InputError(f"{names} has no rows of split 'train'. Prepare it again with a split.")
    if isinstance(config, ring_step.RingTrainConfig) and not prepared.mel.circular:
        raise ConfigError(
            f"the ring vocoder is circular, '{prepared.mel.name}' is not. "
            "Prepare with --repr loop48 or loop16, or pass --kind melgan."
        )
    held_out = held_out if len(held_out) else rows
    held_out = held_out[np.linspace(0, len(held_out) - 1, min(VALIDATION_BARS, len(held_out))).astype(int)]
    with locked(folder.path, "training"):
        trainee = _build(prepared.mel, config, choose_device(device))
        config = trainee.config
        checkpoint = folder.checkpoint("last")
        if checkpoint.exists():
            resume(trainee, checkpoint)
            folder.truncate_metrics(trainee.step)
        elif start_from is not None:
            _begin_from(Path(start_from), trainee)
        facts = {
            "data": [str(Path(part).resolve()) for part in data],
            "start_from": str(start_from) if start_from else None,
        }
        folder.describe({"config": config.model_dump(), "mel": prepared.mel.model_dump(), **facts})
        real = torch.from_numpy(prepared.audio(held_out)).to(trainee.device)
        model_file = folder.path / "vocoder.safetensors"
        licences = sorted({str(r.get("licence") or "unknown") for part in prepared.parts for r in part.records})
        for tick in train(trainee, prepared, rows, checkpoint=checkpoint, every=every, minutes=minutes):
            scores, fake = validate(trainee.result, real, trainee.analyse)
            folder.log({"step": tick.step, "seconds": round(tick.seconds, 1), **tick.losses, **scores})
            training = {
                "steps": tick.step,
                "seconds": round(tick.seconds),
                "rows": len(rows),
                "data_licences": licences,
                "config": config.model_dump(),
            }
            modelfile.save(model_file, trainee.result, training)
            _samples(folder.samples, tick.step, real, fake, trainee.analyse)
            if report is not None:
                report(tick, scores)
    return model_file


def _build(mel: MelConfig, config: RunConfig, device: torch.device) -> VocoderTrainee:
    if isinstance(config, melgan_step.MelGanTrainConfig):
        return melgan_step.build(mel, config.for_data(mel), device)
    assert isinstance(config, ring_step.RingTrainConfig)
    return ring_step.build(mel, config, device)


def _begin_from(path: Path, trainee: VocoderTrainee) -> None:
    """Copy the weights of a vocoder file into a fresh trainee."""
    vocoder, _ = modelfile.read(path)
    try:
        if vocoder.name != trainee.model.name or vocoder.mel != trainee.model.mel:
            raise ValueError(vocoder.name)
        trainee.model.load_state_dict(vocoder.state_dict())
    except (RuntimeError, ValueError) as error:
        raise ConfigError(f"{path} is not a vocoder of this kind, size and representation. Leave out --start-from.") from error
    trainee.result.load_state_dict(vocoder.state_dict())


def _samples(folder: Path, step: int, real: torch.Tensor, fake: torch.Tensor, analyse: LogMel, count: int = 4) -> None:
    """Pairs to look at and listen to: real above, resynthesised below."""
    mels = torch.cat([analyse(real[:count]), analyse(fake[:count])]).cpu().numpy()
    titles = [f"real {i}" for i in range(count)] + [f"vocoder {i}, step {step}" for i in range(count)]
    mel_sheet(folder / f"{step:07d}.png", mels, titles=titles[: len(mels)])
    rate_hz = analyse.mel.rate_hz
    for i in range(min(count, len(real))):
        write_wav(folder / f"real_{i}.wav", real[i].cpu().numpy(), rate_hz)
        write_wav(folder / f"{step:07d}_{i}.wav", fake[i].clamp(-1, 1).cpu().numpy(), rate_hz)
