"""`loopwright vocode`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for the results.")
@click.option(
    "--vocoder",
    "vocoders",
    multiple=True,
    default=("griffinlim", "auto"),
    show_default=True,
    help="Name or file of a vocoder; repeatable.",
)
@click.option("-n", "--count", type=click.IntRange(min=4), default=200, show_default=True, help="Bars to resynthesise.")
@click.option("--split", default="test", show_default=True, help="Rows to draw from.")
@click.option("--judge", "judges", multiple=True, help="Network for FAD and KAD; repeatable. Default: those found here.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Same seed, same bars.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads to use.")
def vocode(
    data: Path,
    out: Path,
    vocoders: tuple[str, ...],
    count: int,
    split: str,
    judges: tuple[str, ...],
    seed: int,
    threads: int | None,
) -> None:
    """Resynthesise real bars of prepared DATA with vocoders: numbers, a sheet of pictures, and WAVs to compare.

    Example: loopwright vocode prepared/drums48 --vocoder griffinlim --vocoder ring -o out
    """
    from loopwright.measuring.judging import judges_at_hand
    from loopwright.measuring.vocoders import as_markdown, compare_vocoders

    def progress(what: str, done: int, total: int) -> None:
        click.echo(f"\r{what}: {done}/{total}", nl=done == total, err=True)

    chosen = judges or judges_at_hand(("yamnet", "musicnn"))
    names = tuple(dict.fromkeys(vocoders))
    result = compare_vocoders(
        data, out, names, n=count, split=split, judges=chosen, seed=seed, threads=threads, progress=progress
    )
    click.echo(as_markdown(result))
