"""`loopwright features`: the pre-trained networks a discriminator can look through."""

from __future__ import annotations

from pathlib import Path

import click

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def features() -> None:
    """List, fetch, import, verify and compare feature networks."""


@features.command("list")
@click.option("--weights", type=FOLDER, help="Folder to look in first.")
@click.option("--checksums", is_flag=True, help="Also read the files and compare checksums.")
def list_(weights: Path | None, checksums: bool) -> None:
    """List networks: licence, size, where found. Example: loopwright features list"""
    from rich.console import Console
    from rich.table import Table

    from loopwright.tasks.features import list_networks

    table = Table("network", "what", "licence", "MB", "found", box=None, pad_edge=False)
    for row in list_networks(weights, checksums=checksums):
        found = str(row.path) if row.path else "no"
        if row.known is not None:
            found += " (checksum right)" if row.known else " (another file than the known one)"
        table.add_row(row.name, row.about, row.licence, f"{row.size / 1e6:.1f}" if row.size else "?", found)
    Console().print(table)


@features.command()
@click.argument("name")
@click.option("--to", "folder", type=FOLDER, help="Folder to write to; the user cache if left out.")
def fetch(name: str, folder: Path | None) -> None:
    """Download NAME from its publisher; interrupted, the same command goes on. Example: loopwright features fetch vggish"""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    from loopwright.tasks.features import fetch as run

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        path = run(name, folder, progress=lambda have, total: bar.update(task, completed=have, total=total or None))
    click.echo(path)


@features.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", help="Network it belongs to; recognised by its layout if left out.")
@click.option("--to", "folder", type=FOLDER, help="Folder to write to; the user cache if left out.")
def import_(file: Path, name: str | None, folder: Path | None) -> None:
    """Take a published weight FILE (.pth, .ckpt, .h5, .npz, .safetensors). Nothing in it is run.

    Example: loopwright features import vggish-10086976.pth
    """
    from loopwright.tasks.features import import_file

    found, path = import_file(file, name, folder)
    click.echo(f"{found}: {path}")


@features.command()
@click.argument("names", nargs=-1)
@click.option("--weights", type=FOLDER, help="Folder to look in first.")
def verify(names: tuple[str, ...], weights: Path | None) -> None:
    """Run the check values of NAMES, or of all networks found. Example: loopwright features verify yamnet"""
    from loopwright.errors import LoopwrightError
    from loopwright.tasks.features import verify_all

    good = True
    for name, outcome in verify_all(list(names), weights):
        if isinstance(outcome, LoopwrightError):
            good = False
            click.echo(f"{name}: FAILED: {outcome}")
            continue
        for result in outcome:
            good &= result.passed
            state = "ok" if result.passed else "FAILED"
            click.echo(f"{name}: {state}: {result.what} (deviation {result.deviation:.2f} of the tolerance)")
    if not good:
        raise click.exceptions.Exit(1)


@features.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--out", type=FOLDER, required=True, help="Folder for table and picture.")
@click.option("--generated", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Prepared generated bars.")
@click.option("--networks", help="Names, separated by commas; all found, and random:yamnet, if left out.")
@click.option("--label", default="style", show_default=True, help="Column of the manifest to probe.")
@click.option("-n", "--count", type=click.IntRange(min=8), default=400, show_default=True, help="Bars of each kind.")
@click.option("--seed", type=int, default=0, show_default=True, help="Which bars.")
@click.option("--weights", type=FOLDER, help="Folder to look in first.")
def compare(
    data: Path, out: Path, generated: Path | None, networks: str | None, label: str, count: int, seed: int, weights: Path | None
) -> None:
    """Compare networks on prepared DATA: label and real-against-generated probes, dead channels, cost.

    Example: loopwright features compare prepared/drums16 --generated prepared/generated -o compared
    """
    from loopwright.tasks.features import Compared, write_comparison
    from loopwright.tasks.features import compare as run

    def report(row: Compared) -> None:
        click.echo(
            f"{row.name}: label {row.label_accuracy:.3f} (commonest {row.label_chance:.3f}), "
            f"real/generated {row.real_fake_accuracy:.3f}, {row.forward_backward_ms:.1f} ms a bar",
            err=True,
        )

    names = [name.strip() for name in networks.split(",")] if networks else None
    rows = run(data, names=names, generated=generated, label=label, count=count, seed=seed, weights=weights, report=report)
    for path in write_comparison(out, rows):
        click.echo(path)
