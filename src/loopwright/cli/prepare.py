"""`loopwright prepare`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write.")
@click.option(
    "--repr",
    "representation",
    type=click.Choice(["loop48", "loop16", "paper16"]),
    default="loop48",
    show_default=True,
    help="Full band, small and quick, or the paper's.",
)
@click.option("--bpm", type=click.FloatRange(min=20, max=400), help="Tempo of every file, whatever else says.")
@click.option("--limit", type=click.IntRange(min=1), help="Take the first files only.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes. [default: one per core]")
def prepare(folder: Path, out: Path, representation: str, bpm: float | None, limit: int | None, workers: int | None) -> None:
    """Turn a FOLDER of loops into training data. Example: loopwright prepare ~/loops -o prepared/mine"""
    from rich.console import Console

    from loopwright.config import REPRESENTATIONS
    from loopwright.data.settings import PrepareSettings
    from loopwright.pipeline.prepare import prepare as run

    settings = PrepareSettings(mel=REPRESENTATIONS[representation], bpm=bpm)
    console = Console(stderr=True)
    with console.status("looking for audio") as status:
        report = run(
            folder,
            out,
            settings,
            limit=limit,
            workers=workers,
            progress=lambda done, total: status.update(f"{done} of {total} files"),
        )
    for name, reason in report.rejected[:20]:
        console.print(f"rejected {name}: {reason}", highlight=False)
    click.echo(f"{report.rows} rows from {report.files} files -> {out}")
