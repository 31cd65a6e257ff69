"""The hits of a phrase, mixed round the circle: which one-shot plays each, how it sounds, and what cuts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import soxr

from loopwright.arrays import Complex64, Float32, Int64
from loopwright.corpus.bar import BAR_SAMPLES, CORPUS_RATE_HZ
from loopwright.corpus.circular import add_wrapped
from loopwright.corpus.effects import Compressor, Crusher, Noise, Sweep
from loopwright.corpus.groove import GROOVE_ATTRIBUTION, HAT_PEDAL, ROLE_INDEX, ROLES, Phrase
from loopwright.corpus.kits import ATTRIBUTIONS, OneShots, Part, Voice, licence_of

FADE_SAMPLES = 480  # 10 ms for a cut sound to die
HATS = (ROLE_INDEX["hat_closed"], ROLE_INDEX["hat_open"])
KICK = ROLE_INDEX["kick"]


@dataclass(frozen=True)
class Layer:
    """A second one-shot under or over a role's own."""

    part: Part
    gain: float  # linear, against the main sound
    decay_s: float  # extra fade; infinite for none


@dataclass(frozen=True)
class Setup:
    """Everything about a loop that is not in its phrase of hits."""

    kit: str
    parts: Mapping[int, Sequence[Part]]  # role index -> main voice first, then its alternatives
    layers: Mapping[int, Layer]  # role index -> what is laid over it
    gain: Float32  # (roles,) linear level at full velocity
    semitones: Float32  # (roles,) tuning of the loop
    decay_s: Float32  # (roles,) extra fade, infinite for none
    grit: Float32  # (roles,) gain into tanh of each one-shot, 0 for none
    lift: Float32  # (roles,) factor on the velocity
    velocity_power: float
    jitter: Float32  # (hits,) linear gain, near 1
    turn: Int64  # (hits,) which of the alternatives plays
    tone: Complex64 | None  # filter of the whole loop
    send: Complex64 | None  # room and echo, fed by all but the kick
    kick_send: float  # share of the kick that goes to `send`
    squeeze: Compressor | None
    drive: float  # gain into tanh, 0 for none
    crush: Crusher | None
    sweep: Sweep | None
    noise: Noise | None
    peak: float

    def _all_parts(self) -> list[Part]:
        return [part for parts in self.parts.values() for part in parts] + [layer.part for layer in self.layers.values()]

    def credits(self, *, groove: bool) -> str:
        """Whom to name for the loop, separated by "; "."""
        kits = sorted({part.voice.kit for part in self._all_parts()})
        names = [GROOVE_ATTRIBUTION] if groove else []
        return "; ".join(names + [ATTRIBUTIONS[kit] for kit in kits if kit in ATTRIBUTIONS])

    def licence(self, *, groove: bool) -> str:
        """SPDX name of the licence with the most duties among the parts used."""
        return licence_of(self._all_parts(), groove=groove)

    def strength(self, role: int, velocity: int) -> float:
        """How hard a hit of MIDI velocity 1 .. 127 is played in this loop, 0 .. 1."""
        return min(velocity / 127 * float(self.lift[role]), 1.0)


def events_of(phrase: Phrase, setup: Setup) -> list[tuple[str, float, float]]:
    """The hits that sound: (role, start in bars, velocity 0 .. 1 as played in this loop), in order of time."""
    return [
        (ROLES[role], round(at / BAR_SAMPLES, 6), round(setup.strength(role, velocity), 3))
        for at, role, velocity in zip(phrase.position.tolist(), phrase.role.tolist(), phrase.velocity.tolist(), strict=True)
        if role in setup.parts
    ]


def stop_samples(phrase: Phrase) -> Int64:
    """(K,) samples after which each hit is cut: an open hat by the next hat or pedal, a kick by the next kick; round the loop.

    Hits that ring out have a very large number.
    """
    stops = np.full(len(phrase.role), 1 << 40, dtype=np.int64)
    for cut, by in ((HATS, HATS), ((KICK,), (KICK,))):
        places = np.unique(phrase.position[np.isin(phrase.role, by)].astype(np.int64))
        if not len(places):
            continue
        own = np.flatnonzero(np.isin(phrase.role, cut))
        after = np.searchsorted(places, phrase.position[own], side="right")
        following = places[after % len(places)] + np.where(after == len(places), phrase.samples, 0)
        stops[own] = following - phrase.position[own]
    return stops


