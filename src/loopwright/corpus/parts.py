"""What synth loops play: bass lines, arpeggios, chords, pads and tunes of one or more bars, on the sixteenth grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from loopwright.corpus.folder import Event
from loopwright.corpus.groove import STEP_SAMPLES
from loopwright.corpus.notes import Chord, Note, Rng, led, voicing


def chord_at(chords: Sequence[Chord], step: float, bars: int = 1) -> int:
    """Number of the chord that sounds at a sixteenth, the loop shared evenly among the chords."""
    return min(int(step * len(chords) / (16 * bars)), len(chords) - 1)


def _pick(rng: Rng, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]


_BASS_RHYTHMS = """
    x---x---x---x--- x-x-x-x-x-x-x-x- xxxxxxxxxxxxxxxx --x---x---x---x- x--x--x-x--x--x- x-----x---x-----
    x---------x-x--- .-x-x-x-.-x-x-x- x.xx.xx.x.xx.xx. x------x--x-x--- x-.x-.x-x-.x-.x- x.............x.
    ..xx..xx..xx..xx x..x..x...x.x...
""".split()  # noqa: SIM905
_STABS = """
    x-----x-----x--- x--x--x-x--x--x- ..x...x...x...x. x-------x------- x---x---x---x--- ..x-..x-..x-..x-
    x..x..x...x..x.. x--------------- ....x-......x-.. x.....x...x..... x--x---x--x-x--- ..x..x..x..x..x.
""".split()  # noqa: SIM905


def rhythm(text: str) -> list[tuple[float, float]]:
    """(start, length) of a string: `x` starts a note, `-` holds it, `.` rests."""
    out: list[tuple[float, float]] = []
    for i, c in enumerate(text):
        if c == "x":
            held = len(text[i + 1 :]) - len(text[i + 1 :].lstrip("-"))
            out.append((float(i), 1.0 + held))
    return out


_GATES = """
    x.x.x.x.x.x.x.x. x.xxx.xxx.xxx.xx x..x..x..x..x.x. xx.xx.xx.xx.xx.x x.xx.x.xx.xx.x.x x...x...x...x... ..x...x...x...x.
