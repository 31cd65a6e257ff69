"""Find what tables and metadata say about each file: tables, JSON beside the file, the Freesound Loop Dataset."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from loopwright.data.events import EVENTS_FILE, read_events
from loopwright.data.facts import Facts, read_json_sidecar
from loopwright.data.freesound import is_freesound, read_sounds, sound_id
from loopwright.data.scan import FoundFile, printable
from loopwright.data.tables import TABLE_SUFFIXES, Table, read_table
from loopwright.errors import InputError


class FactFinder:
    """Facts of the files of one folder tree.

    A file's own JSON speaks first, then tables (any with a column of files) in its folder and the folders above up to the one
    searched; for each field the first that says something counts. Tables of one folder at a time are held, besides the top's.
    What lies there and could not be used is in `said`, a line each, and costs no file anything.
    """

    def __init__(self, top: Path) -> None:
        self.said: dict[str, None] = {}  # in order, each once
        self._top = top
        self._tables: dict[Path, list[tuple[str, Table]]] = {}
        self._unused: dict[str, None] = {}  # tables that have named no file yet
        self._freesound: dict[str, Facts] | None = None
        try:
            if is_freesound(top):
                self._freesound, said = read_sounds(top)
                self.said.update(dict.fromkeys(said))
        except Exception as error:  # as with tables
            self._say(str(error) or type(error).__name__)
        self._events = read_events(top / EVENTS_FILE)

    def _say(self, line: str) -> None:
        self.said.setdefault(line.rstrip("."))

    def _tables_of(self, folder: Path) -> list[tuple[str, Table]]:
        """All tables of a folder in the order of their names."""
        if folder not in self._tables:
            found: list[tuple[str, Table]] = []
            for path in _tables_in(folder):
                name = printable(os.path.relpath(path, self._top))
                try:
                    table = read_table(path)
                except Exception as error:  # whatever a table does to its reader, it is one table
                    why = str(error) if isinstance(error, InputError) else f"{path.name} was not used: {type(error).__name__}"
                    self._say(why.replace(str(path), name).replace(f"{path.name} was", f"{name} was"))
                    continue
                found.append((name, table))
                if len(table):
                    self._unused.setdefault(name)
                else:
                    self._say(f"{name} was not used: it has no rows")
            for old in [kept for kept in self._tables if kept != self._top and kept not in folder.parents]:
                del self._tables[old]
            self._tables[folder] = found
        return self._tables[folder]

    def of(self, found: FoundFile) -> Facts:
        """What is known about a file."""
        said: list[Facts] = []
        try:
            own = read_json_sidecar(found.path)
        except Exception as error:  # as with tables
            own = None
            folder = str(found.path.parent) + os.sep
            self._say(f"beside {found.name}: {printable(str(error).replace(folder, ''))}")
        if own is not None:
            said.append(own)
        parts = found.name.split("/")
        others = [_latin(found.path)] if "\\x" in parts[-1] else []
        inner = found.path.relative_to(self._top).parts
        for depth in range(len(parts) - 1, -1, -1):  # the file's folder first
            relative, bare = "/".join(parts[depth:]), parts[-1]
            for name, table in self._tables_of(self._top.joinpath(*inner[:depth])):
                facts = table.get(relative, bare, *others, relative.rpartition(".")[0], bare.rpartition(".")[0])
                if facts is not None:
                    said.append(facts)
                    self._unused.pop(name, None)
        if self._freesound is not None:
            known = self._freesound.get(sound_id(found.name))
            if known is not None:
                said.append(known)
        events = self._events.get(found.name)
        if events:
            said.append(Facts(events=tuple(events)))
        return _first_of(said)

    def notes(self) -> list[str]:
        """After the last file: what lay there and was not used."""
        return [*self.said, *(f"{name} was not used: it names none of the files" for name in self._unused)]


def _latin(path: Path) -> str:
    """A name of bytes that are not UTF-8 as Windows would read it: old packs have such names."""
    return os.fsencode(path.name).decode("cp1252", "replace")


def _tables_in(folder: Path) -> list[Path]:
    try:
        names = sorted(os.listdir(folder), key=os.fsencode)  # noqa: PTH208  (names of any bytes)
    except OSError:
        return []
    return [folder / name for name in names if os.path.splitext(name)[1].lower() in TABLE_SUFFIXES and name[0] != "."]  # noqa: PTH122


def _first_of(said: list[Facts]) -> Facts:
    """Field by field, the first statement that is not empty."""
    out: dict[str, object] = {}
    for facts in said:
        for field in dataclasses.fields(Facts):
            value = getattr(facts, field.name)
            if value not in (None, "", ()):
                out.setdefault(field.name, value)
    return Facts(**out)  # type: ignore[arg-type]
