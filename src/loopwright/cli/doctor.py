"""`loopwright doctor`."""

from __future__ import annotations

import click


@click.command()
def doctor() -> None:
    """Say what is installed, what is found, and what is missing."""
    from loopwright.tasks.doctor import examine

    worst = 0
    for check in examine():
        click.echo(f"{check.mark:8s} {check.name:22s} {check.text}")
        worst = max(worst, 1 if check.mark == "missing" else 0)
    raise SystemExit(worst)