def choose_part(parts: Sequence[Part], pitch: int, turn: int) -> Part:
    """The voice for one hit: pedal or bell if the pad says so and the kit has it; round robins by turn; else the main one."""
    main = parts[0]
    named = {p.voice.articulation: p for p in parts}
    if pitch == HAT_PEDAL and "pedal" in named:
        return named["pedal"]
    if pitch == 53 and "bell" in named:
        return named["bell"]
    if main.voice.articulation in ("pedal", "bell"):  # not what an ordinary hit sounds like
        main = next((p for p in parts if p.voice.articulation not in ("pedal", "bell")), main)
    alternates = [p for p in parts if p is main or "round robin" in p.voice.articulation or p.voice.articulation == ""]
    if len(main.voice.files) > 1 and "round robin" in " ".join(named):
        return alternates[turn % len(alternates)]
    return main


def _soft(voice: Voice, strength: float) -> int:
    """Steps of darkening: a voice of a single layer gets darker as it gets softer."""
    return 0 if len(voice.files) > 1 else min(int((1 - strength) * 4), 3)


def _voiced(library: OneShots, setup: Setup, role: int, part: Part, strength: float, decay_s: float) -> tuple[Float32, float]:
    """A one-shot tuned, darkened and faded, and its level in dB below the voice's loudest layer."""
    voice = part.voice
    layer = voice.layer(strength)
    x = library.read_float(voice.files[layer])
    ratio = 2 ** ((part.semitones + float(setup.semitones[role])) / 12)
    x = soxr.resample(x, library.rate_hz * ratio, CORPUS_RATE_HZ, quality="MQ")
    if soft := _soft(voice, strength):
        amount = np.float32(0.14 * soft)
        x[1:] -= amount * np.diff(x)  # first difference taken off: a gentle high cut
    if np.isfinite(decay_s):
        length = min(len(x), int(9.2 * decay_s * CORPUS_RATE_HZ))  # to -80 dB
        x = x[:length] * np.exp(-np.arange(length, dtype=np.float32) / np.float32(decay_s * CORPUS_RATE_HZ))
    return x.astype(np.float32), voice.peaks_db[-1] - voice.peaks_db[layer]


def hit_sound(
    library: OneShots, setup: Setup, role: int, part: Part, velocity: int, cache: dict[tuple[object, ...], Float32]
) -> Float32:
    """The sound of a hit at 48 kHz, tuned, layered and at its level, before jitter and cutting."""
    strength = setup.strength(role, velocity)
    over = setup.layers.get(role)
    voices = (part.voice, over.part.voice) if over else (part.voice,)
    key = (role, *((voice.files[voice.layer(strength)], _soft(voice, strength)) for voice in voices))
    if key not in cache:
        x, level_db = _voiced(library, setup, role, part, strength, float(setup.decay_s[role]))
        x = x * np.float32(10 ** (level_db / 20))  # layers keep their tone, the curve gives the level
        if over:
            y, level_db = _voiced(library, setup, role, over.part, strength, over.decay_s)
            longer = np.zeros(max(len(x), len(y)), np.float32)
            longer[: len(x)] = x
            longer[: len(y)] += np.float32(over.gain * 10 ** (level_db / 20)) * y
            x = longer
        grit = setup.grit[role]
        if grit:
            x = np.tanh(grit * x) / np.tanh(grit)
        cache[key] = x.astype(np.float32)
    return cache[key] * np.float32(strength**setup.velocity_power * setup.gain[role])


def mix_hits(library: OneShots, phrase: Phrase, setup: Setup) -> tuple[Float32, Float32]:
    """The kick and everything else, each (phrase.samples,), dry, tails wrapped round."""
    kick, rest = np.zeros(phrase.samples, np.float32), np.zeros(phrase.samples, np.float32)
    cache: dict[tuple[object, ...], Float32] = {}
    stops = stop_samples(phrase)
    fade = np.linspace(1, 0, FADE_SAMPLES, dtype=np.float32)
    for i, role in enumerate(phrase.role.tolist()):
        if role not in setup.parts:
            continue
        part = choose_part(setup.parts[role], int(phrase.pitch[i]), int(setup.turn[i]))
        sound = hit_sound(library, setup, role, part, int(phrase.velocity[i]), cache)
        stop = int(stops[i])
        if stop < len(sound):
            sound = sound[: stop + FADE_SAMPLES].copy()
            tail = sound[stop:]
            tail *= fade[: len(tail)]
        add_wrapped(kick if role == KICK else rest, sound, int(phrase.position[i]), float(setup.jitter[i]))
    return kick, rest
