"""`loopwright corpus`: render or unpack training material."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

_FOLDER = click.Path(file_okay=False, path_type=Path)


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on stderr, one line for each phase."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done)

        yield show


def _done(out: Path, n: int, rendered: int) -> None:
    kept = f" ({n - rendered} were there already)" if rendered < n else ""
    click.echo(f"{rendered} loops rendered{kept}.", err=True)
    click.echo(out / "loops.csv")


_out = click.option("-o", "--out", type=_FOLDER, required=True, help="Folder for the WAVs and loops.csv.")
_seed = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Same seed, same bytes.")
_workers = click.option(
    "--workers", type=click.IntRange(min=1), default=os.cpu_count() or 1, show_default="all cores", help="Processes."
)

_bars = click.option("--bars", type=click.Choice(["1", "2", "4"]), default="1", show_default=True, help="Length of every loop.")


def _count(default: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(
        "-n", "--count", type=click.IntRange(min=1), default=default, show_default=True, help="Loops to render."
    )


@click.group()
def corpus() -> None:
    """Make folders of loops to train on. Killed half-way, the same command continues."""


@corpus.command()
@click.option("--groove", type=_FOLDER, required=True, help="The Groove MIDI Dataset (folder with info.csv).")
@click.option("--oneshots", type=_FOLDER, required=True, help="Drum one-shots by kit (folder with index.csv).")
@_out
@_count(15_000)
@_bars
@_seed
@_workers
def drums(groove: Path, oneshots: Path, out: Path, count: int, bars: str, seed: int, workers: int) -> None:
    """Human and written drum loops, played by one-shot kits.

    Example: loopwright corpus drums --groove data/groove --oneshots data/oneshots -o corpus/drums
    """
    from loopwright.tasks.corpus import make_drums

    skipped: list[str] = []
    with _progress() as progress:
        rendered = make_drums(
            groove,
            oneshots,
            out,
            n=count,
            seed=seed,
            bars=int(bars),
            workers=workers,
            progress=progress,
            on_skip=skipped.append,
        )
    for line in skipped:
        click.echo(f"Skipped {line}", err=True)
    _done(out, count, rendered)


@corpus.command()
@click.option("--waveforms", type=_FOLDER, required=True, help="Single-cycle waveforms (akwf_600.npy and .csv).")
@click.option("--tonal", type=_FOLDER, required=True, help="Sampled notes by instrument (index.csv).")
@click.option("--chords", type=_FOLDER, required=True, help="Chord progressions (progressions.csv).")
@_out
@_count(10_000)
@_bars
@_seed
@_workers
def synth(waveforms: Path, tonal: Path, chords: Path, out: Path, count: int, bars: str, seed: int, workers: int) -> None:
    """Bass lines, arpeggios, chords, pads and leads.

    Example: loopwright corpus synth --waveforms data/waveforms --tonal data/tonal --chords data/chords -o corpus/synth
    """
    from loopwright.tasks.corpus import make_synth

    with _progress() as progress:
        rendered = make_synth(
            waveforms, tonal, chords, out, n=count, seed=seed, bars=int(bars), workers=workers, progress=progress
        )
    _done(out, count, rendered)


@corpus.command()
@_out
@_count(360)
@_seed
def demo(out: Path, count: int, seed: int) -> None:
    """Simple drum-machine and synth loops made by DSP alone: no data needed, to try things out.

    Example: loopwright corpus demo -o corpus/demo -n 360
    """
    from loopwright.tasks.corpus import make_demo

    with _progress() as progress:
        folder = make_demo(out, n=count, seed=seed, progress=progress)
    click.echo(folder / "loops.csv")


@corpus.command()
@click.argument("sources", type=click.Path(exists=True, path_type=Path), nargs=-1, required=True)
@_out
@click.option("--licence", default="cc0,cc-by", show_default=True, help="Take these only; empty takes all.")
@click.option("--limit", type=click.IntRange(min=1), help="Take the first sounds only.")
@click.option("--prepared", type=_FOLDER, help="Prepare the loops into this folder, too.")
@click.option(
    "--repr",
    "representation",
    type=click.Choice(["loop48", "loop16", "tone48", "paper16"]),
    default="loop48",
    show_default=True,
    help="With --prepared, see `loopwright prepare`.",
)
@_workers
def freesound(
    sources: tuple[Path, ...],
    out: Path,
    licence: str,
    limit: int | None,
    prepared: Path | None,
    representation: str,
    workers: int,
) -> None:
    """Real loops: the Freesound Loop Dataset from its released archives, licences chosen and credits kept.

    SOURCES are FSL10K.zip and annotations.zip (https://zenodo.org/records/3967852), or folders they were unpacked to.

    Example: loopwright corpus freesound FSL10K.zip annotations.zip -o corpus/freesound --licence cc0,cc-by
    """
    from loopwright.tasks.freesound import unpack_freesound
    from loopwright.tasks.prepare import check_families

    families = check_families(tuple(licence.split(",")))
    with _progress() as progress:
        found = unpack_freesound(sources, out, licences=families, limit=limit, progress=progress)
    for line in found.said[:12]:
        click.echo(f"  {line}", err=True)
    for reason, count in found.reasons.most_common():
        click.echo(f"  {count:6d} not taken: {reason}", err=True)
    for name, count in found.licences.most_common():
        click.echo(f"  {count:6d} under {name}", err=True)
    click.echo(f"{found.files} loops ({found.files - found.made} were there already); credits: {out / 'CREDITS.md'}", err=True)
    click.echo(out / "loops.csv")
    if prepared is None:
        click.echo(f"Next: loopwright prepare {out} -o prepared/{out.resolve().name}", err=True)
        return
    from loopwright.cli.prepare import progress_bar, show_report
    from loopwright.config import REPRESENTATIONS
    from loopwright.tasks.prepare import PrepareSettings
    from loopwright.tasks.prepare import prepare as task

    settings = PrepareSettings(mel=REPRESENTATIONS[representation], licences=families)
    with progress_bar("preparing") as bar:
        report = task(out, prepared, settings, workers=workers, progress=bar)
    show_report(report, prepared)
