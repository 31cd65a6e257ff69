"""The training loop: real bars in, a run folder out. Killed at any moment, the same command continues it bit for bit (CPU)."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from loopwright.audio.io import write_wav
from loopwright.audio.picture import mel_sheet
from loopwright.data import PreparedData
from loopwright.errors import ConfigError, InputError
from loopwright.features import build as build_features
from loopwright.files import save_tensors, write_json
from loopwright.models.config import GeneratorSizes
from loopwright.models.discriminator import ProjectedDiscriminator
from loopwright.models.generator import Generator
from loopwright.models.layers import channels_last
from loopwright.models.modelfile import make_header
from loopwright.models.stylegan_discriminator import StyleGan2Discriminator
from loopwright.training import detect
from loopwright.training.augment import Augment
from loopwright.training.checkpoint import load_checkpoint, save_checkpoint
from loopwright.training.ema import Average
from loopwright.training.gan_step import Gan, PathLength, train_step
from loopwright.training.parallel import ALONE, World
from loopwright.training.recipe import Recipe
from loopwright.training.runs import RunFolder
from loopwright.training.seeds import generator_for
from loopwright.training.tick import TickJudge, generate_batch, to_log_mels
from loopwright.vocoder import load as load_vocoder
from loopwright.vocoder.check import HIGHEST_LOG_MEL

Report = Callable[[Mapping[str, Any]], None]


@contextlib.contextmanager
def _rare_collections() -> Iterator[None]:
    """Inside, the search for dead reference cycles is rare and skips what was there before: it took 6 to 9 % of a step."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


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
    judge = recipe.discriminator
    n_mels, length = data.mel.n_mels, data.bars * data.mel.model_frames

    if judge.kind == "stylegan2":
        shrink = 2 ** (len(judge.channels) - 1)
        if n_mels % shrink or length % shrink:
            raise ConfigError(
                f"recipe '{recipe.name}': a discriminator of {len(judge.channels)} scales needs multiples of {shrink} cells, "
                f"the data has {n_mels} bands and {length} frames. Give fewer discriminator.channels."
            )
        whole = StyleGan2Discriminator(
            n_mels=n_mels,
            frames=length,
            channels=judge.channels,
            circular=judge.circular,
            clock=judge.clock,
            labels=classes,
        )
        return channels_last(whole.to(device))
    networks = [
        build_features(
            name,
            data.mel,
            circular=judge.circular,
            bridge=judge.bridge,
            batch_stats=judge.batch_stats,
            halves=judge.halves,
        ).to(device)
        for name in judge.network_names
    ]
    frames: list[list[int]] | None = None
    if judge.clock:
        blank = torch.zeros(1, n_mels, length, device=device)
        with torch.no_grad():
            frames = [[tap.shape[-1] for tap in net(blank)] for net in networks]
    projected = ProjectedDiscriminator(
        networks,
        heads=judge.heads,
        ccm=judge.ccm,
        csm=judge.csm,
        norm=judge.norm,
        circular=judge.circular,
        pool=judge.pool,
        seed=recipe.train.seed,
        labels=classes,
        frames=frames,
        summed=judge.fusion == "summed",
    )
    return channels_last(projected.to(device))  # the layout the features come in


def build_gan(recipe: Recipe, data: PreparedData, device: torch.device) -> Gan:
    """All parts of a run at step 0, from the recipe's seed alone."""
    judge = recipe.discriminator
    classes = len(styles_of(recipe, data))
    mean, std = (torch.from_numpy(x).to(device) for x in (data.stats.mean, data.stats.std))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.train.seed)
        frames = data.bars * data.mel.model_frames
        sizes = GeneratorSizes(config=recipe.generator, n_mels=data.mel.n_mels, frames=frames, classes=classes)
        generator = Generator.of(sizes)
        discriminator = build_discriminator(recipe, data, device, classes=classes)
    generator.to(device)
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
        z_scored=not isinstance(discriminator, ProjectedDiscriminator) or not judge.bridge,
        r1_gamma=judge.r1_gamma,
        r1_every=judge.r1_every,
        path=PathLength().to(device) if train.path_weight else None,
        path_weight=train.path_weight,
        path_every=train.path_every,
    )


def anneal(gan: Gan, recipe: Recipe, *, left_kimg: float) -> None:
    """Set both learning rates for a step with so much of the run left: the recipe's, falling to zero at the end."""
    train = recipe.train
    share = min(1.0, left_kimg / train.anneal_kimg) if train.anneal_kimg else 1.0
    for optimizer, rate in ((gan.optimizer_g, train.lr_g), (gan.optimizer_d, train.lr_d)):
        for group in optimizer.param_groups:
            group["lr"] = rate * share


