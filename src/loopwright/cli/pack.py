"""`loopwright pack`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="Folder of the pack.")
@click.option("--force", is_flag=True, help="Replace the folder if it exists.")
def pack(sources: tuple[Path, ...], out: Path, force: bool) -> None:
    """Gather chosen loops into one pack: WAV files written by loopwright, or folders of them.

    Example: loopwright pack Night/Loops/*bababa.wav Walk -o Best
    """
    from loopwright.making.pack import gather

    click.echo(gather(sources, out, force=force))
