"""`loopwright train vocoder`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from loopwright.tasks.train_vocoder import Tick


@click.command()
@click.argument("data", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--run", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of this run.")
@click.option("--kind", type=click.Choice(["ring", "melgan"]), default="ring", show_default=True, help="Which vocoder.")
@click.option(
    "--size", type=click.Choice(["small", "base"]), default="small", show_default=True, help="Size of the ring vocoder."
)
@click.option("--steps", type=click.IntRange(min=1), help="Steps to train for.")
@click.option("--batch", type=click.IntRange(min=1), help="Crops a step.")
@click.option("--frames", type=click.IntRange(min=16), help="Frames of a crop.")
@click.option("--lr", type=click.FloatRange(min=0, min_open=True), help="Largest learning rate.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the run.")
@click.option("--adversary-from", type=click.IntRange(min=0), help="Step at which discriminators join; never if left out.")
@click.option("--bf16", is_flag=True, help="Networks in bfloat16: quicker where the device multiplies it.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change any other setting; repeatable.")
@click.option("--start-from", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Vocoder file to begin from.")
@click.option("--every", type=click.IntRange(min=1), default=500, show_default=True, help="Steps between checkpoints.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="Stop after this long.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda or auto.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads to use.")
def vocoder(
    data: tuple[Path, ...],
    run: Path,
    kind: str,
    size: str,
    steps: int | None,
    batch: int | None,
    frames: int | None,
    lr: float | None,
    seed: int | None,
    adversary_from: int | None,
    bf16: bool,
    overrides: tuple[str, ...],
    start_from: Path | None,
    every: int,
    minutes: float | None,
    device: str,
    threads: int | None,
) -> None:
    """Train a vocoder on prepared DATA, one folder or several. Interrupted at any moment, the same command continues.

    Example: loopwright train vocoder prepared/drums48 -o runs/vocoder48 --steps 20000
    """
    from loopwright.cli.train_gan import parse_overrides
    from loopwright.tasks.train_vocoder import make_config, train_vocoder

    given: dict[str, Any] = {
        "steps": steps,
        "batch": batch,
        "frames": frames,
        "lr": lr,
        "seed": seed,
        "adversary_from": adversary_from,
        "bf16": bf16 or None,
    }
    values = parse_overrides(overrides) | {key: value for key, value in given.items() if value is not None}

    def report(tick: Tick, scores: Mapping[str, float]) -> None:
        shown = "  ".join(f"{key} {value:.4f}" for key, value in (tick.losses | dict(scores)).items())
        click.echo(f"step {tick.step}/{tick.steps}  {tick.seconds / 60:.1f} min  {shown}", err=True)

    click.echo(
        train_vocoder(
            data,
            run,
            make_config(kind, size, values),
            start_from=start_from,
            device=device,
            threads=threads,
            every=every,
            minutes=minutes,
            report=report,
        )
    )
