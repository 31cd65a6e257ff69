"""`loopwright evaluate`."""

from __future__ import annotations

import time
from pathlib import Path

import click

_PATH = click.Path(path_type=Path)
_SAY_EVERY_S = 20.0


@click.command()
@click.argument("real", type=_PATH)
@click.argument("fake", type=_PATH)
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the results.")
@click.option(
    "--judge", "judges", default="yamnet,musicnn", show_default=True, help="Networks that judge, with commas; panel; or none."
)
@click.option("--metrics", "names", default="all", show_default=True, help="fad,fad_inf,kad,density,... or all.")
@click.option(
    "-n", "--count", type=click.IntRange(min=1), help="Loops in each row. [default: as many as there are, of models 1000]"
)
@click.option("-k", type=click.IntRange(min=1), default=5, show_default=True, help="Neighbours of density and coverage.")
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same table.")
@click.option("--repeats", type=click.IntRange(min=2), default=100, show_default=True, help="Half-samples per interval.")
@click.option("--held-out", type=_PATH, help="More real loops, so that REAL need not be split.")
@click.option("--training", type=_PATH, help="What FAKE was trained on. A run knows its own.")
@click.option("--split", help="Split of REAL to measure against; locked ones only so. [default: test]")
@click.option("--vocoder", default="auto", show_default=True, help="For runs: a vocoder's name or file.")
@click.option("--trunc", type=click.FloatRange(0, 1.5), default=1.0, show_default=True, help="For runs: truncation.")
@click.option("--weights", type=click.Path(exists=True, path_type=Path), help="Folder with the judges' weights.")
@click.option("--cache", type=click.Path(dir_okay=False, path_type=Path), help="File of embeddings. [default: user cache]")
@click.option("--no-cache", is_flag=True, help="Compute all embeddings, keep none.")
@click.option("--pictures/--no-pictures", default=True, show_default=True, help="Draw the PNGs.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads. [default: all cores]")
def evaluate(
    real: Path,
    fake: Path,
    out: Path | None,
    judges: str,
    names: str,
    count: int | None,
    k: int,
    seed: int,
    repeats: int,
    held_out: Path | None,
    training: Path | None,
    split: str | None,
    vocoder: str,
    trunc: float,
    weights: Path | None,
    cache: Path | None,
    no_cache: bool,
    pictures: bool,
    threads: int | None,
) -> None:
    """Measure FAKE against REAL: folders of audio, prepared data, packs or runs. Error bars included.

    Rows: one half of the test loops against the other (what a perfect model scores), training bars (what copying scores), for a
    run test bars through its vocoder, and generated loops. Music is measured with any judge or none. Interrupted, the same
    command goes on.

    Example: loopwright evaluate prepared/drums runs/00003-house
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from loopwright.measuring.cache import default_path
    from loopwright.measuring.evaluate import evaluate as run
    from loopwright.measuring.settings import METRICS, Settings, judge_names
    from loopwright.measuring.sides import is_run

    settings = Settings(
        judges=judge_names(judges),
        metrics=METRICS if names == "all" else tuple(name.strip() for name in names.split(",") if name.strip()),
        n=count,
        k=k,
        seed=seed,
        repeats=repeats,
        split=split,
        vocoder=vocoder,
        truncation=trunc,
        pictures=pictures,
    )
    if out is None:
        out = fake / "evaluation" if is_run(fake) else Path("evaluation") / f"{real.name}-{fake.name}"
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        tasks: dict[str, object] = {}
        said = 0.0

        def show(what: str, done: int, total: int) -> None:
            nonlocal said
            if not console.is_terminal:  # a log file: a line now and then, and one at the end of each part
                if done == total or time.monotonic() - said > _SAY_EVERY_S:
                    said = time.monotonic()
                    click.echo(f"{what}: {done} of {total}", err=True)
                return
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done)  # type: ignore[arg-type]

        run(
            real,
            fake,
            out,
            settings,
            held_out=held_out,
            training=training,
            cache=None if no_cache else cache or default_path(),
            weights=weights,
            threads=threads,
            progress=show,
        )
    click.echo((out / "evaluation.md").read_text(encoding="utf-8"))
    click.echo(f"Written to {out}: {', '.join(sorted(path.name for path in out.iterdir() if path.is_file()))}", err=True)
