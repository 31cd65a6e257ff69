"""`loopwright train gan`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click


def parse_overrides(pairs: tuple[str, ...]) -> dict[str, Any]:
    """`("train.batch=8",)` -> `{"train": {"batch": 8}}`; values are read as TOML, else as text."""
    import tomllib

    from loopwright.errors import ConfigError

    out: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set takes KEY=VALUE, got '{pair}'. Example: --set train.batch=8")
        try:
            value = tomllib.loads(f"x = {text}")["x"]
        except tomllib.TOMLDecodeError:
            value = text
        at = out
        *parents, last = key.split(".")
        for parent in parents:
            at = at.setdefault(parent, {})
        at[last] = value
    return out


UNMEASURED = (
    "Nothing is measured: fewer than 10 bars are held out (validation), and training bars prove nothing. "
    "Listen to the samples, or prepare 50 bars or more."
)


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "-o",
    "--runs",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder of runs, or one run to continue.",
)
@click.option("--recipe", default="house", show_default=True, help="Name of a recipe, or path to a .toml.")
@click.option(
    "--kimg", type=click.FloatRange(min=0, min_open=True), help="Thousand images to train for, instead of the recipe's."
)
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the run, instead of the recipe's.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting of the recipe; repeatable.")
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), help="Stop after this long; the same command continues."
)
@click.option("--device", default="auto", show_default=True, help="cpu, cuda or auto.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads to use.")
@click.option("--new", is_flag=True, help="Begin another run even if one can be continued.")
def gan(
    data: Path,
    runs: Path,
    recipe: str,
    kimg: float | None,
    seed: int | None,
    overrides: tuple[str, ...],
    minutes: float | None,
    device: str,
    threads: int | None,
    new: bool,
) -> None:
    """Train a generator on prepared DATA. Interrupted at any moment, the same command continues.

    Example: loopwright train gan prepared/drums --recipe house --kimg 30
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from loopwright.tasks.train_gan import train

    values = parse_overrides(overrides)
    if kimg is not None:
        values.setdefault("train", {})["kimg"] = kimg
    if seed is not None:
        values.setdefault("train", {})["seed"] = seed
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("starting", total=None)

        def report(row: Mapping[str, Any]) -> None:
            speed = f"{row['images_per_s']:.1f} images/s" if "images_per_s" in row else ""
            progress.update(task, total=row["total_kimg"], completed=row["kimg"], description=f"{row['kimg']:.1f} kimg {speed}")
            if row["kimg"] == 0 and not row["measured"]:
                progress.console.print(UNMEASURED)
            scores = [f"{key} {value:.3g}" for key, value in row.items() if key.startswith(("fad/", "kad/", "coverage/"))]
            losses = [f"{key} {row[key]:.3f}" for key in ("loss/d", "loss/g", "saturation") if key in row]
            progress.console.print(f"{row['kimg']:7.1f} kimg  " + "  ".join([speed, *losses, *scores]))

        folder = train(
            data,
            runs,
            recipe,
            overrides=values,
            device=device,
            threads=threads,
            max_seconds=None if minutes is None else minutes * 60,
            new=new,
            report=report,
        )
    click.echo(folder)
