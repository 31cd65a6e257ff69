"""Drum kits of one-shots: velocity layers, the split by kit, and what stands in for a missing instrument."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import soundfile

from loopwright.arrays import Float32, Int16
from loopwright.config import SPLITS
from loopwright.corpus.groove import ROLES, read_table
from loopwright.corpus.sides import KIT_SIDES, side_of
from loopwright.errors import InputError

# What kind of drums a kit is; kits not named are electronic.
FAMILIES = {
    "muldjord": "acoustic", "sonicpi_acoustic": "acoustic", "gogodze_close": "acoustic", "gogodze_room": "acoustic",
    "gogodze_retro": "acoustic", "pearl_master": "acoustic", "frankensnare": "acoustic", "meadowlark_kicks": "acoustic",
    "world_percussion": "percussion", "cajon_bobobo": "percussion", "sonicpi_tabla": "percussion",
    "body_percussion": "percussion",
}  # fmt: skip
ESSENTIAL = ("kick", "snare")  # a bank with these and a hat, or hands, can be the base of a loop
BASE_EXTRA = frozenset({"cajon_bobobo"})  # a base although it has no hats: those come from a neighbour

ATTRIBUTIONS = {
    "muldjord": (
        "MuldjordKit by Lars Muldjord, FreePats version by roberto@zenvoid.org, CC BY 4.0 "
        "(drum samples provided by DrumGizmo.org)"
    ),
    "pearl_master": "Pearl Master Studio Pack 1 by enoe, CC BY 3.0",
    "tr909_noisecollector": "Freesound user NoiseCollector, CC BY",
    "house_dwsd": "Freesound user DWSD, CC BY",
    "minimal_by": "Freesound users ZeSoundResearchInc., altemark and oceanictrancer, CC BY",
}

# If a kit lacks a role: (role to take instead, semitones). Tried in turn inside the kit, then the role itself in a neighbour,
# then the stand-ins there.
STAND_INS: dict[str, tuple[tuple[str, float], ...]] = {
    "clap": (("snare", 2.0),),
    "rim": (("clap", 5.0), ("snare", 7.0)),
    "hat_closed": (),
    "hat_open": (),
    "tom_low": (("tom_mid", -5.0), ("tom_high", -8.0)),
    "tom_mid": (("tom_low", 4.0), ("tom_high", -4.0)),
    "tom_high": (("tom_mid", 5.0), ("tom_low", 8.0)),
    "ride": (),
    "crash": (("ride", -3.0),),
    "perc": (("rim", 0.0), ("cowbell", 0.0)),
    "cowbell": (("perc", 0.0),),
    "kick": (("tom_low", -7.0),),
    "snare": (("clap", -2.0),),
}
LAST_RESORT = {"ride": (("crash", 4.0), ("hat_open", -3.0))}  # where a whole side has neither the role nor a stand-in


@dataclass(frozen=True)
class Voice:
    """One instrument of a kit: its velocity layers, softest first."""

    kit: str
    role: str
    variant: str
    articulation: str
    files: tuple[str, ...]
    peaks_db: tuple[float, ...]  # of each layer
    licences: tuple[str, ...]

    def layer(self, velocity: float) -> int:
        """Index of the layer for a velocity of 0 to 1; layers share the range evenly."""
        return min(int(velocity * len(self.files)), len(self.files) - 1)


@dataclass(frozen=True)
class Part:
    """A voice in a loop, played `semitones` higher than recorded."""

    voice: Voice
    semitones: float


class OneShots:
    """All one-shots of a folder laid out as `<kit>/<role>_<nn>.flac` with an `index.csv`.

    Raises InputError if the index or a file is missing or unreadable, or a side of the split has no kit with kick, snare and
    hats.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        columns = {"kit", "role", "file", "variant", "layer", "n_layers", "articulation", "peak_dbfs", "license"}
        groups: dict[tuple[str, str, str], list[dict[str, str]]] = defaultdict(list)
        for row in read_table(self.folder / "index.csv", columns):
            if row["role"] not in ROLES:
                raise InputError(f"{self.folder / 'index.csv'}: unknown role {row['role']!r}; known are {', '.join(ROLES)}.")
            groups[row["kit"], row["role"], row["variant"]].append(row)
        self.voices: dict[tuple[str, str], list[Voice]] = defaultdict(list)
        for (kit, role, variant), rows in groups.items():
            rows.sort(key=lambda row: int(row["layer"]))
            voice = Voice(
                kit,
                role,
                variant,
                rows[0]["articulation"],
                tuple(row["file"] for row in rows),
                tuple(float(row["peak_dbfs"]) for row in rows),
                tuple(sorted({row["license"] for row in rows})),
            )
            self.voices[kit, role].append(voice)
        self.kits = sorted({kit for kit, _ in self.voices})
        if poor := [side for side in SPLITS if not self.bases(side)]:
            raise InputError(
                f"{self.folder}: no kit with kick, snare and hats for {', '.join(poor)}. Far sides play these alone: "
                + "; ".join(f"{side}: {', '.join(k for k, v in KIT_SIDES.items() if v == side)}" for side in SPLITS[1:])
                + ". All other kits train."
            )

    @cached_property
    def samples(self) -> dict[str, Int16]:
        """File name -> int16 mono samples at the library's rate (`rate_hz`), read once."""
        out: dict[str, Int16] = {}
        for voices in self.voices.values():
            for voice in voices:
                for name in voice.files:
                    out[name] = self._read(name)
        return out

    rate_hz = 44_100

    def _read(self, name: str) -> Int16:
        try:
            samples, rate = soundfile.read(self.folder / name, dtype="int16")
        except (OSError, soundfile.SoundFileError) as error:
            raise InputError(f"{self.folder / name}: not readable as audio ({error}).") from error
        if rate != self.rate_hz or samples.ndim != 1 or not len(samples):
            raise InputError(f"{self.folder / name}: one-shots must be mono at {self.rate_hz} Hz.")
        result: Int16 = samples
        return result

    def read_float(self, name: str) -> Float32:
        """Samples of a file in -1 .. 1."""
        return self.samples[name].astype(np.float32) / np.float32(32768)

    def has(self, kit: str, role: str) -> bool:
        """Whether a kit has a role itself."""
        return (kit, role) in self.voices

    def bases(self, side: str, *, family: str | None = None) -> list[str]:
        """Kits of one side of the split that can carry a loop, by name."""
        return [
            kit
            for kit in self.kits
            if side_of(kit, KIT_SIDES) == side
            and all(self.has(kit, role) for role in ESSENTIAL)
            and ((self.has(kit, "hat_closed") and self.has(kit, "hat_open")) or kit in BASE_EXTRA)
            and (family is None or FAMILIES.get(kit, "electronic") == family)
        ]

    def others(self, role: str, like: str, *, any_family: bool = False) -> list[str]:
        """Kits on `like`'s side of the split that have `role`: of the same family, or of any if there is none."""
        side = side_of(like, KIT_SIDES)
        found = [kit for kit in self.kits if self.has(kit, role) and kit != like and side_of(kit, KIT_SIDES) == side]
        family = FAMILIES.get(like, "electronic")
        return (not any_family and [kit for kit in found if FAMILIES.get(kit, "electronic") == family]) or found

    def choose(self, role: str, kit: str, rng: np.random.Generator, *, swap: float = 0.0) -> list[Part]:
        """Voices that play `role` in a loop based on `kit`: one main voice, first, and its alternatives in the same kit.

        With probability `swap` the role is borrowed from a neighbour of the same family and the same side of the split.
        Empty only if the whole side has neither the role nor a stand-in.
        """
        donors = self.others(role, kit)
        if donors and rng.random() < swap:
            return self._parts(donors[rng.integers(len(donors))], role, 0.0, rng)
        if self.has(kit, role):
            return self._parts(kit, role, 0.0, rng)
        for other, semitones in STAND_INS[role]:
            if self.has(kit, other):
                return self._parts(kit, other, semitones, rng)
        if donors:
            return self._parts(donors[rng.integers(len(donors))], role, 0.0, rng)
        for other, semitones in STAND_INS[role] or LAST_RESORT.get(role, ()):
            if near := self.others(other, kit):
                return self._parts(near[rng.integers(len(near))], other, semitones, rng)
        return []

    def second(self, role: str, kit: str, rng: np.random.Generator) -> Part | None:
        """A voice to lay over `role`: from any other kit of the same side, whatever its family; None if there is none."""
        donors = self.others(role, kit, any_family=True)
        return self._parts(donors[rng.integers(len(donors))], role, 0.0, rng)[0] if donors else None

    def _parts(self, kit: str, role: str, semitones: float, rng: np.random.Generator) -> list[Part]:
        voices = self.voices[kit, role]
        order = rng.permutation(len(voices))
        return [Part(voices[i], semitones) for i in order]


def licence_of(parts: list[Part], *, groove: bool) -> str:
    """The licence with the most duties among all that went into a loop, as an SPDX name."""
    names = {name for part in parts for name in part.voice.licences}
    if groove or "CC-BY-4.0" in names or any(name.startswith("CC-BY (") for name in names):
        return "CC-BY-4.0"
    if "CC-BY-3.0" in names:
        return "CC-BY-3.0"
    return "Unlicense" if "Unlicense" in names and "CC0-1.0" not in names else "CC0-1.0"