""".split()  # noqa: SIM905


def _mutate(rng: Rng, text: str, chance: float) -> str:
    """Add, drop or shift a few notes, so that a rhythm is a family and not one bar."""
    cells = list(text)
    for i in range(16):
        if rng.random() < chance:
            cells[i] = "." if cells[i] == "x" and i else "x"
    return "".join(cells)


def _phrase(rng: Rng, options: Sequence[str], chance: float, bars: int) -> list[tuple[float, float]]:
    """A rhythm for `bars` bars: the same in each, but for the last of several, which differs more."""
    text = _mutate(rng, _pick(rng, options), chance)
    texts = [text] * (bars - 1) + [_mutate(rng, text, 0.2) if bars > 1 else text]
    return [(16.0 * bar + at, length) for bar, one in enumerate(texts) for at, length in rhythm(one)]


def _accent(rng: Rng, at: float) -> float:
    return 0.95 if at % 4 == 0 else float(rng.uniform(0.6, 0.9))


def bass(rng: Rng, chords: Sequence[Chord], tonic: int, scale: Sequence[int], bars: int = 1) -> list[Note]:
    """Roots with octaves, fifths and passing notes; in a third of the loops some slide into the next."""
    low = int(rng.integers(26, 36))
    gate, jump = rng.uniform(0.45, 1.0), rng.uniform(0.05, 0.4)
    slides = rng.uniform(0.2, 0.7) if rng.random() < 0.35 else 0.0
    out: list[Note] = []
    for at, length in _phrase(rng, _BASS_RHYTHMS, 0.08, bars):
        root = voicing((chords[chord_at(chords, at, bars)][0], (0,)), tonic, low)[0]
        if at and rng.random() < jump:
            root += int(rng.choice([12, 12, 7, -5, scale[int(rng.integers(len(scale)))]]))
        slide = 0
        if out and rng.random() < slides:
            slide = out[-1].midi - root
            out[-1] = replace(out[-1], length=at - out[-1].at)  # held until the slide begins
        out.append(Note(at, length * gate, root, _accent(rng, at), slide))
    return out


def _turn(order: str, i: int, size: int, shuffle: Sequence[int]) -> int:
    """Which of `size` notes comes i-th."""
    period = max(2 * size - 2, 1)
    there = i % period
    return {
        "up": i % size,
        "down": (-1 - i) % size,
        "updown": there if there < size else period - there,
        "random": shuffle[i % 16] % size,
        "skip": (i * 2 + i // 4) % size,
    }[order]


def arp(rng: Rng, chords: Sequence[Chord], tonic: int, scale: Sequence[int], bars: int = 1) -> list[Note]:  # noqa: ARG001
    """Broken chords in a fixed order, with one length of note or a cycle of lengths."""
    step = float(rng.choice([1.0, 1.0, 1.0, 2.0, 4 / 3]))
    low, octaves = int(rng.integers(52, 66)), int(rng.integers(1, 4))
    order = _pick(rng, ["up", "down", "updown", "random", "skip"])
    gates = rng.uniform(0.2, 1.2, int(rng.choice([1, 1, 3, 4, 8])))
    mask = [rng.random() < (0.92 if rng.random() < 0.6 else 0.7) for _ in range(16)]
    shuffle = rng.permutation(16).tolist()
    voiced = led(chords, tonic, low, rng)
    out = []
    for i in range(round(16 * bars / step)):
        at = i * step
        tones = [t + 12 * o for o in range(octaves) for t in voiced[chord_at(chords, at, bars)]]
        if mask[i % 16] or i == 0:
            loud = 0.95 if i % 4 == 0 else float(rng.uniform(0.6, 0.85))
            out.append(Note(at, step * float(gates[i % len(gates)]), tones[_turn(order, i, len(tones), shuffle)], loud))
    return out


def stabs(rng: Rng, chords: Sequence[Chord], tonic: int, scale: Sequence[int], bars: int = 1) -> list[Note]:  # noqa: ARG001
    """Block chords in a rhythm, their voices led; sometimes strummed or with the root below."""
    low, gate = int(rng.integers(48, 60)), rng.uniform(0.4, 1.0)
    strum = rng.uniform(0.05, 0.3) if rng.random() < 0.15 else 0.0
    root = rng.random() < 0.25
    voiced = led(chords, tonic, low, rng)
    out = []
    for at, length in _phrase(rng, _STABS, 0.06, bars):
        place = chord_at(chords, at, bars)
        tones = voiced[place]
        if root:
            tones = [voicing((chords[place][0], (0,)), tonic, low - 12)[0], *tones]
        loud = float(rng.uniform(0.65, 0.95))
        out += [Note(at + strum * k, length * gate, tone, loud) for k, tone in enumerate(tones)]
    return out


def pad(rng: Rng, chords: Sequence[Chord], tonic: int, scale: Sequence[int], bars: int = 1) -> list[Note]:  # noqa: ARG001
    """Held chords that overlap, or the same chopped by a rhythmic gate."""
    low, size = int(rng.integers(46, 60)), 16 * bars / len(chords)
    voiced = led(chords, tonic, low, rng)
    below = rng.random() < 0.5
    gate, held = _pick(rng, _GATES), rng.uniform(0.5, 0.95)
    gated = rng.random() < 0.15
    out = []
    for i, tones in enumerate(voiced):
        full = [tones[0] - 12, *tones] if below else tones
        if gated:
            places = [at for at in np.arange(i * size, (i + 1) * size).tolist() if gate[int(at) % 16] == "x"]
            out += [Note(at, held, tone, _accent(rng, at)) for at in places for tone in full]
        else:
            out += [Note(i * size, size * 0.98, tone, 0.8) for tone in full]
    return out or [Note(0.0, 16.0 * bars, tone, 0.8) for tone in voiced[0]]


def lead(rng: Rng, chords: Sequence[Chord], tonic: int, scale: Sequence[int], bars: int = 1) -> list[Note]:
    """A tune: a walk on the scale that meets the chord on the beats. Longer ones repeat their first bar and end in another."""
    low = int(rng.integers(60, 74))
    ladder = [low + k for k in range(20) if (low + k - tonic) % 12 in scale]
    gate, busy = rng.uniform(0.6, 1.05), rng.uniform(0.2, 1.0)
    slides = rng.uniform(0.1, 0.5) if rng.random() < 0.25 else 0.0
    first, last = _walk(rng, len(ladder), busy), _walk(rng, len(ladder), busy)
    out: list[Note] = []
    for bar in range(bars):
        for inside, length, place in last if bars > 1 and bar == bars - 1 else first:
            at, midi = 16.0 * bar + inside, ladder[place]
            if inside % 4 == 0:
                tones = voicing(chords[chord_at(chords, at, bars)], tonic, low)
                midi = min(tones + [m + 12 for m in tones], key=lambda m, here=midi: abs(m - here))  # type: ignore[misc]
            slide = out[-1].midi - midi if out and rng.random() < slides else 0
            out.append(Note(at, length * gate, midi, float(rng.uniform(0.65, 0.98)), slide))
    return out or [Note(0.0, 8.0, ladder[0], 0.9)]


def _walk(rng: Rng, size: int, busy: float) -> list[tuple[float, float, int]]:
    """A bar of a tune: (start, length, place on a ladder of `size` steps)."""
    place, at, out = int(rng.integers(size)), 0.0, []
    while at < 16:
        length = min(float(rng.choice([1, 2, 3, 4, 6], p=_lengths(busy))), 16 - at)
        if rng.random() < 0.85:
            place = int(np.clip(place + rng.choice([-3, -2, -1, -1, 0, 1, 1, 2, 4]), 0, size - 1))
            out.append((at, length, place))
        at += length
    return out


def _lengths(busy: float) -> list[float]:
    slow, fast = (0.02, 0.2, 0.25, 0.3, 0.23), (0.45, 0.35, 0.1, 0.1, 0.0)
    return [s + busy * (f - s) for s, f in zip(slow, fast, strict=True)]


PARTS: dict[str, Callable[[Rng, Sequence[Chord], int, Sequence[int], int], list[Note]]] = {
    "bass": bass,
    "arp": arp,
    "chords": stabs,
    "pad": pad,
    "lead": lead,
}
PART_NAMES = {"bass": "bass", "arp": "arp", "chords": "chord", "pad": "pad", "lead": "lead"}  # as events call them


def gate_samples(note: Note) -> int:
    """How long a note is held; at least 5 ms."""
    return max(int(note.length * STEP_SAMPLES), 240)


def note_events(notes: Sequence[Note], part: str, bars: int) -> list[Event]:
    """Notes as rows of `events.jsonl`: (MIDI, start, duration, velocity, part), times in bars, starts round the loop."""
    return [
        (note.midi, round(note.at / 16 % bars, 6), round(note.length / 16, 6), round(note.velocity, 3), part)
        for note in sorted(notes, key=lambda note: (note.at, note.midi))
    ]
