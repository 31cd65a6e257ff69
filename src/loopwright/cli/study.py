"""`loopwright study`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("name")
@click.option(
    "--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True, help="Prepared data for every run."
)
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of the study.")
@click.option("--kimg", type=click.FloatRange(min=0, min_open=True), help="Thousand images a run, instead of the study's.")
@click.option("--seeds", help="Seeds with commas, instead of the study's.")
@click.option("--rows", help="Labels of rows with commas: train these only.")
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), help="Stop after this long; the same command continues."
)
@click.option("--device", default="auto", show_default=True, help="cpu, cuda or auto.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads to use.")
@click.option(
    "--record",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for tables and curves without weights; runs recorded there are not trained again.",
)
@click.option("--bf16", is_flag=True, help="Compute in bfloat16, where the machine has it.")
@click.option("--table-only", is_flag=True, help="Train nothing; write table and pictures of what is there.")
def study(
    name: str,
    data: Path,
    out: Path,
    kimg: float | None,
    seeds: str | None,
    rows: str | None,
    minutes: float | None,
    device: str,
    threads: int | None,
    record: Path | None,
    bf16: bool,
    table_only: bool,
) -> None:
    """Train the rows of a study (its NAME, or a .toml) under one budget and make the table. Interrupted, it goes on.

    Example: loopwright study paper-cpu --data prepared/drums16 -o studies/paper-cpu
    """
    from loopwright.errors import ConfigError
    from loopwright.study.config import load_study, only_rows
    from loopwright.study.run import collect, run_study

    changes: dict[str, Any] = {}
    if kimg is not None:
        changes["kimg"] = kimg
    if seeds is not None:
        try:
            changes["seeds"] = [int(s) for s in seeds.split(",")]
        except ValueError as error:
            raise ConfigError(f"--seeds takes whole numbers with commas, got '{seeds}'.") from error
    settings = load_study(name, changes)
    only = None if rows is None else only_rows(settings, [r.strip() for r in rows.split(",")])

    def report(run: str, row: Mapping[str, Any]) -> None:
        speed = f"{row['images_per_s']:.1f} images/s" if "images_per_s" in row else ""
        scores = [f"{key} {value:.3g}" for key, value in row.items() if key.startswith(("kad/", "coverage/"))]
        click.echo(f"{run}: {row['kimg']:.2f} of {row['total_kimg']:.2f} kimg  {speed}  {'  '.join(scores)}", err=True)

    if table_only:
        collect(settings, data, out, record)
    else:
        limit = None if minutes is None else minutes * 60
        run_study(
            settings, data, out,
            device=device, threads=threads, max_seconds=limit, report=report, only=only, record=record, bf16=bf16,
        )  # fmt: skip
    click.echo((record or out) / "study.md")
