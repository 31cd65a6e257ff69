"""`loopwright dataset`: look at prepared folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click


@click.group()
def dataset() -> None:
    """Look at prepared folders."""


def _lines(value: dict[str, Any], indent: str = "") -> list[str]:
    out = []
    for key, item in value.items():
        if isinstance(item, dict):
            out += [f"{indent}{key}:", *_lines(item, indent + "  ")]
        elif isinstance(item, list):
            out.append(f"{indent}{key}: {' '.join(str(x) for x in item)}")
        else:
            out.append(f"{indent}{key}: {item}")
    return out


@dataset.command()
@click.argument("prepared", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--row", type=click.IntRange(min=0), help="Show one row's record and levels.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def inspect(prepared: Path, row: int | None, as_json: bool) -> None:
    """Say what a PREPARED folder holds. Example: loopwright dataset inspect prepared/mine --row 7"""
    from loopwright.tasks.dataset import inspect as run

    value = run(prepared, row)
    click.echo(json.dumps(value, ensure_ascii=False) if as_json else "\n".join(_lines(value)))


@dataset.command()
@click.argument("prepared", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--png", type=click.Path(dir_okay=False, path_type=Path), help="Also draw histograms, and NAME-sheet.png.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def stats(prepared: Path, png: Path | None, as_json: bool) -> None:
    """Count tempi, keys, levels and onsets of a PREPARED folder.

    Example: loopwright dataset stats prepared/mine --png mine.png
    """
    from loopwright.tasks import dataset as task

    value = task.stats(prepared)
    click.echo(json.dumps(value, ensure_ascii=False) if as_json else "\n".join(_lines(value)))
    if png is not None:
        task.picture(prepared, png)
        click.echo(f"{png}\n{png.with_name(png.stem + '-sheet.png')}", err=True)
