"""Find what tables and metadata say about each file: CSV tables, JSON beside the file, the Freesound Loop Dataset."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from loopwright.data.events import EVENTS_FILE, read_events
from loopwright.data.facts import Facts, read_json_sidecar, read_table
from loopwright.data.freesound import is_freesound, read_freesound, sound_id
from loopwright.data.scan import FoundFile
from loopwright.data.settings import PrepareSettings
from loopwright.errors import InputError


class FactFinder:
    """Facts of the files of one folder tree.

    A file's own JSON speaks first, then tables (any CSV with a file column) in its folder and the folders above up to the one
    searched; for each field the first that says something counts. Tables of one folder at a time are held, besides the top's.
    """

    def __init__(self, top: Path, settings: PrepareSettings) -> None:
        self._top = top
        self._settings = settings
        self._freesound = read_freesound(top) if is_freesound(top) else None
        self._tables: dict[Path, dict[str, Facts]] = {}
        self._events = read_events(top / EVENTS_FILE)

    def _table(self, folder: Path) -> dict[str, Facts]:
        """All tables of a folder, merged; the first in the order of names wins. One that cannot be read is passed over."""
        if folder not in self._tables:
            merged: dict[str, Facts] = {}
            for path in sorted(folder.glob("*.csv")):
                try:
                    for name, facts in read_table(path).items():
                        merged.setdefault(name, facts)
                except InputError:
                    continue
            for old in [kept for kept in self._tables if kept != self._top and kept not in folder.parents]:
                del self._tables[old]
            self._tables[folder] = merged
        return self._tables[folder]

    def of(self, found: FoundFile) -> Facts:
        """What is known about a file."""
        said: list[Facts] = []
        own = read_json_sidecar(found.path)
        if own is not None:
            said.append(own)
        parts = found.name.split("/")
        for depth in range(len(parts) - 1, -1, -1):  # the file's folder first
            table = self._table(self._top.joinpath(*found.path.relative_to(self._top).parts[:depth]))
            relative, bare = "/".join(parts[depth:]), parts[-1]
            facts = table.get(relative) or table.get(bare) or table.get(bare.rsplit(".", 1)[0])
            if facts is not None:
                said.append(facts)
        if self._freesound is not None:
            known = self._freesound.get(sound_id(found.name))
            if known is not None:
                said.append(known)
        events = self._events.get(found.name)
        if events:
            said.append(Facts(events=tuple(events)))
        return _first_of(said)


def _first_of(said: list[Facts]) -> Facts:
    """Field by field, the first statement that is not empty."""
    out: dict[str, object] = {}
    for facts in said:
        for field in dataclasses.fields(Facts):
            value = getattr(facts, field.name)
            if value not in (None, "", ()):
                out.setdefault(field.name, value)
    return Facts(**out)  # type: ignore[arg-type]
