"""Train a vocoder: prepared data in, a run folder with the model file out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from loopwright.audio.io import write_wav
from loopwright.audio.mel import LogMel
from loopwright.audio.picture import mel_sheet
from loopwright.data import PreparedData
from loopwright.errors import ConfigError, InputError
from loopwright.files import locked, write_json
from loopwright.pipeline.device import choose_device
from loopwright.training.runs import environment
from loopwright.training.vocoder import (
    Tick as Tick,  # given on: the command line shows it
)
from loopwright.training.vocoder import (
    Trainee,
    VocoderTrainConfig,
    append_metrics,
    build,
    load_checkpoint,
    train,
)
from loopwright.vocoder import modelfile
from loopwright.vocoder.house import HOUSE_SIZES, HouseVocoder
from loopwright.vocoder.losses import amplitudes, distance

VALIDATION_BARS = 16
Report = Callable[[Tick, Mapping[str, float]], None]


def make_config(size: str, values: Mapping[str, Any]) -> VocoderTrainConfig:
    """Settings of a run from a size name and changed values. Raises ConfigError naming what is wrong."""
    try:
        return VocoderTrainConfig(**{"model": HOUSE_SIZES[size].model_dump(), **values})
    except KeyError as error:
        raise ConfigError(f"no vocoder size '{size}'. Known: {', '.join(HOUSE_SIZES)}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"vocoder setting '{where}': {first['msg']}.") from error


@torch.no_grad()
def validate(model: HouseVocoder, real: torch.Tensor, analyse: LogMel) -> tuple[dict[str, float], torch.Tensor]:
    """Distance of resynthesised to real loops (B, N), and the resynthesised ones."""
    log_mel = analyse(real)
    fake = model(log_mel)
    target, got = amplitudes(real), amplitudes(fake)
    scale = [t.mean(dim=(1, 2)).clamp_min(1e-4) for t in target]
    error = (analyse(fake).clamp_min(-4) - log_mel.clamp_min(-4)).abs().mean()
    return {"held_out/spectral": float(distance(target, got, scale)), "held_out/mel": float(error)}, fake


def train_vocoder(
    data: Path,
    run: Path,
    config: VocoderTrainConfig,
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
        data: prepared folder with audio; rows of split `train` are learned from, `validation` is listened to.
        run: folder of this one run; if it holds a checkpoint, training goes on from there, bit for bit on a CPU.
        config: settings.
        start_from: a vocoder file to begin from instead of random weights.
        device: `auto`, `cpu`, `cuda`.
        threads: CPU threads, torch's choice if None.
        every: steps from checkpoint to checkpoint.
        minutes: stop after this long; the same call continues.
        report: called at each checkpoint.

    Raises InputError, ConfigError, BusyError, TrainingDivergedError.
    """
    prepared = PreparedData.open(data)
    run = Path(run)
    if threads is not None:
        torch.set_num_threads(threads)
    rows = prepared.indices("train")
    held_out = prepared.indices("validation")
    if len(rows) == 0:
        raise InputError(f"{data} has no rows of split 'train'. Prepare it again with a split.")
    if not prepared.mel.circular:
        raise ConfigError(f"the house vocoder is circular, '{prepared.mel.name}' is not. Prepare with --repr loop48 or loop16.")
    held_out = held_out if len(held_out) else rows
    held_out = held_out[np.linspace(0, len(held_out) - 1, min(VALIDATION_BARS, len(held_out))).astype(int)]
    with locked(run, "training"):
        trainee = build(prepared.mel, config, choose_device(device))
        checkpoint = run / "checkpoints" / "last.safetensors"
        if checkpoint.exists():
            load_checkpoint(checkpoint, trainee)
        elif start_from is not None:
            _begin_from(Path(start_from), trainee)
        facts = {"data": str(Path(data).resolve()), "start_from": str(start_from) if start_from else None}
        write_json(run / "config.json", {"config": config.model_dump(), "mel": prepared.mel.model_dump(), **facts})
        write_json(run / "env.json", environment())
        real = torch.from_numpy(prepared.audio(held_out)).to(trainee.device)
        model_file = run / "vocoder.safetensors"
        licences = sorted({str(r.get("licence") or "unknown") for r in prepared.records})
        for tick in train(trainee, prepared, rows, checkpoint=checkpoint, every=every, minutes=minutes):
            scores, fake = validate(trainee.average, real, trainee.analyse)
            append_metrics(
                run / "metrics.jsonl", {"step": tick.step, "seconds": round(tick.seconds, 1), **tick.losses, **scores}
            )
            training = {
                "steps": tick.step,
                "seconds": round(tick.seconds),
                "rows": len(rows),
                "data_licences": licences,
                "config": config.model_dump(),
            }
            modelfile.save(model_file, trainee.average, training)
            _samples(run / "samples", tick.step, real, fake, trainee.analyse)
            if report is not None:
                report(tick, scores)
    return model_file


def _begin_from(path: Path, trainee: Trainee) -> None:
    """Copy the weights of a vocoder file into a fresh trainee."""
    vocoder, _ = modelfile.read(path)
    if not isinstance(vocoder, HouseVocoder) or vocoder.mel != trainee.model.mel or vocoder.config != trainee.config.model:
        raise ConfigError(f"{path} is not a house vocoder of this size and representation. Leave out --start-from.")
    trainee.model.load_state_dict(vocoder.state_dict())
    trainee.average.load_state_dict(vocoder.state_dict())


def _samples(folder: Path, step: int, real: torch.Tensor, fake: torch.Tensor, analyse: LogMel, count: int = 4) -> None:
    """Pairs to look at and listen to: real above, resynthesised below."""
    mels = torch.cat([analyse(real[:count]), analyse(fake[:count])]).cpu().numpy()
    titles = [f"real {i}" for i in range(count)] + [f"vocoder {i}, step {step}" for i in range(count)]
    mel_sheet(folder / f"{step:07d}.png", mels, titles=titles[: len(mels)])
    rate_hz = analyse.mel.rate_hz
    for i in range(min(count, len(real))):
        write_wav(folder / f"real_{i}.wav", real[i].cpu().numpy(), rate_hz)
        write_wav(folder / f"{step:07d}_{i}.wav", fake[i].clamp(-1, 1).cpu().numpy(), rate_hz)
