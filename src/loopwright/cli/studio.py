"""`loopwright studio`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("models", nargs=-1)
@click.option("--port", type=click.IntRange(0, 65_535), default=8765, show_default=True, help="0 takes any free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 opens it to the network.")
@click.option("--allow-host", multiple=True, metavar="NAME", help="Host name to answer to, beside localhost.")
@click.option("--runs", type=click.Path(path_type=Path), help="Folder of training runs: their models and live curves.")
@click.option("--library", type=click.Path(path_type=Path), help="Folder that keeps stars and recents.")
@click.option("--open/--no-open", "open_page", default=True, show_default=True, help="Open the page in a browser.")
def studio(
    models: tuple[str, ...],
    port: int,
    host: str,
    allow_host: tuple[str, ...],
    runs: Path | None,
    library: Path | None,
    open_page: bool,
) -> None:
    """Open the studio: a page to listen, vary, blend and take loops away. MODELS are offered beside the bundled ones.

    Example: loopwright studio --runs runs
    """
    from loopwright.errors import InputError

    try:
        from loopwright.studio.serve import is_loopback, serve
    except ModuleNotFoundError as error:
        raise InputError(f"the studio needs {error.name}. Install it: pip install 'loopwright[studio]'") from error

    def ready(address: str) -> None:
        if not is_loopback(host):
            click.echo(f"Warning: everyone who can reach {host} can use this studio.", err=True)
        click.echo(f"The studio is at {address}  (Ctrl-C ends it)")
        if open_page:
            click.launch(address)

    serve(list(models), host=host, port=port, library=library, runs=runs, names=allow_host, on_ready=ready)
