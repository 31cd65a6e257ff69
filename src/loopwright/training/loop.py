"""The training loop: real bars in, a run folder out. Killed at any moment, the same command continues it bit for bit (CPU)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from loopwright.audio.io import write_wav
from loopwright.audio.picture import mel_sheet
from loopwright.data import PreparedData
from loopwright.errors import InputError
from loopwright.features import build as build_features
from loopwright.files import load_tensors, save_tensors, write_json
from loopwright.models.discriminator import ProjectedDiscriminator
from loopwright.models.generator import Generator
from loopwright.training.augment import Augment
from loopwright.training.checkpoint import load_checkpoint, save_checkpoint
from loopwright.training.ema import Average
from loopwright.training.evaluate import TickJudge, generate_batch
from loopwright.training.gan import Gan, train_step
from loopwright.training.recipe import Recipe
from loopwright.training.runs import RunFolder
from loopwright.training.seeds import generator_for
from loopwright.vocoder import load as load_vocoder

Report = Callable[[Mapping[str, Any]], None]
MODEL_FORMAT = 1


def build_generator(recipe: Recipe, *, n_mels: int, frames: int) -> Generator:
    """The recipe's generator for log-mels of `n_mels` x `frames`."""
    config = recipe.generator
    return Generator(
        n_mels=n_mels,
        frames=frames,
        dims=config.dims,
        channels=config.channels,
        z_dim=config.z_dim,
        w_dim=config.w_dim,
        mapping_layers=config.mapping_layers,
        bound=None if config.unbounded else config.bound,
        gain=1.0 if config.unbounded else config.gain,
        circular=config.circular,
    )


