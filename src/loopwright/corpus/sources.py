"""What synth loops are made of: single-cycle waveforms, sampled notes and chord progressions, by side of the split."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from loopwright.arrays import Float32, Int16
from loopwright.config import SPLITS
from loopwright.corpus.groove import read_table
from loopwright.corpus.notes import MAJOR, MINOR, Chord, parse_numeral
from loopwright.corpus.sides import FM_SIDES, GROUP_SIDES, INSTRUMENT_SIDES, SHARES, side_of
from loopwright.errors import InputError

INSTRUMENT_STYLES = {
    "lately_bass": ("bass", "arp", "lead"),
    "new_age_pad": ("pad", "chords", "arp"),
    "sonicpi_bass": ("bass",),
    "synth_bass_lead": ("bass", "lead", "arp"),
}
INSTRUMENT_CENTS = {"lately_bass": 3.2}  # how sharp a whole instrument was recorded
UNTUNED = frozenset({"sonicpi_bass/bass_hit_c.flac", "sonicpi_bass/bass_drop_c.flac", "sonicpi_bass/bass_hard_c.flac"})


@dataclass(frozen=True)
class Progression:
    """A chord progression in Roman numerals, already read."""

    row: int
    mode: str  # major, minor or modal
    chords: tuple[Chord, ...]
    scale: tuple[int, ...]  # degrees to play over it, in semitones
    minor: bool  # its tonic chord
    split: str


@dataclass(frozen=True)
class SampledNote:
    """A recorded note."""

    midi: float  # as measured against A440
    samples: Float32
    rate_hz: int


class Sources:
    """Waveforms, sampled instruments and progressions, each sorted by side of the split.

    Raises InputError if a table or file is missing or broken, or a side is left with nothing.
    """

    def __init__(self, waveforms: Path, tonal: Path, chords: Path) -> None:
        self.cycles = _read_cycles(waveforms / "akwf_600.npy")
        self.groups: dict[str, dict[str, list[int]]] = {split: {} for split in SPLITS}
        for row in read_table(waveforms / "akwf_600.csv", {"row", "group"}):
            number, group = int(row["row"]), row["group"].removeprefix("AKWF_")
            if not 0 <= number < len(self.cycles):
                raise InputError(f"{waveforms / 'akwf_600.csv'}: row {number} is not in akwf_600.npy.")
            if sounds_at_its_pitch(self.cycles[number]):
                self.groups[side_of(group, GROUP_SIDES)].setdefault(group, []).append(number)
        self.instruments = _read_instruments(tonal)
        self.progressions: dict[str, list[Progression]] = defaultdict(list)
        for progression in _read_progressions(chords / "progressions.csv"):
            self.progressions[progression.split].append(progression)
        self.fm = {split: [times for times, side in FM_SIDES.items() if side == split] for split in SPLITS}
        for split in SPLITS:
            if not self.groups[split]:
                raise InputError(f"{waveforms}: no waveform group for the {split} side ({', '.join(groups_of(split))}).")
            if {p.minor for p in self.progressions[split]} != {True, False}:
                raise InputError(f"{chords}: too few progressions: the {split} side has none in major or none in minor.")

    def sampled(self, split: str, style: str) -> list[str]:
        """Instruments of a split that suit a style."""
        return sorted(
            name
            for name in self.instruments
            if side_of(name, INSTRUMENT_SIDES) == split and style in INSTRUMENT_STYLES.get(name, ())
        )


def sounds_at_its_pitch(cycle: NDArray[np.integer] | NDArray[np.floating]) -> bool:
    """Whether a cycle, repeated, is heard as a note of that period: not silent, low harmonics strong, no shorter period in it.

    Three tenths of the power must be in the first four harmonics; a fiftieth outside the even ones, and outside every third.
    """
    power = np.abs(np.fft.rfft(np.asarray(cycle, dtype=np.float64)))[1:] ** 2
    if not power.any():
        return False
    share = power / power.sum()
    return bool(share[:4].sum() >= 0.3 and 1 - share[1::2].sum() >= 0.02 and 1 - share[2::3].sum() >= 0.02)


def _read_cycles(path: Path) -> Int16:
    try:
        cycles = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise InputError(f"no file {path}. Give the folder that holds it.") from error
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} is not a NumPy array ({error}).") from error
    if cycles.ndim != 2 or cycles.shape[1] < 64:
        raise InputError(f"{path}: expected one waveform a row, got shape {cycles.shape}.")
    out: Int16 = cycles
    return out


def _read_instruments(folder: Path) -> dict[str, list[SampledNote]]:
    out: dict[str, list[SampledNote]] = defaultdict(list)
    for row in read_table(folder / "index.csv", {"instrument", "file", "midi_note"}):
        if row["file"] in UNTUNED:
            continue
        try:
            samples, rate = soundfile.read(folder / row["file"], dtype="float32")
        except (OSError, soundfile.SoundFileError) as error:
            raise InputError(f"{folder / row['file']}: not readable as audio ({error}).") from error
        out[row["instrument"]].append(
            SampledNote(int(row["midi_note"]) + INSTRUMENT_CENTS.get(row["instrument"], 0.0) / 100, samples, rate)
        )
    return dict(out)


def _read_progressions(path: Path) -> list[Progression]:
    """Each distinct progression of the table. Within a mode, sides are given by rank of a hash, so shares are exact."""
    found: dict[tuple[str, bool], list[tuple[str, int, tuple[Chord, ...], tuple[int, ...]]]] = defaultdict(list)
    seen = set()
    for number, row in enumerate(read_table(path, {"group", "chords"})):
        text = f"{row['group']}:{row['chords']}"
        if text in seen:
            continue
        seen.add(text)
        try:
            chords = tuple(parse_numeral(name, row["group"]) for name in row["chords"].split())
        except ValueError as error:
            raise InputError(f"{path}, row {number + 1}: {error}.") from error
        scale, minor = scale_of(row["group"], chords)
        digest = hashlib.sha256(text.encode()).hexdigest()
        found[row["group"], minor].append((digest, number, chords, scale))
    out = []
    for (mode, minor), rows in found.items():
        rows.sort()
        each = max(round(SHARES["test"] * len(rows)), 1) if len(rows) >= len(SPLITS) else 0
        for place, (_, number, chords, scale) in enumerate(rows):
            split = SPLITS[1 + place // each] if each and place < each * len(SPLITS[1:]) else "train"
            out.append(Progression(number, mode, chords, scale, minor, split))
    return sorted(out, key=lambda progression: progression.row)


def scale_of(mode: str, chords: Sequence[Chord]) -> tuple[tuple[int, ...], bool]:
    """Scale degrees to play over a progression, in semitones, and whether its tonic is minor.

    For modal progressions: the notes of its chords, over a tonic triad if it has one.
    """
    if mode == "major":
        return MAJOR, False
    if mode == "minor":
        return MINOR, True
    home = [intervals for root, intervals in chords if root == 0]
    minor = bool(home) and 3 in home[0]
    tones = {(root + i) % 12 for root, intervals in chords for i in intervals}
    return tuple(sorted(tones | ({0, 3, 7} if minor else {0, 4, 7}))), minor


def groups_of(split: str) -> list[str]:
    """Waveform groups named for a far side."""
    return sorted(name for name, side in GROUP_SIDES.items() if side == split)
