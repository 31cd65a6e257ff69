"""`loopwright directions`."""

from __future__ import annotations

import click


@click.command()
@click.argument("model")
@click.option("-n", "--count", type=click.IntRange(1, 32), default=8, show_default=True, help="Principal directions to find.")
@click.option("--save/--no-save", default=False, help="Keep them beside the model file, for `edit` and the studio.")
def directions(model: str, count: int, save: bool) -> None:
    """Find MODEL's directions: one each for density, brightness, swing and kick level, then the principal ones.

    Of each it says what it does to all of these.
    """
    from loopwright.making.directions import FEATURES, directions_path, find_directions, save_directions
    from loopwright.making.engines import load

    loaded = load(model, engine="torch")  # what listens needs it anyway
    found = find_directions(loaded, count=count)
    click.echo(
        f"{'#':>2s} {'name':14s} {'share':>6s}  "
        + "  ".join(f"{k:>10s}" for k in FEATURES)
        + "   (in sd of the feature, for +1 sd)"
    )
    for i, d in enumerate(found):
        click.echo(f"{i:2d} {d.name:14s} {d.share:6.1%}  " + "  ".join(f"{d.effect[k]:+10.2f}" for k in FEATURES))
    if save:
        save_directions(directions_path(loaded.path), found)
        click.echo(f"saved to {directions_path(loaded.path)}", err=True)
