"""Render synth bars: bass lines, arpeggios, chords, pads and leads from single-cycle waveforms and sampled notes.

Waveform groups, sampled instruments and chord progressions each belong to one side of the split. As with drums, every
tail and effect goes round the bar.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from loopwright.corpus.circular import Floats, Spectrum, add_wrapped, biquad, echo
from loopwright.corpus.groove import BAR_SAMPLES, STEP_SAMPLES, read_table
from loopwright.corpus.notes import KEY_NAMES, MAJOR, MINOR, PARTS, Chord, Note, parse_numeral
from loopwright.corpus.rooms import N_ROOMS, Rooms
from loopwright.corpus.synthesis import RATE_HZ, Envelope, Timbre, chorus, harmonics_of, play
from loopwright.errors import InputError

SYNTH_STYLES = tuple(PARTS)
SPLITS = ("train",) * 8 + ("validation", "test")

# Waveform groups and instruments that training loops never use; both sides have plain, played and odd ones.
GROUP_SPLITS = {
    **dict.fromkeys(
        ("0005", "0015", "aguitar", "bw_sawrounded", "ebass", "fmsynth", "piano", "flute", "vgamebasic"), "validation"
    ),
    **dict.fromkeys(
        ("0010", "0016", "eguitar", "bw_squrounded", "dbass", "overtone", "epiano", "clavinet", "cello", "hvoice"), "test"
    ),
}
INSTRUMENT_SPLITS = {"sonicpi_bass": "validation", "synth_bass_lead": "test"}
INSTRUMENT_STYLES = {
    "lately_bass": ("bass", "arp", "lead"),
    "new_age_pad": ("pad", "chords", "arp"),
    "sonicpi_bass": ("bass",),
    "synth_bass_lead": ("bass", "lead", "arp"),
}
SAMPLED_SHARE = 0.15  # of loops, where the split and style have an instrument


@dataclass(frozen=True)
class Progression:
    """A chord progression in Roman numerals, already read."""

    row: int
    mode: str  # major, minor or modal
    chords: tuple[Chord, ...]
    split: str


@dataclass(frozen=True)
class SampledNote:
    """A recorded note."""

    midi: int
    samples: Floats
    rate_hz: int


class Sources:
    """Waveforms, sampled instruments and progressions, each sorted by side of the split.

    Raises InputError if a table or file is missing or broken, or a side is left with nothing.
    """

    def __init__(self, waveforms: Path, tonal: Path, chords: Path) -> None:
        self.cycles = _read_cycles(waveforms / "akwf_600.npy")
        self.groups: dict[str, dict[str, list[int]]] = {split: {} for split in set(SPLITS)}
        for row in read_table(waveforms / "akwf_600.csv", {"row", "group"}):
            number, group = int(row["row"]), row["group"].removeprefix("AKWF_")
            if not 0 <= number < len(self.cycles):
                raise InputError(f"{waveforms / 'akwf_600.csv'}: row {number} is not in akwf_600.npy.")
            if self.cycles[number].max() > self.cycles[number].min():
                self.groups[GROUP_SPLITS.get(group, "train")].setdefault(group, []).append(number)
        self.instruments = _read_instruments(tonal)
        self.progressions: dict[str, list[Progression]] = defaultdict(list)
        for progression in _read_progressions(chords / "progressions.csv"):
            self.progressions[progression.split].append(progression)
        for split in set(SPLITS):
            if not self.groups[split] or not self.progressions[split]:
                raise InputError(f"{waveforms} and {chords}: no waveform group or no progression for the {split} split.")

    def sampled(self, split: str, style: str) -> list[str]:
        """Instruments of a split that suit a style."""
        return sorted(
            name
            for name in self.instruments
            if INSTRUMENT_SPLITS.get(name, "train") == split and style in INSTRUMENT_STYLES.get(name, ())
        )


def _read_cycles(path: Path) -> NDArray[np.int16]:
    try:
        cycles = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise InputError(f"no file {path}. Give the folder that holds it.") from error
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} is not a NumPy array ({error}).") from error
    if cycles.ndim != 2 or cycles.shape[1] < 64:
        raise InputError(f"{path}: expected one waveform a row, got shape {cycles.shape}.")
    out: NDArray[np.int16] = cycles
    return out


def _read_instruments(folder: Path) -> dict[str, list[SampledNote]]:
    out: dict[str, list[SampledNote]] = defaultdict(list)
    for row in read_table(folder / "index.csv", {"instrument", "file", "midi_note"}):
        try:
            samples, rate = soundfile.read(folder / row["file"], dtype="float32")
        except (OSError, soundfile.SoundFileError) as error:
            raise InputError(f"{folder / row['file']}: not readable as audio ({error}).") from error
        out[row["instrument"]].append(SampledNote(int(row["midi_note"]), samples, rate))
    return dict(out)


def _read_progressions(path: Path) -> list[Progression]:
    out = []
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
        part = int(hashlib.sha256(text.encode()).hexdigest(), 16) % 10
        out.append(Progression(number, row["group"], chords, {0: "validation", 1: "test"}.get(part, "train")))
    return out


@dataclass(frozen=True)
class SynthPlan:
    """What a loop plays and with what, before any sound is made."""

    style: str
    split: str
    key: str
    notes: tuple[Note, ...]
    kit: str  # waveform group or instrument
    timbre: Timbre | None  # None: the instrument `kit` plays
    amp: Envelope  # for an instrument
    source: str


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    """A draw that is even on the log scale."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


