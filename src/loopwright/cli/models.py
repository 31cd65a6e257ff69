"""`loopwright models`."""

from __future__ import annotations

import click


@click.command()
@click.option("--quiet", is_flag=True, help="Names only.")
def models(quiet: bool) -> None:
    """List the models that come with loopwright."""
    from loopwright.making.bundled import bundled_models, describe

    for name, path in bundled_models().items():
        click.echo(name if quiet else f"{name:10s} {describe(path)}")