def build_gan(recipe: Recipe, data: PreparedData, device: torch.device) -> Gan:
    """All parts of a run at step 0, from the recipe's seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.train.seed)
        generator = build_generator(recipe, n_mels=data.mel.n_mels, frames=data.bars * data.mel.model_frames)
        judge = recipe.discriminator
        networks = [build_features(name, data.mel, circular=judge.circular).to(device) for name in judge.networks]
        frames: list[list[int]] | None = None
        if judge.clock:
            blank = torch.zeros(1, data.mel.n_mels, data.bars * data.mel.model_frames, device=device)
            with torch.no_grad():
                frames = [[tap.shape[-1] for tap in net(blank)] for net in networks]
        discriminator = ProjectedDiscriminator(
            networks,
            heads=judge.heads,
            ccm=judge.ccm,
            csm=judge.csm,
            norm=judge.norm,
            circular=judge.circular,
            pool=judge.pool,
            seed=recipe.train.seed,
            frames=frames,
        )
    generator.to(device)
    discriminator.to(device).to(memory_format=torch.channels_last)  # the layout the features come in
    mean, std = (torch.from_numpy(x).to(device) for x in (data.stats.mean, data.stats.std))
    floor = (float(np.log10(data.mel.log_floor)) - mean) / std
    train, augment = recipe.train, recipe.augment
    betas = (train.beta1, train.beta2)
    return Gan(
        generator=generator,
        discriminator=discriminator,
        optimizer_g=torch.optim.Adam(generator.parameters(), lr=train.lr_g, betas=betas, eps=1e-8),
        optimizer_d=torch.optim.Adam(discriminator.parameters(), lr=train.lr_d, betas=betas, eps=1e-8),
        average=Average(generator, half_life_kimg=train.ema_kimg, rampup=train.ema_rampup),
        augment=Augment(
            std, floor, roll=augment.roll, gain_db=augment.gain_db, noise=augment.noise, noise_kimg=augment.noise_kimg
        ),
        mean=mean,
        std=std,
        style_mixing=train.style_mixing,
        bf16=train.bf16,
    )


@dataclass
class Batches:
    """Normalised log-mels of random training bars; the choice depends on (seed, step) alone."""

    data: PreparedData
    rows: np.ndarray
    batch: int
    seed: int
    mean: Tensor
    std: Tensor

    def __call__(self, step: int) -> Tensor:
        """(B, M, T) on the device of `mean`."""
        picks = torch.randint(len(self.rows), (self.batch,), generator=generator_for(self.seed, step, "real"))
        log_mel = torch.from_numpy(self.data.log_mel(self.rows[picks.numpy()]))
        log_mel = log_mel[..., : self.data.bars * self.data.mel.model_frames].to(self.mean.device)
        return (log_mel - self.mean[:, None]) / self.std[:, None]


def model_header(recipe: Recipe, data: PreparedData, summary: dict[str, Any]) -> dict[str, Any]:
    """What a model file says of itself: generator, mel settings, statistics, training summary."""
    return {
        "kind": "generator",
        "format": MODEL_FORMAT,
        "recipe": recipe.model_dump(mode="json"),
        "mel": data.mel.model_dump(),
        "bars": data.bars,
        "statistics": data.stats.to_json(),
        "training": summary,
    }


def train_gan(
    folder: RunFolder,
    recipe: Recipe,
    data: PreparedData,
    *,
    device: torch.device,
    report: Report | None = None,
    max_seconds: float | None = None,
) -> dict[str, Any]:
    """Train, or go on training, the run in `folder` until the recipe's kimg (or `max_seconds` of this call) are reached.

    Writes metrics.jsonl, samples/, checkpoints/last (all state) and checkpoints/best (a model file: the average with the
    lowest KAD by the last judge). Returns the last tick's row.

    Raises InputError if the data is too small, TrainingDivergedError on NaN (the last checkpoint stays).
    """
    train = recipe.train
    rows = data.indices("train")
    if len(rows) < train.batch:
        raise InputError(
            f"{data.path} has {len(rows)} training bars, fewer than one batch of {train.batch}. "
            "Add loops, or set train.batch lower in the recipe."
        )
    gan = build_gan(recipe, data, device)
    modules = {"generator": gan.generator, "discriminator": gan.discriminator, "average": gan.average.module}
    optimizers = {"optimizer_g": gan.optimizer_g, "optimizer_d": gan.optimizer_d}
    last = folder.checkpoint("last")
    step, seconds, best = 0, 0.0, float("inf")
    if last.exists():
        header = load_checkpoint(last, modules, optimizers)
        step, seconds = header["step"], header["seconds"]
        best = header["best"] if header["best"] is not None else best
        folder.truncate_metrics(step)
    judge = TickJudge(data, train.judges, n=train.eval_n, seed=train.seed, device=device)
    if step == 0:
        write_json(folder.path / "baseline.json", {"n": judge.n, "reference": judge.split, **judge.baseline})
    batches = Batches(data, rows, train.batch, train.seed, gan.mean, gan.std)
    total = max(1, round(train.kimg * 1000 / train.batch))
    tick = max(1, round(train.tick_kimg * 1000 / train.batch))
    every = max(1, round(train.eval_kimg / train.tick_kimg)) * tick
    row: dict[str, Any] = {}
    sums: dict[str, float] = {}
    began = tick_began = time.monotonic()
    board = _tensorboard(folder.path / "tb")
    gan.discriminator.train()

    def snapshot(step: int) -> dict[str, Any]:
        summary = {"step": step, "kimg": step * train.batch / 1000, "seconds": seconds, "best": best if best < 1e30 else None}
        save_checkpoint(last, modules, optimizers, {**model_header(recipe, data, summary), "kind": "checkpoint", **summary})
        return summary

    def measure(step: int) -> dict[str, Any]:
        nonlocal best
        fakes = generate_batch(gan.average.module, train.eval_n, seed=train.seed)
        fakes = fakes * gan.std.cpu()[:, None] + gan.mean.cpu()[:, None]
        scores = judge.measure(fakes)
        distances = torch.cdist(fakes[:50].flatten(1), fakes[:50].flatten(1))
        scores["pairwise"] = float(distances.sum() / (distances.numel() - len(distances)) / fakes[0].numel() ** 0.5)
        kimg = step * train.batch / 1000
        write_samples(folder.samples, f"{kimg:07.1f}", fakes[:16], data)
        chosen = scores[f"kad/{train.judges[-1]}"]
        if chosen < best:
            best = chosen
            summary = {"step": step, "kimg": kimg, "seconds": seconds, **scores}
            save_tensors(folder.checkpoint("best"), gan.average.module.state_dict(), model_header(recipe, data, summary))
        return scores

    if step == 0:
        row = {"step": 0, "kimg": 0.0, "seconds": 0.0, **measure(0)}
        folder.log(row)
        _report(report, board, row, total * train.batch / 1000)
        snapshot(0)
    while step < total:
        with _explain_memory(train.batch):
            values = train_step(gan, batches(step), seed=train.seed, step=step, seen=step * train.batch)
        step += 1
        for key, value in values.items():
            sums[key] = sums.get(key, 0.0) + value.item()
        out_of_time = max_seconds is not None and time.monotonic() - began > max_seconds
        if step % tick and step != total and not out_of_time:
            continue
        now = time.monotonic()
        seconds += now - tick_began
        count = (step - 1) % tick + 1
        row = {"step": step, "kimg": step * train.batch / 1000, "seconds": round(seconds, 3)}
        row |= {"images_per_s": round(count * train.batch / (now - tick_began), 2)}
        row |= {key: value / count for key, value in sums.items()}
        sums.clear()
        if step % every == 0 or step == total:
            row |= measure(step)
        folder.log(row)
        snapshot(step)
        _report(report, board, row, total * train.batch / 1000)
        tick_began = time.monotonic()
        if out_of_time:
            break
    if board is not None:
        board.close()
    return row


def write_samples(folder: Path, name: str, log_mels: Tensor, data: PreparedData, *, waves: int = 4) -> None:
    """A sheet of pictures of log-mels (n, M, T) and the first `waves` as WAV, through Griffin-Lim."""
    mel_sheet(folder / f"{name}.png", log_mels.numpy(), title=f"{name} thousand images")
    if not data.mel.circular:  # the published analysis has no circular vocoder of ours
        return
    audio = load_vocoder("griffinlim", data.mel)(log_mels[:waves])
    for i, wave in enumerate(audio):
        wave = wave / max(1.0, float(wave.abs().max()) / 0.99)
        write_wav(folder / f"{name}-{i}.wav", wave.numpy(), data.mel.rate_hz, subtype="PCM_16")


def load_model(path: Path) -> tuple[Generator, dict[str, Any]]:
    """A generator and its header from a model file (`best`, or bundled).

    Raises InputError if the file is not one, is from a newer version, or is damaged.
    """
    tensors, header = load_tensors(path)
    if header.get("kind") == "checkpoint":
        tensors = {k.removeprefix("average/"): v for k, v in tensors.items() if k.startswith("average/")}
    elif header.get("kind") != "generator":
        raise InputError(f"{path} is not a loopwright model. Pass a run folder, a model file, or the name of a bundled model.")
    if header["format"] > MODEL_FORMAT:
        raise InputError(f"{path} was written by a newer loopwright (format {header['format']}). Upgrade loopwright.")
    recipe = Recipe(**header["recipe"])
    generator = build_generator(recipe, n_mels=header["mel"]["n_mels"], frames=header["bars"] * header["mel"]["model_frames"])
    try:
        generator.load_state_dict({k: v.float() for k, v in tensors.items()})
    except RuntimeError as error:
        raise InputError(f"{path} does not hold the generator its header describes ({error}).") from error
    return generator.eval().requires_grad_(False), header


@contextlib.contextmanager
def _explain_memory(batch: int) -> Any:
    try:
        yield
    except (torch.cuda.OutOfMemoryError, MemoryError) as error:
        raise InputError(f"out of memory with train.batch {batch}. Lower train.batch, or the generator's channels.") from error


def _tensorboard(path: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # the extra `log` is not installed
        return None
    return SummaryWriter(str(path))


def _report(report: Report | None, board: Any, row: dict[str, Any], total_kimg: float) -> None:
    if board is not None:
        for key, value in row.items():
            board.add_scalar(key, value, global_step=int(row["kimg"] * 1000))
    if report is not None:
        report({**row, "total_kimg": total_kimg})
