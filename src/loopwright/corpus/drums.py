"""Render drum loops with one-shot kits: each has its own kit, levels, tuning, tone, room and processing, drawn from its seed.

A loop is one period of music that has always played: tails and effects go round the circle, so the wrap is like any other
place. Everything is decided in `plan_drums` (cheap, whole corpus) and `setup_of` (one loop); `render` does as told.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from loopwright.arrays import Complex64, Float32
from loopwright.corpus.bar import BAR_SAMPLES, CORPUS_RATE_HZ
from loopwright.corpus.circular import biquad, echo
from loopwright.corpus.effects import Compressor, Crusher, Noise, Sweep, saturate
from loopwright.corpus.folder import RenderedLoop
from loopwright.corpus.groove import ROLE_INDEX, ROLES, STEP_SAMPLES, Phrase
from loopwright.corpus.hits import KICK, Layer, Setup, events_of, mix_hits
from loopwright.corpus.kits import FAMILIES, OneShots, Part
from loopwright.corpus.patterns import GRAMMARS
from loopwright.corpus.rooms import N_ROOMS, Rooms

# Level of a role at full velocity, dB. One-shots all peak at -1 dBFS, which no mix would leave so.
ROLE_DB = {
    "kick": 0.0, "snare": -2.0, "clap": -4.0, "rim": -8.0, "hat_closed": -13.0, "hat_open": -15.0, "tom_low": -4.0,
    "tom_mid": -4.0, "tom_high": -4.5, "ride": -16.5, "crash": -14.5, "perc": -11.0, "cowbell": -12.0,
}  # fmt: skip

# Which kits play a style: chances of acoustic, percussion, electronic.
_BAND, _MIXED, _HAND, _MACHINE, _SAMPLED = (
    (0.8, 0.05, 0.15),
    (0.6, 0.05, 0.35),
    (0.55, 0.25, 0.2),
    (0.0, 0.0, 1.0),
    (0.4, 0.0, 0.6),
)
STYLE_FAMILIES = {
    "rock": _BAND, "jazz": _BAND, "funk": _MIXED, "soul": _MIXED, "pop": _MIXED, "hiphop": (0.4, 0.05, 0.55), "reggae": _MIXED,
    "latin": _HAND, "afrobeat": _HAND, "breakbeat": _SAMPLED, "boombap": _SAMPLED,
}  # fmt: skip
DRUM_STYLES = ("afrobeat", "funk", "hiphop", "jazz", "latin", "pop", "reggae", "rock", "soul", *GRAMMARS)
LAYERED = (ROLE_INDEX["kick"], ROLE_INDEX["snare"])


def choose_kit(library: OneShots, phrase: Phrase, rng: np.random.Generator) -> str:
    """A base kit that suits the phrase's style, from the phrase's side of the split."""
    chances = STYLE_FAMILIES.get(phrase.style, _MACHINE)
    families = ("acoustic", "percussion", "electronic")
    for family in [families[rng.choice(3, p=chances)], "electronic", "acoustic", "percussion"]:
        if kits := library.bases(phrase.split, family=family):
            return kits[rng.integers(len(kits))]
    raise AssertionError("OneShots guarantees a base kit on each side")


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    """A draw that is even on the log scale."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _layers(library: OneShots, kit: str, roles: Sequence[int], rng: np.random.Generator) -> dict[int, Layer]:
    """Second one-shots for kick and snare, in about a third of the loops each: a short one for attack, or a whole one."""
    out: dict[int, Layer] = {}
    for role in LAYERED:
        if role in roles and rng.random() < 0.33 and (part := library.second(ROLES[role], kit, rng)):
            part = Part(part.voice, part.semitones + rng.normal(0, 2.0))
            short = rng.random() < 0.6
            decay_s = _between(rng, 0.008, 0.06) if short else _between(rng, 0.08, 1.0)
            out[role] = Layer(part, 10 ** (rng.uniform(-12, -2) / 20), decay_s)
    return out


