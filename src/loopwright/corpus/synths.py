"""Render synth loops: bass lines, arpeggios, chords, pads and leads, alone or two together, with many kinds of sound.

Waveform groups, sampled instruments, FM modulators and chord progressions each belong to one side of the split. As with drums,
every tail and effect goes round the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from loopwright.arrays import Complex64, Float32
from loopwright.corpus.bar import BAR_SAMPLES, CORPUS_RATE_HZ
from loopwright.corpus.circular import add_wrapped, biquad, echo
from loopwright.corpus.effects import pump, saturate
from loopwright.corpus.folder import Event, RenderedLoop
from loopwright.corpus.groove import STEP_SAMPLES
from loopwright.corpus.notes import KEY_NAMES, Chord, Note
from loopwright.corpus.parts import PART_NAMES, PARTS, gate_samples, note_events
from loopwright.corpus.rooms import N_ROOMS, Rooms
from loopwright.corpus.sides import ROUND, turns
from loopwright.corpus.sources import Progression, SampledNote, Sources
from loopwright.corpus.synthesis import Envelope, Timbre, chorus, play
from loopwright.corpus.timbres import between, draw_envelope, draw_timbre

SYNTH_STYLES = tuple(PARTS)
SAMPLED_SHARE = 0.15  # of loops, where the side and style have an instrument
TOGETHER_SHARE = 0.15  # of loops: a second part under the one that gives the style
UNDER = {"arp": ("bass", "pad"), "chords": ("bass",), "pad": ("bass",), "lead": ("pad", "chords", "bass")}
_TURNS = turns()


@dataclass(frozen=True)
class Part:
    """One instrument of a loop and what it plays."""

    style: str
    notes: tuple[Note, ...]
    kit: str  # waveform group, FM or instrument
    timbre: Timbre | None  # None: the instrument `kit` plays
    amp: Envelope  # for an instrument
    gain: float


@dataclass(frozen=True)
class SynthPlan:
    """What a loop plays and with what, before any sound is made. The first part gives the style and the kit."""

    style: str
    split: str
    key: str
    bars: int
    parts: tuple[Part, ...]
    source: str

    @property
    def samples(self) -> int:
        """Length of the loop."""
        return self.bars * BAR_SAMPLES


def place_of(number: int) -> tuple[str, str, int]:
    """Style, side and key (0 .. 23: tonic, and minor from 12 on) of loop `number`.

    Styles come in turn; sides in turns of ROUND rounds; within a style and side every key comes once in 24 loops.
    """
    turn, style = divmod(number, len(SYNTH_STYLES))
    side = _TURNS[turn % ROUND]
    before = turn // ROUND * _TURNS.count(side) + list(_TURNS[: turn % ROUND]).count(side)
    order = np.random.default_rng([37, style, list(_TURNS).index(side), before // 24]).permutation(24)
    return SYNTH_STYLES[style], side, int(order[before % 24])


def draw_chords(progression: Progression, bars: int, rng: np.random.Generator) -> list[Chord]:
    """A window of a progression: one, two or four chords for a bar, two to eight for more."""
    sizes, chances = {1: ([1, 2, 4], [0.4, 0.35, 0.25]), 2: ([1, 2, 4], [0.15, 0.5, 0.35])}.get(
        bars, ([2, 4, 8], [0.15, 0.65, 0.2])
    )
    size = min(int(rng.choice(sizes, p=chances)), len(progression.chords))
    size = 1 << (size.bit_length() - 1)  # three chords would not meet the bar lines
    first = int(rng.integers(len(progression.chords)))
    return [progression.chords[(first + i) % len(progression.chords)] for i in range(size)]


def _draw_part(
    sources: Sources,
    style: str,
    split: str,
    progression: Progression,
    chords: Sequence[Chord],
    tonic: int,
    bars: int,
    rng: np.random.Generator,
    gain: float = 1.0,
) -> Part:
    notes = tuple(PARTS[style](rng, chords, tonic, progression.scale, bars))
    sampled = sources.sampled(split, style)
    amp = draw_envelope(style, rng)
    if sampled and rng.random() < SAMPLED_SHARE:
        return Part(style, notes, sampled[rng.integers(len(sampled))], None, amp, gain)
    kit, timbre = draw_timbre(sources, split, style, bars, rng)
    return Part(style, notes, kit, timbre, amp, gain)


def plan_synth(sources: Sources, number: int, seed: int, bars: int = 1) -> tuple[SynthPlan, np.random.Generator]:
    """Decide loop `number`, and give the generator to render it with."""
    rng = np.random.default_rng([seed, 31, number])
    style, split, key = place_of(number)
    tonic, minor = key % 12, key >= 12
    choices = [p for p in sources.progressions[split] if p.minor == minor]
    progression = choices[rng.integers(len(choices))]
    chords = draw_chords(progression, bars, rng)
    parts = [_draw_part(sources, style, split, progression, chords, tonic, bars, rng)]
    if style in UNDER and rng.random() < TOGETHER_SHARE:
        under = UNDER[style][rng.integers(len(UNDER[style]))]
        gain = 10 ** (rng.uniform(-9, -2) / 20)
        parts.append(_draw_part(sources, under, split, progression, chords, tonic, bars, rng, gain))
    plan = SynthPlan(
        style=style,
        split=split,
        key=KEY_NAMES[tonic] + ("min" if minor else "maj"),
        bars=bars,
        parts=tuple(parts),
        source=f"synth/{parts[0].kit}/progression-{progression.row:03d}",
    )
    return plan, rng


def events_of(plan: SynthPlan) -> list[Event]:
    """All notes of a plan, part by part."""
    return [event for part in plan.parts for event in note_events(part.notes, PART_NAMES[part.style], plan.bars)]


def play_sampled(notes: Sequence[SampledNote], midi: int, gate: int, velocity: float, amp: Envelope) -> Float32:
    """One note of a sampled instrument: the nearest recording, resampled, under an envelope."""
    distances = np.array([abs(note.midi - midi) for note in notes])
    note = notes[int(distances.argmin())]
    ratio = 2 ** ((midi - note.midi) / 12)
    curve = amp.curve(gate)
    needed = min(len(note.samples), int(len(curve) * ratio * note.rate_hz / CORPUS_RATE_HZ) + 64)
    x = soxr.resample(note.samples[:needed], note.rate_hz * ratio, CORPUS_RATE_HZ, quality="MQ")[: len(curve)]
    sound: Float32 = (x * curve[: len(x)] * np.float32(0.35 + 0.65 * velocity)).astype(np.float32)
    return sound


def mix_notes(sources: Sources, part: Part, samples: int, rng: np.random.Generator) -> Float32:
    """The dry part (samples,), tails wrapped round. Notes that sound the same are made once."""
    out = np.zeros(samples, np.float32)
    cache: dict[tuple[float, ...], Float32] = {}
    sweeps = part.timbre is not None and part.timbre.sweep_octaves != 0
    for note in part.notes:
        gate, loud, start = gate_samples(note), round(note.velocity * 12), round(note.at * STEP_SAMPLES)
        key = (note.midi, gate, loud, note.slide, start if sweeps else 0)
        if key not in cache:
            if part.timbre is None:
                cache[key] = play_sampled(sources.instruments[part.kit], note.midi, gate, loud / 12, part.amp)
            else:
                place = start / samples
                cache[key] = play(part.timbre, note.midi, gate, loud / 12, rng, slide=note.slide, place=place, samples=samples)
        add_wrapped(out, cache[key], start)
    return out


def render_synth(sources: Sources, plan: SynthPlan, rooms: Rooms, rng: np.random.Generator) -> Float32:
    """Render a plan: float32 (plan.samples,) at 48 kHz, peak between -6 and -1 dBFS."""
    x = np.zeros(plan.samples, np.float32)
    for part in plan.parts:
        dry = mix_notes(sources, part, plan.samples, rng)
        x += dry * np.float32(part.gain / max(float(np.abs(dry).max()), 1e-9))
    x /= max(float(np.abs(x).max()), 1e-9)
    if rng.random() < 0.25:
        x = saturate(x, rng.uniform(1.0, 5.0), oversample=4)
    if rng.random() < (0.5 if plan.style in ("pad", "chords") else 0.18):
        x = chorus(x, rng, depth_ms=rng.uniform(0.6, 3), mix=rng.uniform(0.3, 0.8), bars=plan.bars)
    x = np.fft.irfft(np.fft.rfft(x) * _space(plan, rooms, rng), plan.samples).astype(np.float32)
    if rng.random() < (0.15 if plan.style in ("pad", "chords", "bass") else 0.06):
        x *= pump(plan.samples, 4 * plan.bars, rng.uniform(0.4, 0.95), rng.uniform(0.25, 0.6))
    x *= np.float32(10 ** (rng.uniform(-6, -1) / 20) / max(float(np.abs(x).max()), 1e-9))
    return x


def _space(plan: SynthPlan, rooms: Rooms, rng: np.random.Generator) -> Complex64:
    """Tone, echo and room of a loop as one response."""
    n, style = plan.samples, plan.style
    low_hz = 25.0 if "bass" in {part.style for part in plan.parts} else between(rng, 30, 160)
    tone = biquad("highpass", low_hz, CORPUS_RATE_HZ, n)
    tone = tone * biquad("highshelf", between(rng, 2000, 7000), CORPUS_RATE_HZ, n, gain_db=rng.normal(0, 3))
    wet = np.ones(n // 2 + 1, np.complex64)
    if rng.random() < {"arp": 0.5, "lead": 0.5, "chords": 0.3}.get(style, 0.08):
        repeats = echo(STEP_SAMPLES * float(rng.choice([2, 3, 3, 4, 6])), rng.uniform(0.2, 0.6), n)
        dark = biquad("lowpass", between(rng, 1500, 8000), CORPUS_RATE_HZ, n, q=0.5)
        wet = wet + repeats * dark * np.float32(10 ** (rng.uniform(-14, -4) / 20))
    if rng.random() < (0.25 if style == "bass" else 0.75):
        room = rooms.responses[rng.integers(N_ROOMS)]
        wet = wet + wet * room * np.float32(10 ** (rng.uniform(-24, -6 if style == "pad" else -10) / 20))
    return (tone * wet).astype(np.complex64)


class SynthRenderer:
    """Synth loops by number."""

    def __init__(self, n: int, waveforms: Path, tonal: Path, chords: Path, seed: int, bars: int = 1) -> None:
        self.n, self.seed, self.bars = n, seed, bars
        self.sources = Sources(waveforms, tonal, chords)
        self.rooms = Rooms(seed, bars * BAR_SAMPLES)

    def __len__(self) -> int:
        return self.n

    def loop(self, number: int) -> RenderedLoop:
        """Decide loop `number`."""
        plan, rng = plan_synth(self.sources, number, self.seed, self.bars)
        row = {
            "split": plan.split,
            "style": plan.style,
            "kind": "synth",
            "kit": plan.parts[0].kit,
            "key": plan.key,
            "licence": "CC0-1.0",
            "attribution": "",
            "source": plan.source,
        }
        return RenderedLoop(row, events_of(plan), lambda: render_synth(self.sources, plan, self.rooms, rng))
