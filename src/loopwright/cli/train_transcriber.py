"""`loopwright train transcriber`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from loopwright.tasks.train_transcriber import Tick


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--run", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of this run.")
@click.option("--steps", type=click.IntRange(min=1), help="Steps to train for.")
@click.option("--batch", type=click.IntRange(min=1), help="Bars a step.")
@click.option("--lr", type=click.FloatRange(min=0, min_open=True), help="Highest learning rate.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the run.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change any other setting; repeatable.")
@click.option("--every", type=click.IntRange(min=1), default=100, show_default=True, help="Steps between checkpoints.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="Stop after this long.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads to use.")
def transcriber(
    data: Path,
    run: Path,
    steps: int | None,
    batch: int | None,
    lr: float | None,
    seed: int | None,
    overrides: tuple[str, ...],
    every: int,
    minutes: float | None,
    threads: int | None,
) -> None:
    """Train a network that hears notes, on DATA prepared as tone48 whose notes are known. Interrupted, the command continues.

    Example: loopwright train transcriber prepared/synth-tone -o runs/notes
    """
    from loopwright.cli.train_gan import parse_overrides
    from loopwright.tasks.train_transcriber import make_config, train_transcriber

    given = {"steps": steps, "batch": batch, "lr": lr, "seed": seed}
    values = parse_overrides(overrides) | {key: value for key, value in given.items() if value is not None}

    def report(tick: Tick, f1: float) -> None:
        click.echo(f"step {tick.step}/{tick.steps}  loss {tick.losses['loss']:.3f}  held-out note F1 {f1:.3f}", err=True)

    config = make_config(values)
    click.echo(train_transcriber(data, run, config, every=every, minutes=minutes, threads=threads, report=report))
