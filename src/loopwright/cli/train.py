"""`loopwright train`: one subcommand a kind of model."""

from __future__ import annotations

import click

from loopwright.cli.lazy import LazyGroup

SUBCOMMANDS: dict[str, tuple[str, str]] = {
    "gan": ("loopwright.cli.train_gan:gan", "Train a generator of loops as a projected GAN."),
    "vocoder": ("loopwright.cli.train_vocoder:vocoder", "Train a vocoder: from log-mels to sound."),
    "classifier": ("loopwright.cli.train_classifier:classifier", "Train a network that tells loop styles apart."),
    "transcriber": ("loopwright.cli.train_transcriber:transcriber", "Train a network that hears notes."),
}


@click.group(cls=LazyGroup, table=SUBCOMMANDS)
def train() -> None:
    """Train a generator, a vocoder, a classifier or a transcriber on prepared data."""