# style -> attack, decay, sustain, release; cutoff; octaves of the filter envelope; most voices. (low, high) each.
_SHAPES: dict[str, tuple[tuple[float, float], ...]] = {
    "bass": ((0.001, 0.008), (0.1, 0.6), (0.15, 0.95), (0.03, 0.12), (90, 900), (0.0, 4.5), (1, 2)),
    "arp": ((0.001, 0.01), (0.08, 0.5), (0.0, 0.6), (0.04, 0.4), (250, 4000), (0.0, 3.5), (1, 2)),
    "chords": ((0.001, 0.02), (0.1, 0.8), (0.1, 0.9), (0.04, 0.4), (200, 4000), (0.0, 3.0), (1, 3)),
    "pad": ((0.08, 0.6), (0.4, 1.5), (0.6, 1.0), (0.2, 0.9), (250, 3500), (-0.5, 2.0), (2, 4)),
    "lead": ((0.002, 0.05), (0.1, 0.7), (0.4, 1.0), (0.04, 0.3), (500, 6000), (0.0, 2.5), (1, 3)),
}


def draw_timbre(sources: Sources, rows: Sequence[int], style: str, rng: np.random.Generator) -> Timbre:
    """A sound for a style from waveforms of one group: one cycle, or two mixed."""
    attack, decay, sustain, release, cutoff, octaves, voices = _SHAPES[style]
    harmonics = harmonics_of(sources.cycles[rows[int(rng.integers(len(rows)))]])
    if rng.random() < 0.4:
        other = harmonics_of(sources.cycles[rows[int(rng.integers(len(rows)))]])
        share = rng.uniform(0.25, 0.6)
        harmonics = harmonics * (1 - share) + other * share
    slow = style == "pad"
    return Timbre(
        harmonics=harmonics,
        amp=Envelope(_between(rng, *attack), _between(rng, *decay), rng.uniform(*sustain), _between(rng, *release)),
        filter_env=Envelope(
            _between(rng, 0.2, 1.0) if slow else _between(rng, 0.001, 0.03), _between(rng, 0.05, 0.7), rng.uniform(0, 0.5), 0.15
        ),
        cutoff_hz=_between(rng, *cutoff),
        env_octaves=rng.uniform(*octaves),
        resonance=rng.uniform(0, 2.2) if rng.random() < 0.5 else 0.0,
        slope=float(rng.choice([1.0, 2.0, 2.0, 4.0])),
        track=rng.uniform(0.2, 1.0),
        voices=int(rng.integers(int(voices[0]), int(voices[1]) + 1)),
        detune_cents=_between(rng, 4, 22),
        sub=rng.uniform(0.1, 0.6) if style == "bass" and rng.random() < 0.5 else 0.0,
        noise=rng.uniform(0.005, 0.05) if rng.random() < 0.2 else 0.0,
        vibrato_cents=rng.uniform(5, 25) if style == "lead" and rng.random() < 0.5 else 0.0,
    )


