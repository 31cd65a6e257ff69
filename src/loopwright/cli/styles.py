"""`loopwright styles`."""

from __future__ import annotations

import click


@click.command()
@click.argument("model")
@click.option("--network", default="scnn_loop", show_default=True, help="Classifier of loop styles, as in `features list`.")
@click.option("-n", "--count", type=click.IntRange(100, 100_000), default=2000, show_default=True, help="Seeds to look at.")
@click.option(
    "--least", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Probability that a listed seed has at least."
)
@click.option("--save/--no-save", default=False, help="Keep the table beside the model file, for `--style` and the studio.")
def styles(model: str, network: str, count: int, least: float, save: bool) -> None:
    """Let a classifier find which seeds of MODEL sound like which style.

    Example: loopwright styles runs/mine --network scnn_loop_synth --save
    """
    from loopwright.making.engines import load
    from loopwright.making.styles import find_styles, save_table, table_path

    loaded = load(model, engine="torch")  # what listens needs it anyway
    table = find_styles(loaded, network, looked_at=count, least=least)
    for style, seeds in table.seeds.items():
        click.echo(
            f"{style:14s} {len(seeds):5d} of {count}  {len(seeds) / count:6.1%}  first: {', '.join(map(str, seeds[:6]))}"
        )
    if save:
        save_table(table_path(loaded.path), table)
        click.echo(f"saved to {table_path(loaded.path)}", err=True)
