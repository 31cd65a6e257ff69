"""`loopwright loopify`."""

from __future__ import annotations

from pathlib import Path

import click

from loopwright.errors import InputError


@click.command()
@click.argument("files", type=click.Path(exists=True, dir_okay=False, path_type=Path), nargs=-1, required=True)
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Folder for WAVs.")
@click.option("--bpm", type=click.FloatRange(20, 400), help="Tempo wanted. [default: the recording's]")
@click.option("--bars", type=click.IntRange(1, 64), help="Bars wanted. [default: all of a loop, up to 8 of a recording]")
@click.option("--beats-per-bar", type=click.IntRange(2, 7), default=4, show_default=True, help="3 for waltzes.")
@click.option("--source-bpm", type=click.FloatRange(20, 400), help="The recording's tempo, if you know it.")
@click.option("--start", "start_s", type=click.FloatRange(min=0), help="Where to start, in seconds. [default: search]")
@click.option("--rate", "rate_hz", type=click.IntRange(8000, 192_000), help="Sample rate. [default: the recording's]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def loopify(
    files: tuple[Path, ...],
    out: Path,
    bpm: float | None,
    bars: int | None,
    beats_per_bar: int,
    source_bpm: float | None,
    start_s: float | None,
    rate_hz: int | None,
    as_json: bool,
) -> None:
    """Make seamless loops of whole bars of any recordings, with tempo and loop points for DAWs.

    Example: loopwright loopify take3.wav --bpm 120 --bars 4 -o loops
    """
    from loopwright.tasks import loopify as task

    failed = 0
    names = task.names_of_loops(files, bpm)
    for file, name in zip(files, names, strict=True):
        try:
            result = task.loopify(
                file,
                out / name,
                bpm=bpm,
                bars=bars,
                beats_per_bar=beats_per_bar,
                source_bpm=source_bpm,
                start_s=start_s,
                rate_hz=rate_hz,
                name_key=names,
            )
        except InputError as error:
            if len(files) == 1:
                raise
            failed += 1  # the others are still worth having
            click.echo(f"Error: {click.format_filename(str(error))}", err=True)
            continue
        for warning in result.warnings:
            click.echo(f"{click.format_filename(file)}: {warning}", err=True)
        if as_json:
            click.echo(task.describe(result))
            continue
        click.echo(
            f"{click.format_filename(result.path)}: {result.bars} bars at {result.bpm:.3f} BPM from {result.start_s:.2f} s "
            f"(recording: {result.source_bpm:.2f} BPM, sure {result.confidence:.2f}; seam {result.seam:.2f})"
        )
    if failed:
        raise InputError(f"{failed} of {len(files)} files gave no loop, see above.")