def plan_synth(sources: Sources, number: int, seed: int) -> tuple[SynthPlan, np.random.Generator]:
    """Decide loop `number`, and give the generator to render it with. Styles come in turn, splits 8 : 1 : 1."""
    rng = np.random.default_rng([seed, 31, number])
    style, split = SYNTH_STYLES[number % len(SYNTH_STYLES)], SPLITS[number // len(SYNTH_STYLES) % 10]
    choices = sources.progressions[split]
    progression = choices[rng.integers(len(choices))]
    size = min(int(rng.choice([1, 2, 4], p=[0.4, 0.35, 0.25])), len(progression.chords))
    first = int(rng.integers(len(progression.chords)))
    chords = [progression.chords[(first + i) % len(progression.chords)] for i in range(size)]
    tonic = int(rng.integers(12))
    scale, minor = scale_of(progression)
    notes = PARTS[style](rng, chords, tonic, scale)
    sampled = sources.sampled(split, style)
    if sampled and rng.random() < SAMPLED_SHARE:
        kit, timbre = sampled[rng.integers(len(sampled))], None
    else:
        groups = sources.groups[split]
        weights = np.sqrt([len(rows) for rows in groups.values()])
        kit = list(groups)[rng.choice(len(groups), p=weights / weights.sum())]
        timbre = draw_timbre(sources, groups[kit], style, rng)
    _, decay, sustain, release = _SHAPES[style][:4]
    amp = Envelope(0.002, _between(rng, *decay), rng.uniform(*sustain), _between(rng, *release))
    plan = SynthPlan(
        style=style,
        split=split,
        key=KEY_NAMES[tonic] + ("min" if minor else "maj"),
        notes=tuple(notes),
        kit=kit,
        timbre=timbre,
        amp=amp,
        source=f"synth/{kit}/progression-{progression.row:03d}",
    )
    return plan, rng


def scale_of(progression: Progression) -> tuple[tuple[int, ...], bool]:
    """Scale degrees to play over a progression, in semitones, and whether its tonic is minor.

    For modal progressions: the notes of its chords, over a tonic triad if it has one.
    """
    if progression.mode == "major":
        return MAJOR, False
    if progression.mode == "minor":
        return MINOR, True
    home = [intervals for root, intervals in progression.chords if root == 0]
    minor = bool(home) and 3 in home[0]
    tones = {(root + i) % 12 for root, intervals in progression.chords for i in intervals}
    return tuple(sorted(tones | ({0, 3, 7} if minor else {0, 4, 7}))), minor


def play_sampled(notes: Sequence[SampledNote], midi: int, gate_samples: int, velocity: float, amp: Envelope) -> Floats:
    """One note of a sampled instrument: the nearest recording, resampled, under an envelope."""
    distances = np.array([abs(note.midi - midi) for note in notes])
    note = notes[int(distances.argmin())]
    ratio = 2 ** ((midi - note.midi) / 12)
    curve = amp.curve(gate_samples)
    needed = min(len(note.samples), int(len(curve) * ratio * note.rate_hz / RATE_HZ) + 64)
    x = soxr.resample(note.samples[:needed], note.rate_hz * ratio, RATE_HZ, quality="MQ")[: len(curve)]
    sound: Floats = (x * curve[: len(x)] * np.float32(0.35 + 0.65 * velocity)).astype(np.float32)
    return sound


def mix_notes(sources: Sources, plan: SynthPlan, rng: np.random.Generator) -> Floats:
    """The dry loop (BAR_SAMPLES,), tails wrapped round."""
    out = np.zeros(BAR_SAMPLES, np.float32)
    cache: dict[tuple[int, int, int], Floats] = {}
    for note in plan.notes:
        gate = max(int(note.length * STEP_SAMPLES), 240)
        loud = round(note.velocity * 12)
        key = (note.midi, gate, loud)
        if key not in cache:
            if plan.timbre is None:
                cache[key] = play_sampled(sources.instruments[plan.kit], note.midi, gate, loud / 12, plan.amp)
            else:
                cache[key] = play(plan.timbre, note.midi, gate, loud / 12, rng)
        add_wrapped(out, cache[key], round(note.at * STEP_SAMPLES))
    return out


def render_synth(sources: Sources, plan: SynthPlan, rooms: Rooms, rng: np.random.Generator) -> Floats:
    """Render a plan: float32 (BAR_SAMPLES,) at 48 kHz, peak between -6 and -1 dBFS."""
    x = mix_notes(sources, plan, rng)
    x /= max(float(np.abs(x).max()), 1e-9)
    if rng.random() < 0.3:
        drive = rng.uniform(1.0, 5.0)
        x = (np.tanh(drive * x) / np.tanh(drive)).astype(np.float32)
    if rng.random() < (0.55 if plan.style in ("pad", "chords") else 0.2):
        x = chorus(x, rng, depth_ms=rng.uniform(1, 6), mix=rng.uniform(0.3, 0.8))
    x = np.fft.irfft(np.fft.rfft(x) * _space(plan.style, rooms, rng), BAR_SAMPLES).astype(np.float32)
    x *= np.float32(10 ** (rng.uniform(-6, -1) / 20) / max(float(np.abs(x).max()), 1e-9))
    return x


def _space(style: str, rooms: Rooms, rng: np.random.Generator) -> Spectrum:
    """Tone, echo and room of a loop as one response."""
    low_hz = 25.0 if style == "bass" else _between(rng, 30, 160)
    tone = biquad("highpass", low_hz, RATE_HZ, BAR_SAMPLES)
    tone = tone * biquad("highshelf", _between(rng, 2000, 7000), RATE_HZ, BAR_SAMPLES, gain_db=rng.normal(0, 3))
    wet = np.ones(BAR_SAMPLES // 2 + 1, np.complex64)
    if rng.random() < {"arp": 0.5, "lead": 0.5, "chords": 0.3}.get(style, 0.08):
        repeats = echo(STEP_SAMPLES * float(rng.choice([2, 3, 3, 4, 6])), rng.uniform(0.2, 0.6), BAR_SAMPLES)
        dark = biquad("lowpass", _between(rng, 1500, 8000), RATE_HZ, BAR_SAMPLES, q=0.5)
        wet = wet + repeats * dark * np.float32(10 ** (rng.uniform(-14, -4) / 20))
    if rng.random() < (0.25 if style == "bass" else 0.75):
        room = rooms.responses[rng.integers(N_ROOMS)]
        wet = wet + wet * room * np.float32(10 ** (rng.uniform(-24, -6 if style == "pad" else -10) / 20))
    return (tone * wet).astype(np.complex64)


class SynthRenderer:
    """Synth loops by number."""

    def __init__(self, n: int, waveforms: Path, tonal: Path, chords: Path, seed: int) -> None:
        self.n, self.seed = n, seed
        self.sources = Sources(waveforms, tonal, chords)
        self.rooms = Rooms(seed)

    def __len__(self) -> int:
        return self.n

    def loop(self, number: int) -> tuple[Mapping[str, str], Callable[[], Floats]]:
        """The row of `loops.csv` of a loop (without `file`), and a function that renders it."""
        plan, rng = plan_synth(self.sources, number, self.seed)
        row = {
            "split": plan.split,
            "style": plan.style,
            "kind": "synth",
            "kit": plan.kit,
            "key": plan.key,
            "licence": "CC0-1.0",
            "attribution": "",
            "source": plan.source,
        }
        return row, lambda: render_synth(self.sources, plan, self.rooms, rng)
