"""`loopwright export`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("model")
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="A .safetensors file.")
@click.option("--full", is_flag=True, help="Keep 32-bit weights.")
def export(model: str, out: Path, full: bool) -> None:
    """Write MODEL (a run folder or model file) as one small file to share.

    Example: loopwright export runs/00003-house -o mine.safetensors
    """
    from loopwright.pipeline.export import export_model

    click.echo(export_model(model, out, half=not full))