def setup_of(library: OneShots, phrase: Phrase, rooms: Rooms, rng: np.random.Generator) -> Setup:
    """Draw kit, levels, tuning, tone and room for a phrase."""
    kit = choose_kit(library, phrase, rng)
    machine = phrase.style in GRAMMARS
    n, n_roles = phrase.samples, len(ROLES)
    parts: dict[int, Sequence[Part]] = {}
    backbone = 0.55 if FAMILIES.get(kit) == "acoustic" else 0.4  # there are few acoustic kits, and banks of kicks and snares
    for index in np.unique(phrase.role):
        role = ROLES[index]
        swap = backbone if role in ("kick", "snare") else 0.2 if role in ("clap", "perc", "rim") else 0.12
        chosen = library.choose(role, kit, rng, swap=swap)
        if chosen:
            parts[int(index)] = chosen
    gain_db = np.array([ROLE_DB[role] for role in ROLES]) + rng.normal(0, 2.0, n_roles)
    far = rng.random() < 0.1  # a kit played well off its pitch, as samplers do
    tuning = rng.normal(0, 3.0 if far else 0.6) + rng.normal(0, 0.9, n_roles)
    decay_s = np.full(n_roles, np.inf)
    if rng.random() < 0.45:  # a tight kit
        decay_s = np.exp(rng.uniform(np.log(0.04), np.log(0.35), n_roles))
        decay_s[rng.random(n_roles) < 0.3] = np.inf
    lift = np.ones(n_roles)
    kicks = phrase.velocity[phrase.role == KICK]
    if len(kicks):  # the pads of Groove record kicks at half the velocity of a backbeat; in a mix they are as loud
        lift[KICK] = max(1.0, rng.uniform(95, 120) / kicks.max())
    grit = np.where(rng.random(n_roles) < 0.12, rng.uniform(1.0, 5.0, n_roles), 0.0)
    layers = _layers(library, kit, list(parts), rng)
    tone = _tone(rng, n)
    send: Complex64 | None = None
    if rng.random() < 0.7:
        level = 10 ** (rng.uniform(-28, -10) / 20)
        send = (rooms.responses[rng.integers(N_ROOMS)] * level).astype(np.complex64)
    if machine and rng.random() < 0.12:
        repeats = echo(STEP_SAMPLES * float(rng.choice([2, 3, 4, 6])), rng.uniform(0.15, 0.5), n)
        wet = repeats * biquad("bandpass", rng.uniform(700, 2500), CORPUS_RATE_HZ, n, q=0.5)
        wet = wet * 10 ** (rng.uniform(-14, -7) / 20)
        send = (wet if send is None else send + wet).astype(np.complex64)
    return Setup(
        kit=kit,
        parts=parts,
        layers=layers,
        gain=(10 ** (gain_db / 20)).astype(np.float32),
        semitones=np.clip(tuning, -7, 7).astype(np.float32),
        decay_s=decay_s.astype(np.float32),
        grit=grit.astype(np.float32),
        lift=lift.astype(np.float32),
        velocity_power=float(rng.uniform(0.8, 1.35)),
        jitter=(10 ** (rng.normal(0, 0.6, len(phrase.role)) / 20)).astype(np.float32),
        turn=rng.integers(0, 1 << 16, len(phrase.role)),
        tone=tone,
        send=send,
        kick_send=float(rng.uniform(0.0, 0.3)),
        squeeze=_squeeze(rng),
        drive=float(rng.uniform(1.0, 4.0)) if rng.random() < 0.35 else 0.0,
        crush=Crusher(float(rng.uniform(5, 12)), int(rng.choice([1, 2, 3, 4, 6]))) if rng.random() < 0.08 else None,
        sweep=_sweep(rng, n) if rng.random() < 0.06 else None,
        noise=_noise(rng, phrase.bars) if rng.random() < 0.1 else None,
        peak=float(10 ** (rng.uniform(-6, -1) / 20)),
    )


def _squeeze(rng: np.random.Generator) -> Compressor | None:
    kind = rng.random()
    if kind < 0.2:  # glue: slow and mild
        return Compressor(rng.uniform(0, 5), rng.uniform(2, 4), rng.uniform(8, 30), rng.uniform(60, 250))
    if kind < 0.32:  # pumping
        return Compressor(rng.uniform(-4, 2), rng.uniform(5, 12), rng.uniform(1, 8), rng.uniform(80, 300))
    if kind < 0.4:  # crushed beside the dry sound
        return Compressor(-8.0, 12.0, rng.uniform(0.5, 4), rng.uniform(40, 150), rng.uniform(0.3, 0.7))
    return None