@dataclass
class Batches:
    """Normalised log-mels of random training bars; the choice depends on (seed, step) alone."""

    data: PreparedData
    rows: np.ndarray
    batch: int
    seed: int
    mean: Tensor
    std: Tensor
    classes: np.ndarray | None = None  # class of each of `rows`
    world: World = ALONE

    def _picks(self, step: int) -> Tensor:
        return torch.randint(len(self.rows), (self.batch,), generator=generator_for(self.seed, step, "real"))

    def __call__(self, step: int) -> Tensor:
        """(B, M, T) on the device of `mean`: this process's part of the joint batch."""
        picks = self.world.mine(self._picks(step))
        log_mel = torch.from_numpy(self.data.log_mel(self.rows[picks.numpy()]))
        log_mel = log_mel[..., : self.data.bars * self.data.mel.model_frames].to(self.mean.device)
        return (log_mel - self.mean[:, None]) / self.std[:, None]

    def labels(self, step: int) -> Tensor | None:
        """(B,) classes of the joint batch, or None."""
        if self.classes is None:
            return None
        return torch.from_numpy(self.classes[self._picks(step).numpy()]).to(self.mean.device)


def model_header(recipe: Recipe, data: PreparedData, summary: dict[str, Any], styles: tuple[str, ...] = ()) -> dict[str, Any]:
    """What the model file of a run says of itself."""
    return make_header(recipe.model_dump(mode="json"), data.mel, data.bars, data.stats.to_json(), summary, styles)


