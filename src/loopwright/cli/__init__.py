"""The command `loopwright`: a thin face of the rooms below. Commands load when called, so that `--help` stays quick."""

from __future__ import annotations

import os
import sys

import click

from loopwright.cli.lazy import LazyGroup

# name -> (module:attribute, one line of help). Heavy imports live inside the commands.
COMMANDS: dict[str, tuple[str, str]] = {
    "doctor": ("loopwright.cli.doctor:doctor", "Say what is installed, what is found, and what is missing."),
    "corpus": ("loopwright.cli.corpus:corpus", "Render loops to train on: drums, synths, or a demo."),
    "prepare": ("loopwright.cli.prepare:prepare", "Turn a folder of loops into training data."),
    "dataset": ("loopwright.cli.dataset:dataset", "Look at prepared folders: inspect, stats."),
    "loopify": ("loopwright.cli.loopify:loopify", "Make any recording a seamless loop of whole bars."),
    "train": ("loopwright.cli.train:train", "Train a generator, a vocoder or a classifier."),
    "study": ("loopwright.cli.study:study", "Train many recipes under one budget and compare them."),
    "generate": ("loopwright.cli.generate:generate", "Make new loops with a model."),
    "interpolate": ("loopwright.cli.explore:interpolate", "Walk between two seeds."),
    "mix": ("loopwright.cli.explore:mix", "Cross the pattern of some seeds with the sound of others."),
    "near": ("loopwright.cli.explore:near", "Loops like the loop of a seed."),
    "edit": ("loopwright.cli.explore:edit", "Move loops along named directions."),
    "directions": ("loopwright.cli.directions:directions", "Find a model's directions and what they do."),
    "styles": ("loopwright.cli.styles:styles", "Let a classifier find the styles among a model's seeds."),
    "variations": ("loopwright.cli.explore:variations", "Find a loop of yours in a model, and its neighbours."),
    "pack": ("loopwright.cli.pack:pack", "Gather chosen loops into one pack."),
    "export": ("loopwright.cli.export:export", "Write a run's model as one file to share."),
    "models": ("loopwright.cli.models:models", "List the models that come with loopwright."),
    "evaluate": ("loopwright.cli.evaluate:evaluate", "Measure loops against real ones, with error bars."),
    "table": ("loopwright.cli.table:table", "The table of a paper over runs: Markdown, LaTeX or CSV."),
    "features": ("loopwright.cli.features:features", "List, fetch, verify and compare feature networks."),
    "vocode": ("loopwright.cli.vocode:vocode", "Resynthesise real bars with vocoders, and compare."),
    "studio": ("loopwright.cli.studio:studio", "Open a page to listen, vary, blend and take loops away."),
}


@click.group(cls=LazyGroup, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="loopwright")
def cli() -> None:
    """Learn from a folder of audio loops and make new ones that really loop."""


def main() -> None:
    """Entry point: a user's mistake is one line and exit code 2, an interrupt exit code 130."""
    from loopwright.errors import LoopwrightError

    # Threads that wait do not spin: on shared cores spinning costs several times the work itself. Read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        cli.main(standalone_mode=False)
    except LoopwrightError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted. Run the same command again to continue.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
