"""Write docs/commands.md: every command with its arguments and options, as the program itself says it.

Usage: python scripts/command_reference.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from loopwright.cli import cli

PAGE = Path(__file__).resolve().parents[1] / "docs" / "commands.md"
HEAD = """# Every command and option

Made by `scripts/command_reference.py` from the program itself; a test fails where the two differ. What to do with them, and in
which order, is told in the [other pages](../README.md#docs). Every command has `-h` / `--help`.
"""


def commands(group: click.Group, path: tuple[str, ...] = ("loopwright",)) -> Iterator[tuple[str, click.Command]]:
    """All commands that do something, with the words that call them."""
    context = click.Context(group, info_name=path[-1])
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def cell(text: str) -> str:
    """Text for a table cell."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|").strip()


def option_row(option: click.Option, context: click.Context) -> str:
    """One row of a table of options."""
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    value = "" if option.is_flag or option.count else f" {option.make_metavar(context)}"
    record = option.get_help_record(context)
    text = record[1] if record else ""
    return f"| {names}{value and f' {cell(value)}'} | {cell(text)} |"


def section(name: str, command: click.Command) -> str:
    """The part of the page about one command."""
    context = click.Context(command, info_name=name)
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [f"## {name}", "", f"`{name} {usage}`", "", re.sub(r"\n *", "\n", (command.help or "").strip())]
    options = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
    if options:
        lines += ["", "| option | |", "|---|---|", *(option_row(option, context) for option in options)]
    return "\n".join(lines) + "\n"


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(section(name, command) for name, command in commands(cli))])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