def _sweep(rng: np.random.Generator, n: int) -> Sweep:
    bars = n // BAR_SAMPLES
    if rng.random() < 0.7:
        response = biquad("lowpass", _between(rng, 250, 2500), CORPUS_RATE_HZ, n, q=rng.uniform(0.7, 3))
    else:
        response = biquad("highpass", _between(rng, 250, 1500), CORPUS_RATE_HZ, n, q=rng.uniform(0.7, 2))
    return Sweep(
        response, int(rng.choice([1, 1, 2, 4])) * (bars if rng.random() < 0.5 else 1), rng.random(), rng.uniform(0.6, 1.0)
    )


def _noise(rng: np.random.Generator, bars: int) -> Noise:
    crackles = int(rng.integers(5, 60)) * bars if rng.random() < 0.6 else 0
    return Noise(rng.uniform(-66, -44), crackles, rng.uniform(-40, -24), int(rng.integers(1 << 30)))


def _tone(rng: np.random.Generator, n: int) -> Complex64:
    def shaped(kind: str, low_hz: float, high_hz: float, q: float, gain_db: float) -> Complex64:
        return biquad(kind, _between(rng, low_hz, high_hz), CORPUS_RATE_HZ, n, q=q, gain_db=gain_db)  # type: ignore[arg-type]

    tone = shaped("lowshelf", 90, 250, 0.6, rng.normal(0, 2.5)) * shaped("highshelf", 2500, 7000, 0.6, rng.normal(0, 3.0))
    tone = tone * shaped("peak", 250, 3500, 0.9, rng.normal(0, 2.0)) * shaped("highpass", 18, 40, 0.7071, 0)
    kind = rng.random()
    if kind < 0.12:
        tone = tone * shaped("lowpass", 2200, 9000, 0.8, 0)
    elif kind < 0.17:
        tone = tone * shaped("highpass", 120, 350, 0.8, 0)
    return tone.astype(np.complex64)


def render(library: OneShots, phrase: Phrase, setup: Setup) -> Float32:
    """Render a phrase: float32 (phrase.samples,) at 48 kHz, peak at `setup.peak`."""
    kick, rest = mix_hits(library, phrase, setup)
    spectrum = np.fft.rfft(kick + rest)
    if setup.send is not None:
        spectrum = spectrum + np.fft.rfft(rest + np.float32(setup.kick_send) * kick) * setup.send
    if setup.tone is not None:
        spectrum = spectrum * setup.tone
    x = np.fft.irfft(spectrum, phrase.samples).astype(np.float32)
    if setup.squeeze:
        x = setup.squeeze(x)
    x /= max(float(np.abs(x).max()), 1e-9)
    if setup.drive:
        x = saturate(x, setup.drive)
    if setup.crush:
        x = setup.crush(x)
    if setup.sweep:
        x = setup.sweep(x)
    if setup.noise:
        x = setup.noise(x)
    x *= setup.peak / max(float(np.abs(x).max()), 1e-9)
    return x.astype(np.float32)


def loop_rng(seed: int, number: int) -> np.random.Generator:
    """The generator of loop `number`: nothing else is drawn from it, so loops can be made in any order."""
    return np.random.default_rng([seed, 5, number])


class DrumRenderer:
    """The loops of a plan, by number. All phrases of a plan have the same number of bars."""

    def __init__(self, plan: Sequence[Phrase], oneshots: Path, seed: int, bars: int = 1) -> None:
        self.plan, self.seed, self.bars = plan, seed, bars
        self.library = OneShots(oneshots)
        self.rooms = Rooms(seed, bars * BAR_SAMPLES)

    def __len__(self) -> int:
        return len(self.plan)

    def loop(self, number: int) -> RenderedLoop:
        """Decide loop `number`."""
        phrase = self.plan[number]
        setup = setup_of(self.library, phrase, self.rooms, loop_rng(self.seed, number))
        groove = not phrase.source.startswith("pattern/")
        row = {
            "split": phrase.split,
            "style": phrase.style,
            "kind": "drum",
            "kit": setup.kit,
            "key": "",
            "licence": setup.licence(groove=groove),
            "attribution": setup.credits(groove=groove),
            "source": phrase.source,
            "performer": phrase.performer,
        }
        return RenderedLoop(row, events_of(phrase, setup), lambda: render(self.library, phrase, setup))
