"""The scores or patterns that a model brings along: bars of its training data, for generators that are given what they play.

They stand in the model file's header, so that both engines and exports have them. A seed draws one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from loopwright.audio.keys import Key, parse_key
from loopwright.data.licences import licence_family
from loopwright.data.prepared import PreparedData
from loopwright.errors import InputError
from loopwright.making.clip import Clip, clip_of_rows
from loopwright.making.draws import pick
from loopwright.models.config import GeneratorConfig
from loopwright.models.modelfile import ModelFile

FIELD = "bank"  # of the header
MOST = 512  # clips
FREE = ("cc0", "cc-by", "unlicense", "mit")  # licences whose notes a model may carry, with their attribution
DIGITS = 5


@dataclass(frozen=True)
class Bank:
    """Clips to draw from.

    Attributes:
        clips: in the file's order.
        licences: short names of the licences of the loops they are from.
        attributions: whom to name.
    """

    clips: tuple[Clip, ...]
    licences: tuple[str, ...] = ()
    attributions: tuple[str, ...] = ()

    def draw(self, seed: int) -> Clip:
        """The clip of a seed."""
        return replace(self.clips[pick(seed, "clip", len(self.clips))], credits=self.attributions)

    def to_json(self) -> dict[str, Any]:
        """For a header."""
        clips = [
            {"bars": clip.bars, "events": [list(event) for event in clip.events]}
            | ({"key": clip.key.name} if clip.key is not None else {})
            | ({"style": clip.style} if clip.style else {})
            for clip in self.clips
        ]
        return {"licences": list(self.licences), "attributions": list(self.attributions), "clips": clips}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], *, notes: bool, where: Path) -> Bank:
        """From a header. Raises InputError naming the file if it is damaged."""
        try:
            clips = tuple(
                clip_of_rows(
                    one["events"],
                    int(one["bars"]),
                    notes=notes,
                    key=parse_key(one["key"]) if "key" in one else None,
                    style=str(one.get("style", "")),
                )
                for one in values["clips"]
            )
            if not clips or not all(clip.events and 1 <= clip.bars <= 16 for clip in clips):
                raise ValueError("no clips, or empty ones")
            licences, attributions = (tuple(map(str, values[name])) for name in ("licences", "attributions"))
        except (KeyError, TypeError, ValueError, InputError) as error:
            raise InputError(f"{where} has a damaged bank of clips ({error}). Get or export it again.") from error
        return cls(clips, licences, attributions)

    @classmethod
    def of_data(cls, data: PreparedData, config: GeneratorConfig, *, most: int = MOST, seed: int = 0) -> Bank:
        """Training bars whose events are known and whose licences are free, as many as `most`, drawn evenly.

        Raises InputError if there is none.
        """
        notes = config.kind == "pitch-grid"
        rows = np.random.default_rng(seed).permutation(data.indices("train"))
        clips: list[Clip] = []
        licences: set[str] = set()
        attributions: set[str] = set()
        for row in rows:
            record = data.records[int(row)]
            if licence_family(str(record.get("licence", ""))) not in FREE:
                continue
            clip = _clip_of_record(record, data.bars, notes=notes)
            if clip is None:
                continue
            clips.append(clip)
            licences.add(str(record["licence"]))
            attributions |= {str(record["attribution"])} if record.get("attribution") else set()
            if len(clips) == most:
                break
        if not clips:
            raise InputError(
                f"{data.path} has no training bars whose {'notes' if notes else 'hits'} are known and whose licence lets "
                "a model carry them (CC0, CC-BY)."
            )
        return cls(tuple(clips), tuple(sorted(licences)), tuple(sorted(attributions)))


def _clip_of_record(record: Mapping[str, Any], bars: int, *, notes: bool) -> Clip | None:
    """The clip of a prepared row; None if its events are not known, or of the other kind."""
    rows = [event for event in record.get("events") or [] if isinstance(event[0], str) != notes]
    short, style = [[_short(x) for x in row] for row in rows], str(record.get("style") or "")
    clip = clip_of_rows(short, bars, notes=notes, key=_key_of_record(record), style=style)
    return clip if clip.events else None


def _short(value: Any) -> Any:
    return round(value, DIGITS) if isinstance(value, float) else value


def _key_of_record(record: Mapping[str, Any]) -> Key | None:
    try:
        return parse_key(str(record.get("key") or ""))
    except InputError:
        return None


def bank_of(file: ModelFile) -> Bank | None:
    """The bank of a model that is given what it plays: its own; of a run, that of the data it learns from; None without.

    Raises InputError if the file's own is damaged.
    """
    config = file.sizes.config
    if not config.given:
        return None
    if FIELD in file.header:
        return Bank.from_json(file.header[FIELD], notes=config.kind == "pitch-grid", where=file.path)
    folder = _data_of_run(file.path)
    return Bank.of_data(PreparedData.open(folder), config) if folder is not None else None


def _data_of_run(path: Path) -> Path | None:
    """The prepared folder of the run that a checkpoint lies in, if it is still there."""
    try:
        values = json.loads((path.parent.parent / "config.json").read_text(encoding="utf-8"))
        folder = Path(values["data"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return folder if (folder / "stats.json").is_file() else None
