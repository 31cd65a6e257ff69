"""What is known about a file from outside its samples: sidecars and data set metadata."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from loopwright.config import SPLITS
from loopwright.data.events import Event
from loopwright.data.texts import clean, read_json
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
_ALIASES = {
    "tempo": "bpm",
    "tempo_bpm": "bpm",
    "bpm_tempo": "bpm",
    "beats_per_minute": "bpm",
    "bar": "bars",
    "n_bars": "bars",
    "number_of_bars": "bars",
    "length_bars": "bars",
    "length_in_bars": "bars",
    "license": "licence",
    "author": "attribution",
    "artist": "attribution",
    "genre": "style",
    "scale": "key",
    "pack": "source",
    "pack_name": "source",
    "instrument": "kind",
    "category": "kind",
    "type": "kind",
    "key_signature": "key",
    "musical_key": "key",
}


_NUMBER = re.compile(r"\s*(\d{1,7}(?:[.,]\d{1,12})?)\s*(?:bpm|bars?|beats?)?\s*\.?\s*", re.I)
_YES, _NO = ("1", "true", "yes", "y", "x", "discard"), ("", "0", "false", "no", "n", "none", "null")


def positive_number(value: object) -> float | None:
    """A finite number above zero, or None. Decimal commas are read, and "92.5 BPM".

    >>> positive_number("92,5"), positive_number("120 BPM"), positive_number(True), positive_number("-2")
    (92.5, 120.0, None, None)
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value) if 0 < value < 1e6 else None
    match = _NUMBER.fullmatch(value[:40]) if isinstance(value, str) else None
    number = float(match[1].replace(",", ".")) if match else 0.0
    return number if 0 < number < 1e6 else None


def facts_of_row(row: Mapping[str, object], origin: str) -> Facts:
    """Facts from a table row or JSON object whose keys are ours or common other names for them, whatever their values are."""
    values: dict[str, object] = {}
    known = {f.name for f in fields(Facts)} - {"origin", "events"}
    for raw_key, value in row.items():
        key = re.sub(r"[^a-z0-9]+", "_", str(raw_key).casefold()).strip("_")
        key = key if key in known else _ALIASES.get(key, "")
        if key and value not in (None, "") and not isinstance(value, (dict, list)):
            values.setdefault(key, value)
    beats = positive_number(values.get("beats_per_bar"))
    texts = {key: clean(value) for key, value in values.items() if key not in ("bpm", "bars", "beats_per_bar", "discard")}
    texts["split"] = SPLIT_NAMES.get(texts.get("split", "").lower(), "")
    return Facts(
        bpm=positive_number(values.get("bpm")),
        bars=positive_number(values.get("bars")),
        beats_per_bar=int(beats) if beats and 1 <= beats <= 64 else None,
        discard=_discard(values.get("discard")),
        **texts,  # type: ignore[arg-type]
        origin=origin,
    )


def _discard(value: object) -> str:
    """A reason to leave a file out: a text that says one, or a plain yes."""
    text = clean(value if value is not None else "")
    if text.lower() in _NO or text == "0.0":
        return ""
    return "its metadata says to discard it" if text.lower() in _YES else f"discarded: {text}"


def read_json_sidecar(audio: Path) -> Facts | None:
    """Facts from `<file>.json` or `<file without suffix>.json` beside an audio file; None if there is none.

    Raises InputError, one line saying why it was not used, if there is one that cannot be read as an object.
    """
    for path in (audio.with_name(audio.name + ".json"), audio.with_suffix(".json")):
        if not os.path.lexists(path):
            continue
        value = read_json(path)
        if isinstance(value, dict):
            return facts_of_row(value, path.name)
        raise InputError(f"{path.name} was not used: it holds no object of names and values.")
    return None
