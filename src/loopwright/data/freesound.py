"""The Freesound Loop Dataset (FSL10K, Ramires et al., ISMIR 2020; arXiv 2008.11507) as released.

    FSL10K/
      metadata.json              {"<sound id>": {username, name, license (URL), tags, pack_name, annotations: {bpm, ...}, ...}}
      audio/wav/<sound id>_<user id>.wav  (or <sound id>.wav, or in audio/original/)
      annotations/<annotator>/sound-<id>.json   {instrumentation: {percussion, bass, chords, melody, fx, vocal}, bpm, signature,
                                                 key, mode, well_cut, discard, genres}
      fs_analysis/, ac_analysis/ (not needed)

Only a name is taken from a file's path: its sound id, the digits it begins with.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from loopwright.data.clues import normal_key
from loopwright.data.facts import Facts, positive_number
from loopwright.data.licences import normal_licence
from loopwright.errors import InputError

_SOUND_ID = re.compile(r"(\d+)(?:[_.\-]|$)")
INSTRUMENTS = ("percussion", "bass", "chords", "melody", "fx", "vocal")


def is_freesound(folder: Path) -> bool:
    """Whether a folder is laid out as the data set is."""
    return (folder / "metadata.json").is_file() and ((folder / "annotations").is_dir() or (folder / "audio").is_dir())


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path} ({error}). Get the data set's file again.") from error


def _annotations(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """All annotators' opinions by sound id. One that cannot be read is as if it had not been given."""
    out: dict[str, list[dict[str, Any]]] = {}
    for path in sorted((folder / "annotations").glob("*/sound-*.json")):
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(value, dict):
            out.setdefault(path.stem.removeprefix("sound-"), []).append(value)
    return out


def _vote(values: Iterable[Any]) -> Any:
    """The most frequent value; the first of equals; None if there is none."""
    counts = Counter(value for value in values if value not in (None, ""))
    return counts.most_common(1)[0][0] if counts else None


def _kind(notes: list[dict[str, Any]]) -> str:
    """What a majority hears: "drum" for percussion alone, "synth" for anything with pitch, "" where nobody said."""
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
        return "mixed" if "percussion" in present else "synth"
    return "drum" if "percussion" in present else "other"


def _facts(sound: dict[str, Any], notes: list[dict[str, Any]]) -> Facts:
    stated = sound.get("annotations")
    stated = stated if isinstance(stated, dict) else {}
    bpm = positive_number(_vote(note.get("bpm") for note in notes)) or positive_number(stated.get("bpm", ""))
    signature = str(_vote(note.get("signature") for note in notes) or stated.get("signature") or "")
    beats = positive_number(signature.split("/")[0])
    key = str(_vote(note.get("key") for note in notes) or stated.get("key") or "").strip()
    mode = str(_vote(note.get("mode") for note in notes) or stated.get("mode") or "").strip().lower()
    mode = mode if mode in ("major", "minor", "maj", "min") else ""
    genres = [genre for note in notes for genre in note.get("genres") or [] if isinstance(genre, str)]
    user, pack = str(sound.get("username") or ""), str(sound.get("pack_name") or "")
    discard = ""
    if notes and 2 * sum(bool(note.get("discard")) for note in notes) > len(notes):
        discard = "its annotators discarded it"
    elif notes and 2 * sum(note.get("well_cut") is False for note in notes) > len(notes):
        discard = "its annotators found it badly cut"
    name = str(sound.get("name") or "")
    return Facts(
        bpm=bpm,
        beats_per_bar=int(beats) if beats and 2 <= beats <= 7 else None,
        key=normal_key(f"{key} {mode}".strip()) if key.lower() not in ("", "none", "unknown") else "",
        # people repeat themselves across their packs, so the uploader is the unit
        source=f"user:{user}" if user else (f"pack:{pack}" if pack else ""),
        style=str(_vote(genres) or ""),
        kind=_kind(notes),
        licence=normal_licence(str(sound.get("license") or "")),
        attribution=f"{name} by {user} (freesound.org)" if user else "",
        discard=discard,
        origin="metadata.json",
    )


def read_freesound(folder: Path) -> dict[str, Facts]:
    """Facts by sound id. Raises InputError if metadata.json cannot be read."""
    sounds = _read_json(folder / "metadata.json")
    if not isinstance(sounds, dict):
        raise InputError(f"{folder / 'metadata.json'} should hold an object of sounds by id. Get the data set's file again.")
    notes = _annotations(folder)
    return {str(ident): _facts(sound, notes.get(str(ident), [])) for ident, sound in sounds.items() if isinstance(sound, dict)}


def sound_id(name: str) -> str:
    """The sound id a file's name begins with; "" if it does not."""
    match = _SOUND_ID.match(name.rsplit("/", 1)[-1])
    return match[1] if match else ""
