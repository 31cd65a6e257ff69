"""`loopwright export`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("model")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="A .safetensors file; a folder with --onnx.")
@click.option("--full", is_flag=True, help="Keep 32-bit weights.")
@click.option("--onnx", is_flag=True, help="Write ONNX graphs of generator and vocoder, always in 32 bits.")
@click.option("--vocoder", help="With --onnx: name or file of a vocoder, instead of the model's own.")
@click.option("--force", is_flag=True, help="With --onnx: write into a folder that has files.")
def export(model: str, out: Path, full: bool, onnx: bool, vocoder: str | None, force: bool) -> None:
    """Write MODEL (a run folder or model file) as one small file to share, or as ONNX graphs for other programs.

    Examples: loopwright export runs/00003-house -o mine.safetensors; loopwright export drums --onnx -o drums-onnx
    """
    from loopwright.making.export import export_model, export_onnx

    if onnx:
        click.echo(export_onnx(model, out, vocoder=vocoder, force=force))
        return
    click.echo(export_model(model, out, half=not full))
