"""The training loop: real bars in, a run folder out. Killed at any moment, the same command continues it bit for bit (CPU)."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from loopwright.data import PreparedData
from loopwright.errors import ConfigError, InputError
from loopwright.training.batches import Batches
from loopwright.training.checkpoint import Trainee, load_checkpoint
from loopwright.training.descend import set_rate
from loopwright.training.gan_build import build_gan, styles_of
from loopwright.training.gan_step import Gan, train_step
from loopwright.training.gan_watch import Report as Report  # given on: the task takes one
from loopwright.training.gan_watch import Watch
from loopwright.training.given import Given
from loopwright.training.pace import Pace
from loopwright.training.parallel import ALONE, World
from loopwright.training.recipe import Recipe, TrainConfig
from loopwright.training.runs import RunFolder


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
    classes = np.asarray([styles.index(str(x)) for x in data.column(train.condition, rows)]) if styles else None
    gan = build_gan(recipe, data, device)
    trainee = trainee_of(gan)
    given = Given(data, rows, recipe.generator, seed=train.seed) if recipe.generator.given else None
    batches = Batches(data, rows, train.batch, train.seed, gan.mean, gan.std, classes, world)
    total = steps_for(train.kimg, train)
    end = total if until_kimg is None else min(total, steps_for(until_kimg, train))
    tick = steps_for(train.tick_kimg, train)
    every = max(1, round(train.eval_kimg / train.tick_kimg)) * tick
    last = folder.checkpoint("last")
    header = load_checkpoint(last, trainee, kind="checkpoint") if last.exists() else None
    pace = Pace(trainee, end=end, every=tick, limit_s=max_seconds, stop=stop, world=world)
    watch: Watch | None = None
    row: dict[str, Any] = {}
    if world.leads:
        folder.truncate_metrics(trainee.step if header else -1)
        watch = Watch(
            folder, recipe, data, gan, trainee, total=total, styles=styles, classes=classes, given=given, report=report
        )
        if header is None:
            watch.write_baseline()
            row = {"step": 0, "kimg": 0.0, "seconds": 0.0, **watch.measure()}
            watch.log(row)
        elif header["best"] is not None:
            watch.best = header["best"]
    gan.discriminator.train()
    world.wait()
    pace.resume()
    while not pace.done:
        step = trainee.step
        anneal(gan, train, left_kimg=(total - step) * train.batch / 1000)
        with _explain_memory(recipe):
            values = train_step(
                gan,
                batches(step),
                seed=train.seed,
                step=step,
                seen=step * train.batch,
                labels=batches.labels(step),
                given=None if given is None else given(train.batch, step=step).to(device),
                world=world,
            )
        trainee.step += 1
        if not pace.count(values):
            continue
        now = pace.tick()
        row = {"step": now.step, "kimg": now.step * train.batch / 1000, "seconds": round(now.seconds, 3)}
        row |= {"images_per_s": round(now.steps_per_s * train.batch, 2), **now.losses}
        if watch is not None:
            if now.step % every == 0 or now.step == total:
                row |= watch.measure()
            watch.log(row)
        world.wait()
        pace.resume()
    if watch is not None:
        watch.close()
    return row


def steps_for(kimg: float, train: TrainConfig) -> int:
    """Steps that show so many thousand images, at least one."""
    return max(1, round(kimg * 1000 / train.batch))


def trainee_of(gan: Gan) -> Trainee:
    """What of a GAN is learned and kept, named as in the checkpoint."""
    modules: dict[str, torch.nn.Module] = {
        "generator": gan.generator,
        "discriminator": gan.discriminator,
        "average": gan.average.module,
    }
    if gan.path is not None:
        modules["path"] = gan.path
    return Trainee(modules, {"optimizer_g": gan.optimizer_g, "optimizer_d": gan.optimizer_d})


def anneal(gan: Gan, train: TrainConfig, *, left_kimg: float) -> None:
    """Set both learning rates for a step with so much of the run left: the recipe's, falling to zero at the end."""
    share = min(1.0, left_kimg / train.anneal_kimg) if train.anneal_kimg else 1.0
    set_rate([gan.optimizer_g], train.lr_g * share)
    set_rate([gan.optimizer_d], train.lr_d * share)


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
