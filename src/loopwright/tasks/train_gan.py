"""Train a generator: recipe and prepared data in, a run folder out."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from loopwright.data import PreparedData
from loopwright.errors import WeightsError
from loopwright.files import locked
from loopwright.training.device import choose_device
from loopwright.training.gan_loop import Report, train_gan
from loopwright.training.parallel import join_world, leave_world
from loopwright.training.recipe import load_recipe
from loopwright.training.runs import RunFolder, open_run


@contextlib.contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Inside the block the first Ctrl-C is noted, not raised: ask whether it came. The second is raised at once.

    Only the main thread gets signals; in another nothing changes.
    """
    came = False

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        nonlocal came
        came = True
        signal.signal(number, before)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: came
    finally:
        signal.signal(signal.SIGINT, before)


def train(
    data: Path,
    runs: Path,
    recipe: str,
    *,
    overrides: dict[str, Any] | None = None,
    device: str = "auto",
    threads: int | None = None,
    max_seconds: float | None = None,
    until_kimg: float | None = None,
    new: bool = False,
    report: Report | None = None,
) -> Path:
    """Train or continue a run; returns its folder. See `training.gan_loop.train_gan` for what it writes.

    Raises ConfigError for a bad recipe or a run begun with other settings, BusyError if another process trains this run,
    WeightsError if a network's weights are not here.
    """
    settings = load_recipe(recipe, overrides)
    prepared = PreparedData.open(data)
    if threads is not None:
        torch.set_num_threads(threads)
    facts = {
        "data": str(Path(data).resolve()),
        "mel": prepared.representation.name,
        "rows": len(prepared),
        "bars": prepared.bars,
    }
    world, place = join_world(choose_device(device))
    try:
        folder = open_run(Path(runs), settings, facts, new=new)[0] if world.leads else None
        folder = RunFolder(Path(world.tell(str(folder.path) if folder else "")))
        alone = locked(folder.path, "training", instead="begin another run with --new")
        with alone if world.leads else contextlib.nullcontext(), interrupts() as interrupted:
            train_gan(
                folder,
                settings,
                prepared,
                device=place,
                report=report if world.leads else None,
                max_seconds=max_seconds,
                until_kimg=until_kimg,
                stop=interrupted,
                world=world,
            )
        if interrupted():
            raise KeyboardInterrupt
    except WeightsError as error:
        raise WeightsError(f"{error} The recipe house-own needs no weights but those in the box.") from error
    finally:
        leave_world(world)
    return folder.path