@_rare_collections()
def train_gan(
    folder: RunFolder,
    recipe: Recipe,
    data: PreparedData,
    *,
    device: torch.device,
    report: Report | None = None,
    max_seconds: float | None = None,
    until_kimg: float | None = None,
    stop: Callable[[], bool] = lambda: False,
    world: World = ALONE,
) -> dict[str, Any]:
    """Train, or go on training, the run in `folder` until the recipe's kimg (or `max_seconds` of this call) are reached.

    `until_kimg`: stop there, on the way to the recipe's kimg, as if killed; the same call without it goes on.

    `stop` is asked after each step; if it says so, the step is saved and training ends as when time is up.

    Writes metrics.jsonl, samples/, checkpoints/last (all state) and checkpoints/best (a model file: the average with the
    lowest KAD by the last judge). Returns the last tick's row. Of several processes only the leader measures and writes.

    Raises InputError if the data is too small or memory runs out, TrainingDivergedError on NaN (the last checkpoint stays).
    """
    train = recipe.train
    rows = data.indices("train")
    if len(rows) < train.batch:
        raise InputError(
            f"{data.path} has {len(rows)} training bars, fewer than one batch of {train.batch}. "
            "Add loops, or set train.batch lower in the recipe."
        )
    if train.batch % world.size:
        raise ConfigError(f"train.batch {train.batch} cannot be shared by {world.size} processes. Make it a multiple.")
    styles = styles_of(recipe, data)
    gan = build_gan(recipe, data, device)
    modules: dict[str, torch.nn.Module] = {
        "generator": gan.generator,
        "discriminator": gan.discriminator,
        "average": gan.average.module,
    }
    if gan.path is not None:
        modules["path"] = gan.path
    optimizers = {"optimizer_g": gan.optimizer_g, "optimizer_d": gan.optimizer_d}
    last = folder.checkpoint("last")
    step, seconds, best = 0, 0.0, float("inf")
    if last.exists():
        header = load_checkpoint(last, modules, optimizers)
        step, seconds = header["step"], header["seconds"]
        best = header["best"] if header["best"] is not None else best
        if world.leads:
            folder.truncate_metrics(step)
    classes = np.asarray([styles.index(str(x)) for x in data.column(train.condition, rows)]) if styles else None
    judge = TickJudge(data, train.judges, n=train.eval_n, seed=train.seed, device=device) if world.leads else None
    if step == 0 and judge is not None:
        write_json(folder.path / "baseline.json", {"n": judge.n, "reference": judge.split, **judge.baseline})
    batches = Batches(data, rows, train.batch, train.seed, gan.mean, gan.std, classes, world)
    total = max(1, round(train.kimg * 1000 / train.batch))
    end = total if until_kimg is None else min(total, max(1, round(until_kimg * 1000 / train.batch)))
    tick = max(1, round(train.tick_kimg * 1000 / train.batch))
    every = max(1, round(train.eval_kimg / train.tick_kimg)) * tick
    row: dict[str, Any] = {}
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    began = tick_began = time.monotonic()
    board = _tensorboard(folder.path / "tb") if world.leads else None
    gan.discriminator.train()

    def snapshot(step: int) -> dict[str, Any]:
        summary = {"step": step, "kimg": step * train.batch / 1000, "seconds": seconds, "best": best if best < 1e30 else None}
        header = {**model_header(recipe, data, summary, styles), "kind": "checkpoint", **summary}
        save_checkpoint(last, modules, optimizers, header)
        return summary

    def measure(step: int) -> dict[str, Any]:
        nonlocal best
        assert judge is not None
        labels: Tensor | None = None
        if classes is not None:  # styles as often as in training
            rng = np.random.default_rng(train.seed)
            labels = torch.from_numpy(rng.choice(classes, train.eval_n))
        fakes = generate_batch(gan.average.module, train.eval_n, seed=train.seed, labels=labels)
        fakes = to_log_mels(fakes, gan.mean.cpu(), gan.std.cpu(), data.mel)
        scores = judge.measure(fakes)
        distances = torch.cdist(fakes[:50].flatten(1), fakes[:50].flatten(1))
        scores["pairwise"] = float(distances.sum() / (distances.numel() - len(distances)) / fakes[0].numel() ** 0.5)
        kimg = step * train.batch / 1000
        write_samples(folder.samples, f"{kimg:07.1f}", fakes[:16], data)
        chosen = scores[f"kad/{train.judges[-1]}"]
        if chosen < best:
            best = chosen
            summary = {"step": step, "kimg": kimg, "seconds": seconds, **scores}
            header = model_header(recipe, data, summary, styles)
            save_tensors(folder.checkpoint("best"), gan.average.module.state_dict(), header)
        return scores

    if step == 0 and world.leads:
        row = {"step": 0, "kimg": 0.0, "seconds": 0.0, **measure(0)}
        folder.log(row)
        _report(report, board, row, total * train.batch / 1000)
        snapshot(0)
    world.wait()
    while step < end:
        anneal(gan, recipe, left_kimg=(total - step) * train.batch / 1000)
        with _explain_memory(recipe):
            values = train_step(
                gan,
                batches(step),
                seed=train.seed,
                step=step,
                seen=step * train.batch,
                labels=batches.labels(step),
                world=world,
            )
        step += 1
        for key, value in values.items():
            sums[key] = sums.get(key, 0.0) + value.item()
            counts[key] = counts.get(key, 0) + 1  # lazy regularisations are not in every step
        out_of_time = max_seconds is not None and time.monotonic() - began > max_seconds
        out_of_time = out_of_time or stop()
        if world.size > 1:  # all stop, or none
            out_of_time = bool(world.mean(torch.tensor(float(out_of_time))) > 0)
        if step % tick and step != end and not out_of_time:
            continue
        now = time.monotonic()
        seconds += now - tick_began
        count = (step - 1) % tick + 1
        row = {"step": step, "kimg": step * train.batch / 1000, "seconds": round(seconds, 3)}
        row |= {"images_per_s": round(count * train.batch / (now - tick_began), 2)}
        means = world.mean(torch.tensor([value / counts[key] for key, value in sums.items()], dtype=torch.float64))
        row |= dict(zip(sums, means.tolist(), strict=True))
        sums.clear()
        counts.clear()
        if world.leads:
            if step % every == 0 or step == total:
                row |= measure(step)
            row |= {"collapse": int(detect.collapse(row)), "dominance": int(detect.dominance(row))}
            folder.log(row)
            snapshot(step)
            _report(report, board, row, total * train.batch / 1000)
        world.wait()
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
    audible = log_mels[:waves].clamp(np.log10(data.mel.log_floor), HIGHEST_LOG_MEL)  # a young generator may draw anything
    audio = load_vocoder("griffinlim", data.mel)(audible)
    for i, wave in enumerate(audio):
        wave = wave / max(1.0, float(wave.abs().max()) / 0.99)
        write_wav(folder / f"{name}-{i}.wav", wave.numpy(), data.mel.rate_hz, subtype="PCM_16")


@contextlib.contextmanager
def _explain_memory(recipe: Recipe) -> Iterator[None]:
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        full = isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError))
        if not full and "can't allocate memory" not in str(error):  # what the CPU's allocator says
            raise
        raise InputError(
            f"out of memory with train.batch {recipe.train.batch} and generator.channels {list(recipe.generator.channels)}. "
            "Lower train.batch first, then the channels. The last checkpoint is kept."
        ) from error


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
