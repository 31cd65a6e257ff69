"""Tables as people have them: CSV of any separator and encoding with a column of files. What cannot be read is said."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from loopwright.data.facts import Facts, facts_of_row
from loopwright.data.texts import clean, read_text, same_name
from loopwright.errors import InputError

TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".tab"})
_FILE_COLUMNS = ("file", "filename", "file_name", "path", "filepath", "file_path", "sample", "loop", "name", "datei", "fichier")
_SEPARATORS = (",", ";", "\t", "|")
_MOST_ROWS = 2_000_000


class Table:
    """Facts by file name, found by the name as written first, then in one form of case and accents."""

    def __init__(self) -> None:
        self._exact: dict[str, Facts] = {}
        self._loose: dict[str, Facts] = {}

    def add(self, name: str, facts: Facts) -> None:
        """Add a row; the first of a name counts."""
        self._exact.setdefault(name, facts)
        self._loose.setdefault(same_name(name), facts)

    def get(self, *names: str) -> Facts | None:
        """Facts of the first of `names` that is there."""
        for name in names:
            facts = self._exact.get(name) or self._loose.get(same_name(name))
            if facts is not None:
                return facts
        return None

    def __len__(self) -> int:
        return len(self._exact)

    def items(self) -> Iterator[tuple[str, Facts]]:
        """Names as written, and facts."""
        yield from self._exact.items()


def read_table(path: Path) -> Table:
    """Facts by file name from a table.

    The separator is the header's own (comma, semicolon, tab, bar, or as a line `sep=;` says), the encoding as in `read_text`,
    columns in any order and case.

    Raises InputError, one line saying why it was not used, if it cannot be read or has no column of files.
    """
    lines = read_text(path).replace("\0", "").splitlines(keepends=True)
    separator = ""
    if lines and (said := re.match(r"\s*\"?sep=(.)", lines[0], re.I)):
        separator = said[1]
        lines = lines[1:]
    while lines and not lines[0].strip(" \t\r\n,;|"):
        lines = lines[1:]
    if not lines:
        raise InputError(f"{path.name} was not used: it is empty.")
    header, separator = _header(lines[0], separator)
    if header is None:
        columns = clean(lines[0], 60)
        raise InputError(f"{path.name} was not used: no column 'file' (its first line is: {columns}).")
    reader = csv.reader(io.StringIO("".join(lines[1:]), newline=""), delimiter=separator, strict=False)
    table = Table()
    try:
        for number, fields in enumerate(reader):
            if number >= _MOST_ROWS:
                break
            row = dict(zip(header, fields, strict=False))
            name = row.pop("file", "").strip().replace("\\", "/").removeprefix("./")
            if name:
                table.add(name, facts_of_row(_commas(row, fields, header, separator), path.name))
    except csv.Error as error:
        raise InputError(f"{path.name} was not used: {error}.") from error
    return table


def _header(line: str, said: str) -> tuple[list[str] | None, str]:
    """Names of columns, the column of files as "file", and the separator that gives most of them."""
    best: tuple[list[str] | None, str] = (None, ",")
    for separator in (said,) if said else _SEPARATORS:
        try:
            columns = [column_name(field) for field in next(csv.reader([line], delimiter=separator))]
        except (csv.Error, StopIteration, TypeError):
            continue
        name = next((name for name in _FILE_COLUMNS if name in columns), None)
        if name is None:
            continue
        columns = ["file" if i == columns.index(name) else column for i, column in enumerate(columns)]
        if best[0] is None or len(columns) > len(best[0]):
            best = columns, separator
    return best


def column_name(text: str) -> str:
    """A heading in one form: "Tempo (BPM)" is "tempo_bpm"."""
    return re.sub(r"[^a-z0-9]+", "_", text.strip().strip("\ufeff").casefold()).strip("_")


def _commas(row: dict[str, str], fields: list[str], header: list[str], separator: str) -> Mapping[str, object]:
    """A row in which a decimal comma was taken for a separator, put right: `a.wav,92,5,3` under `file,bpm,bars`."""
    if separator != "," or len(fields) != len(header) + 1:
        return row
    for at, column in enumerate(header):
        if column in ("bpm", "tempo", "tempo_bpm") and re.fullmatch(r"\d{2,3}", fields[at].strip()) and at + 1 < len(fields):
            joined = [*fields[:at], f"{fields[at].strip()}.{fields[at + 1].strip()}", *fields[at + 2 :]]
            return {name: value for name, value in zip(header, joined, strict=True) if name != "file"}
    return row
