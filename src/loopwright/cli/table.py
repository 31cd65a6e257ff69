"""`loopwright table`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(["markdown", "latex", "csv"]), default="markdown", show_default=True, help="How."
)
@click.option("--intervals/--no-intervals", default=True, show_default=True, help="Print error bars.")
@click.option("--merge/--no-merge", default=True, show_default=True, help="Seeds of one recipe in one row.")
@click.option("--panel", is_flag=True, help="Under it, ranks of its rows by families of judges, and where all agree.")
def table(runs: tuple[Path, ...], form: str, intervals: bool, merge: bool, panel: bool) -> None:
    """The paper's table over RUNS (run folders, or folders of runs): real data first, all judges.

    A run counts by what `loopwright evaluate` measured in it, otherwise by its own curve. Scores by a network that taught a
    model are marked.

    Example: loopwright table runs --format latex > table.tex
    """
    from loopwright.measuring.table import table as make

    click.echo(make(runs, form=form, intervals=intervals, merge=merge, panel=panel), nl=False)  # type: ignore[arg-type]
