"""What is known about a file from outside its samples: sidecars and data set metadata."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from loopwright.config import SPLITS
from loopwright.data.events import Event
from loopwright.errors import InputError

CORPUS_TABLE = "loops.csv"  # written by our corpus renderers, and the name looked for in any folder


@dataclass(frozen=True)
class Facts:
    """Statements about one file; "" or None where nothing is said.

    `source` is the unit that is never split between training and test: a performance, a pack, an uploader.
    `discard` is a reason given by the metadata not to use the file.
    """

    bpm: float | None = None
    bars: float | None = None
    beats_per_bar: int | None = None
    key: str = ""
    split: str = ""
    source: str = ""
    style: str = ""
    kind: str = ""
    kit: str = ""
    licence: str = ""
    attribution: str = ""
    discard: str = ""
    origin: str = ""  # which sidecar said so
    events: tuple[Event, ...] = ()  # what plays, see `data.events`


SPLIT_NAMES = {
    **{name: name for name in SPLITS},
    "training": "train",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "testing": "test",
    "locked": "locked",  # a second test that nothing looks at unless asked for by name
}
_FILE_COLUMNS = ("file", "filename", "file_name", "path", "name")
_ALIASES = {
    "tempo": "bpm",
    "n_bars": "bars",
    "license": "licence",
    "author": "attribution",
    "artist": "attribution",
    "genre": "style",
    "scale": "key",
    "pack": "source",
}


def positive_number(text: object) -> float | None:
    """A finite number above zero, or None."""
    try:
        value = float(str(text).strip().replace(",", "."))
    except ValueError:
        return None
    return value if 0 < value < 1e6 else None


def facts_of_row(row: Mapping[str, object], origin: str) -> Facts:
    """Facts from a table row or JSON object whose keys are ours or common other names for them."""
    values: dict[str, object] = {}
    known = {f.name for f in fields(Facts)} - {"origin"}
    for raw_key, value in row.items():
        key = str(raw_key).strip().lower()
        key = key if key in known else _ALIASES.get(key, "")
        if key and value not in (None, "") and not isinstance(value, (dict, list)):
            values.setdefault(key, value)
    for key in ("bpm", "bars"):
        values[key] = positive_number(values.get(key, ""))
    beats = positive_number(values.get("beats_per_bar", ""))
    values["beats_per_bar"] = int(beats) if beats else None
    values["split"] = SPLIT_NAMES.get(str(values.get("split", "")).strip().lower(), "")
    texts = {k: v if isinstance(v, (float, int)) or v is None else str(v).strip() for k, v in values.items()}
    return Facts(**texts, origin=origin)  # type: ignore[arg-type]


def read_table(path: Path) -> dict[str, Facts]:
    """Facts by file name (as written in the table) from a CSV with a file column; {} if it has none.

    Raises InputError if it cannot be read as UTF-8 text.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle)
            columns = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
            file_column = next((columns[c] for c in _FILE_COLUMNS if c in columns), None)
            if file_column is None:
                return {}
            return {
                str(row[file_column]).strip().replace("\\", "/"): facts_of_row(row, path.name)
                for row in reader
                if row.get(file_column)
            }
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read the table {path} ({error}). Save it as UTF-8 CSV.") from error


def read_json_sidecar(audio: Path) -> Facts | None:
    """Facts from `<file>.json` or `<file without suffix>.json` beside an audio file; None if there is none that is readable."""
    for path in (audio.with_name(audio.name + ".json"), audio.with_suffix(".json")):
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(value, dict):
            return facts_of_row(value, path.name)
    return None
