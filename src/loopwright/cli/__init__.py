"""The command `loopwright`: a thin face of `pipeline`. Commands load when called, so that `--help` stays quick."""

from __future__ import annotations

import importlib
import sys

import click

# name -> (module:attribute, one line of help). Heavy imports live inside the commands.
COMMANDS: dict[str, tuple[str, str]] = {
    "doctor": ("loopwright.cli.doctor:doctor", "Say what is installed, what is found, and what is missing."),
    "corpus": ("loopwright.cli.corpus:corpus", "Render loops to train on: drums, synths, or a demo."),
    "prepare": ("loopwright.cli.prepare:prepare", "Turn a folder of loops into training data."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module only when the command is run or its own help is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Names in the order of the table: the order a new user meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List commands from the table, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="loopwright")
def cli() -> None:
    """Learn from a folder of audio loops and make new ones that really loop."""


def main() -> None:
    """Entry point: a user's mistake is one line and exit code 2, an interrupt exit code 130."""
    from loopwright.errors import LoopwrightError

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
