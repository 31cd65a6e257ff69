"""docs/commands.md names every command and every option, as the program itself does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import click
import pytest

from loopwright.cli import cli

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    script = REPO / "scripts" / "command_reference.py"
    spec = importlib.util.spec_from_file_location("command_reference", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def leaves(group: click.Group, words: tuple[str, ...] = ()) -> dict[str, click.Command]:
    """Commands by the words that call them, by asking each group for what it has."""
    out: dict[str, click.Command] = {}
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        out |= leaves(command, (*words, name)) if isinstance(command, click.Group) else {" ".join((*words, name)): command}
    return out


def test_every_command_and_option_is_in_the_docs() -> None:
    pages = {path: path.read_text(encoding="utf-8") for path in [REPO / "README.md", *sorted((REPO / "docs").glob("*.md"))]}
    parts = dict(re.findall(r"^## loopwright ([a-z -]+)\n(.*?)(?=^## |\Z)", pages[REPO / "docs/commands.md"], re.M | re.S))
    missing = []
    for name, command in leaves(cli).items():
        if name not in parts:
            missing.append(name)
            continue
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                missing += [f"{name} {word}" for word in option.opts if f"`{word}`" not in parts[name]]
    assert not missing, "run: python scripts/command_reference.py"


def test_the_page_is_what_the_program_says_now(reference: ModuleType) -> None:
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), "run: python scripts/command_reference.py"


def test_commands_in_the_docs_exist_with_their_options() -> None:
    """Lines of the form `loopwright ...` in code blocks: the command is there, and so is each option that is written."""
    known = leaves(cli)
    wrong = []
    for path in [REPO / "README.md", *sorted((REPO / "docs").rglob("*.md"))]:
        for block in re.findall(r"^```\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S):
            for line in block.replace("\\\n", " ").splitlines():
                words = line.split("#")[0].split()
                if not words or words[0] != "loopwright" or "..." in words:
                    continue
                name = " ".join(words[1:3]) if " ".join(words[1:3]) in known else words[1] if len(words) > 1 else ""
                if name not in known:
                    wrong.append(f"{path.name}: no command in: {line}")
                    continue
                options = {word for p in known[name].params for word in (*p.opts, *p.secondary_opts)} | {"-h", "--help"}
                given = {word.split("=")[0] for word in words if re.fullmatch(r"--?[a-z][a-z-]*(=.*)?", word)}
                wrong += [f"{path.name}: no {word} in: {line}" for word in given - options]
    assert not wrong, "\n".join(wrong)
