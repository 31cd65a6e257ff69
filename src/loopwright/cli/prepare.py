"""`loopwright prepare`: parse, call, show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from loopwright.tasks.prepare import PrepareReport, PrepareSettings


@contextmanager
def progress_bar(text: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with the time left on stderr; on a terminal only."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("files, left:"))
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder to write.")
@click.option(
    "--repr",
    "representation",
    type=click.Choice(["loop48", "loop16", "tone48", "paper16"]),
    default="loop48",
    show_default=True,
    help="Full band; small and quick; or the paper's.",
)
@click.option("--bars", type=click.Choice(["1", "2", "4"]), default="1", show_default=True, help="Bars per row.")
@click.option("--beats-per-bar", type=click.IntRange(2, 7), default=4, show_default=True, help="3 for waltzes.")
@click.option("--bpm", type=click.FloatRange(min=20, max=400), help="Tempo of every file, whatever else says.")
@click.option("--min-confidence", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Of the tempo.")
@click.option("--max-stretch", type=click.FloatRange(min=1), default=2.0, show_default=True, help="Of a bar to 2 s.")
@click.option("--licence", default="", help="Keep these only, e.g. cc0,cc-by. [default: all]")
@click.option("--keep-duplicates", is_flag=True, help="Keep bars that are nearly the same as earlier ones.")
@click.option("--no-audio", is_flag=True, help="Keep log-mels only: a fifth of the size, no vocoder training.")
@click.option("--no-tuning", is_flag=True, help="Leave loops of notes that are off A440 as they are.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the split into training and test.")
@click.option("--limit", type=click.IntRange(min=1), help="Take the first files only.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes. [default: one per core]")
@click.option("--dry-run", is_flag=True, help="Judge every file, write nothing: a table of kept and rejected.")
@click.option("--overwrite", is_flag=True, help="Replace another data set in the output folder.")
def prepare(
    folder: Path,
    out: Path | None,
    representation: str,
    bars: str,
    beats_per_bar: int,
    bpm: float | None,
    min_confidence: float,
    max_stretch: float,
    licence: str,
    keep_duplicates: bool,
    no_audio: bool,
    no_tuning: bool,
    seed: int,
    limit: int | None,
    workers: int | None,
    dry_run: bool,
    overwrite: bool,
) -> None:
    """Turn a FOLDER of loops into training data: bars of 2 s that go round without a seam.

    Tempi are taken from tables, names, tags, lengths and onsets; what is not sure is left out and listed.
    Interrupted, the same command continues. Example: loopwright prepare ~/loops -o prepared/mine
    """
    from loopwright.config import REPRESENTATIONS
    from loopwright.tasks import prepare as task
    from loopwright.tasks.prepare import PrepareSettings, check_families

    settings = PrepareSettings(
        mel=REPRESENTATIONS[representation],
        bars=int(bars),  # type: ignore[arg-type]
        beats_per_bar=beats_per_bar,
        bpm=bpm,
        min_confidence=min_confidence,
        max_stretch=max_stretch,
        licences=check_families(tuple(licence.split(","))),
        duplicate=1.0 if keep_duplicates else 0.96,
        keep_audio=not no_audio,
        tune=not no_tuning,
        seed=seed,
    )
    if dry_run:
        _dry_run(folder, settings, limit, workers)
        return
    if out is None:
        raise click.UsageError("Missing option '-o' / '--out': the folder to write.")
    with progress_bar("preparing") as progress:
        report = task.prepare(folder, out, settings, limit=limit, workers=workers, overwrite=overwrite, progress=progress)
    show_report(report, out, beats_per_bar)


def _dry_run(folder: Path, settings: PrepareSettings, limit: int | None, workers: int | None) -> None:
    from rich.console import Console

    from loopwright.tasks.prepare import PrepareReport, dry_run

    report = PrepareReport()
    console = Console(highlight=False, soft_wrap=True)
    with progress_bar("looking") as progress:
        for line in dry_run(folder, settings, limit=limit, workers=workers, progress=progress, report=report):
            console.print(file_line(line), markup=False)
    show_findings(report, settings.beats_per_bar)
    click.echo(f"{report.kept} of {report.files} files would give {report.rows} rows (before near-duplicates are left out).")


def counted(number: int, noun: str) -> str:
    """1 row, 2 rows."""
    return f"{number} {noun}{'s' if number != 1 else ''}"


def file_line(line: dict[str, Any]) -> str:
    """One file of the report as a line of text."""
    if line["reason"]:
        return f"rejected  {line['file']}: {line['reason']}"
    notes = f"  [{'; '.join(line['notes'])}]" if line["notes"] else ""
    what = f"{line['kind']} in {line['key']}" if line["key"] else line["kind"]
    return (
        f"kept      {line['file']}: {line['bpm']:.2f} BPM, {line['beats']} beats, {counted(line['rows'], 'row')}, "
        f"{what}, sure {line['confidence']:.2f} ({', '.join(line['evidence'])}){notes}"
    )


def show_report(report: PrepareReport, out: Path, beats_per_bar: int = 4) -> None:
    """What was done on stdout, and why files were left out on stderr."""
    if report.up_to_date:
        click.echo("Nothing has changed since it was prepared.", err=True)
    elif report.continued:
        click.echo(f"Continued after {report.continued} files of an interrupted run.", err=True)
    for reason, count in report.reasons.most_common():
        click.echo(f"  {count:6d} rejected: {reason}", err=True)
    for name, reason in report.examples[:5]:
        click.echo(f"         e.g. {name}: {reason}", err=True)
    if report.duplicates:
        click.echo(f"  {report.duplicates:6d} bars left out: nearly the same as earlier ones", err=True)
    show_findings(report, beats_per_bar)
    click.echo(f"{report.rows} rows from {report.kept} of {report.files} files in {out} (each file: {out}/report.jsonl)")


def show_findings(report: PrepareReport, beats_per_bar: int) -> None:
    """What else was found, on stderr, and last the one thing most worth doing."""
    from loopwright.tasks.prepare import findings, most_worth

    for line in [*findings(report, beats_per_bar), *report.said[:12]]:
        click.echo(f"  {line}", err=True)
    if len(report.said) > 12:
        click.echo(f"  and {len(report.said) - 12} more lines like these, in stats.json", err=True)
    if best := most_worth(report, beats_per_bar):
        click.echo(f"Most worth doing: {best}", err=True)
