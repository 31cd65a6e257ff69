"""The Freesound Loop Dataset (FSL10K, Ramires et al., ISMIR 2020; arXiv 2008.11507) as released.

    FSL10K/
      metadata.json              {"<sound id>": {username, name, license (URL), tags, pack_name, annotations: {bpm, ...}, ...}}
      audio/wav/<sound id>_<user id>.wav  (or <sound id>.wav, or in audio/original/)
      annotations/<annotator>/sound-<id>.json   {instrumentation: {percussion, bass, chords, melody, fx, vocal}, bpm,
                                                 defined_tempo, signature, key, mode, well_cut, discard, save_for_later, genres}
      fs_analysis/, ac_analysis/ (not needed)

Only a name is taken from a file's path: its sound id, the digits it begins with.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from loopwright.data.clues import normal_key
from loopwright.data.facts import Facts, positive_number
from loopwright.data.licences import normal_licence
from loopwright.data.texts import clean, read_json
from loopwright.errors import InputError

_SOUND_ID = re.compile(r"(\d+)(?:[_.\-]|$)")
INSTRUMENTS = ("percussion", "bass", "chords", "melody", "fx", "vocal")


def is_freesound(folder: Path) -> bool:
    """Whether a folder is laid out as the data set is."""
    return (folder / "metadata.json").is_file() and ((folder / "annotations").is_dir() or (folder / "audio").is_dir())


def _annotations(folder: Path) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """All annotators' opinions by sound id, and what could not be read: such a one is as if it had not been given."""
    out: dict[str, list[dict[str, Any]]] = {}
    torn: list[str] = []
    for path in sorted((folder / "annotations").glob("*/sound-*.json")):
        try:
            value = read_json(path)
        except InputError:
            value = None
        if isinstance(value, dict):
            out.setdefault(path.stem.removeprefix("sound-"), []).append(value)
        else:
            torn.append(f"{path.parent.name}/{path.name}")
    return out, torn


def _vote(values: Iterable[Any]) -> Any:
    """The most frequent value; the first of equals; None if there is none."""
    counts = Counter(value for value in values if isinstance(value, (str, int, float)) and value != "")
    return counts.most_common(1)[0][0] if counts else None


def _kind(notes: list[dict[str, Any]]) -> str:
    """What a majority hears: "drums" for percussion alone, "tonal" for anything with pitch, "" where nobody said."""
    heard = dict.fromkeys(INSTRUMENTS, 0)
    for note in notes:
        parts = note.get("instrumentation")
        if isinstance(parts, dict):
            for name in INSTRUMENTS:
                heard[name] += bool(parts.get(name))
    present = {name for name, count in heard.items() if 2 * count > len(notes)}
    if not present:
        return ""
    if present & {"bass", "chords", "melody"}:
        return "both" if "percussion" in present else "tonal"
    return "drums" if "percussion" in present else "other"


def _text(value: object) -> str:
    """A value that should be text, as such; "" if it is none."""
    return clean(value) if isinstance(value, str) else ""


def _facts(sound: dict[str, Any], notes: list[dict[str, Any]]) -> Facts:
    notes = [note for note in notes if note.get("save_for_later") is not True]  # no opinion yet
    stated = sound.get("annotations")
    stated = stated if isinstance(stated, dict) else {}
    stated = {name: value for name, value in stated.items() if isinstance(value, (str, int, float))}
    bpm = positive_number(
        _vote(note.get("bpm") for note in notes if note.get("defined_tempo") is not False)
    ) or positive_number(stated.get("bpm"))
    signature = str(_vote(note.get("signature") for note in notes) or stated.get("signature") or "")
    beats = positive_number(signature.split("/")[0])
    key = clean(_vote(note.get("key") for note in notes) or stated.get("key") or "")
    mode = str(_vote(note.get("mode") for note in notes) or stated.get("mode") or "").strip().lower()
    mode = mode if mode in ("major", "minor", "maj", "min") else ""
    said = [note.get("genres") for note in notes]
    genres = [genre for one in said if isinstance(one, list) for genre in one if isinstance(genre, str)]
    user, pack, name, licence = (_text(sound.get(field)) for field in ("username", "pack_name", "name", "license"))
    discard = ""
    if notes and 2 * sum(bool(note.get("discard")) for note in notes) > len(notes):
        discard = "its annotators discarded it"
    elif notes and 2 * sum(note.get("well_cut") is False for note in notes) > len(notes):
        discard = "its annotators found it badly cut"
    return Facts(
        bpm=bpm,
        beats_per_bar=int(beats) if beats and 2 <= beats <= 7 else None,
        key=normal_key(f"{key} {mode}".strip()) if key.lower() not in ("", "none", "unknown") else "",
        # people repeat themselves across their packs, so the uploader is the unit
        source=f"user:{user}" if user else (f"pack:{pack}" if pack else ""),
        style=clean(_vote(genres) or ""),
        kind=_kind(notes),
        licence=normal_licence(licence),
        attribution=f"{name} by {user} (freesound.org)" if user else "",
        discard=discard,
        origin="metadata.json",
    )


def read_freesound(folder: Path) -> dict[str, Facts]:
    """Facts by sound id. Raises InputError if metadata.json cannot be read."""
    facts, _ = read_sounds(folder)
    return facts


def read_sounds(folder: Path) -> tuple[dict[str, Facts], list[str]]:
    """Facts by sound id, and lines about what could not be read. Raises InputError if metadata.json cannot be read."""
    sounds = read_json(folder / "metadata.json")
    if not isinstance(sounds, dict):
        raise InputError(f"{folder / 'metadata.json'} was not used: it should hold an object of sounds by id.")
    notes, torn = _annotations(folder)
    said = [f"{len(torn)} annotations cannot be read, e.g. {torn[0]}"] if torn else []
    wrong = [str(ident) for ident, sound in sounds.items() if not isinstance(sound, dict)]
    if wrong:
        said.append(f"metadata.json: {len(wrong)} entries are no sounds, e.g. {clean(wrong[0], 40)}")
    facts = {str(ident): _facts(sound, notes.get(str(ident), [])) for ident, sound in sounds.items() if isinstance(sound, dict)}
    return facts, said


def sound_id(name: str) -> str:
    """The sound id a file's name begins with; "" if it does not."""
    match = _SOUND_ID.match(name.rsplit("/", 1)[-1])
    return match[1] if match else ""
