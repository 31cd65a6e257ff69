"""Render drum bars with one-shot kits: each loop has its own kit, levels, tuning, tone and room, drawn from its seed.

A loop is one period of music that has always played: tails and effects go round the bar, so the wrap is like any other
place. Everything is decided in `plan_drums` (cheap, whole corpus) and `setup_of` (one loop); `render` does as told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from loopwright.corpus.circular import Floats, Spectrum, add_wrapped, biquad, echo
from loopwright.corpus.groove import BAR_SAMPLES, GROOVE_ATTRIBUTION, HAT_PEDAL, ROLE_INDEX, ROLES, STEP_SAMPLES, Bar
from loopwright.corpus.kits import ATTRIBUTIONS, Library, Part, licence_of
from loopwright.corpus.patterns import GRAMMARS, write_pattern
from loopwright.corpus.rooms import N_ROOMS, Rooms

RATE_HZ = 48_000
SPLIT_SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
WRITTEN_SHARE = 0.4  # of each split: written patterns; the rest is played by people

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
_HATS = (ROLE_INDEX["hat_closed"], ROLE_INDEX["hat_open"])
_KICK = ROLE_INDEX["kick"]


@dataclass(frozen=True)
class Setup:
    """Everything about a loop that is not in its bar of hits."""

    kit: str
    parts: Mapping[int, Sequence[Part]]  # role index -> main voice first, then its alternatives
    gain: NDArray[np.float32]  # (roles,) linear level at full velocity
    semitones: NDArray[np.float32]  # (roles,) tuning of the loop
    decay_s: NDArray[np.float32]  # (roles,) extra fade, infinite for none
    lift: NDArray[np.float32]  # (roles,) factor on the velocity
    velocity_power: float
    jitter: NDArray[np.float32]  # (hits,) linear gain, near 1
    turn: NDArray[np.int64]  # (hits,) which of the alternatives plays
    tone: Spectrum | None  # filter of the whole loop
    send: Spectrum | None  # room and echo, fed by all but the kick
    kick_send: float  # share of the kick that goes to `send`
    drive: float  # gain into tanh, 0 for none
    peak: float

    def credits(self, *, groove: bool) -> str:
        """Whom to name for the loop, separated by "; "."""
        kits = sorted({part.voice.kit for parts in self.parts.values() for part in parts})
        names = [GROOVE_ATTRIBUTION] if groove else []
        return "; ".join(names + [ATTRIBUTIONS[kit] for kit in kits if kit in ATTRIBUTIONS])

    def licence(self, *, groove: bool) -> str:
        """SPDX name of the licence with the most duties among the parts used."""
        return licence_of([part for parts in self.parts.values() for part in parts], groove=groove)


def plan_drums(groove: Sequence[Bar], n: int, seed: int) -> list[Bar]:
    """Choose n bars: 80/10/10 % train, validation, test; styles as even as the performances allow; the order shuffled.

    Human bars that are equal once rounded to 1/16 are used once a split before any comes again (then with another kit).
    Written patterns differ from one another and across splits.
    """
    rng = np.random.default_rng([seed, 3])
    by_group: dict[tuple[str, str], list[Bar]] = defaultdict(list)
    seen: set[tuple[str, bytes]] = set()
    for bar in groove:
        if (bar.split, bar.key) not in seen:
            seen.add((bar.split, bar.key))
            by_group[bar.split, bar.style].append(bar)
    counts = {split: round(n * share) for split, share in SPLIT_SHARES.items()}
    counts["train"] += n - sum(counts.values())
    plan: list[Bar] = []
    numbers = dict.fromkeys(GRAMMARS, 0)
    written_keys: set[bytes] = set()
    for split, count in counts.items():
        played = {style: bars for (s, style), bars in by_group.items() if s == split}
        written = count if not played else round(WRITTEN_SHARE * count)
        for style, quota in _even(written, dict.fromkeys(GRAMMARS, written + 1), rng).items():
            for _ in range(quota):
                for _attempt in range(1000):
                    bar = write_pattern(style, numbers[style], split, seed)
                    numbers[style] += 1
                    if bar.key not in written_keys:
                        break
                written_keys.add(bar.key)
                plan.append(bar)
        left = count - written
        while left > 0:  # a second round only when every distinct bar has been used
            quotas = _even(left, {style: len(bars) for style, bars in played.items()}, rng)
            for style, quota in quotas.items():
                plan += [played[style][i] for i in rng.permutation(len(played[style]))[:quota]]
            left -= sum(quotas.values())
    return [plan[i] for i in rng.permutation(len(plan))]


def _even(total: int, available: dict[str, int], rng: np.random.Generator) -> dict[str, int]:
    """Share `total` among the names as evenly as `available` allows; the sum is min(total, all there is)."""
    quotas = dict.fromkeys(available, 0)
    left = min(total, sum(available.values()))
    while left:
        open_names = [name for name in available if quotas[name] < available[name]]
        each = left // len(open_names)
        if each == 0:
            for i in rng.permutation(len(open_names))[:left]:
                quotas[open_names[i]] += 1
            return quotas
        for name in open_names:
            take = min(each, available[name] - quotas[name])
            quotas[name] += take
            left -= take
    return quotas


def choose_kit(library: Library, bar: Bar, rng: np.random.Generator) -> str:
    """A base kit that suits the bar's style, from the bar's side of the split."""
    held_out = bar.split != "train"
    chances = STYLE_FAMILIES.get(bar.style, _MACHINE)
    families = ("acoustic", "percussion", "electronic")
    for family in [families[rng.choice(3, p=chances)], "electronic", "acoustic", "percussion"]:
        if kits := library.bases(held_out=held_out, family=family):
            return kits[rng.integers(len(kits))]
    raise AssertionError("Library guarantees a base kit on each side")


def setup_of(library: Library, bar: Bar, rooms: Rooms, rng: np.random.Generator) -> Setup:
    """Draw kit, levels, tuning, tone and room for a bar."""
    kit = choose_kit(library, bar, rng)
    machine = bar.style in GRAMMARS
    n_roles = len(ROLES)
    parts: dict[int, Sequence[Part]] = {}
    for index in np.unique(bar.role):
        role = ROLES[index]
        swap = 0.35 if role in ("kick", "snare") else 0.2 if role in ("clap", "perc", "rim") else 0.1
        chosen = library.choose(role, kit, rng, swap=swap)
        if chosen:
            parts[int(index)] = chosen
    gain_db = np.array([ROLE_DB[role] for role in ROLES]) + rng.normal(0, 2.0, n_roles)
    tuning = rng.normal(0, 0.6) + rng.normal(0, 0.9, n_roles)
    decay_s = np.full(n_roles, np.inf)
    if rng.random() < 0.45:  # a tight kit
        decay_s = np.exp(rng.uniform(np.log(0.04), np.log(0.35), n_roles))
        decay_s[rng.random(n_roles) < 0.3] = np.inf
    lift = np.ones(n_roles)
    kicks = bar.velocity[bar.role == _KICK]
    if len(kicks):  # the pads of Groove record kicks at half the velocity of a backbeat; in a mix they are as loud
        lift[_KICK] = max(1.0, rng.uniform(95, 120) / kicks.max())
    tone = _tone(rng)
    send: Spectrum | None = None
    if rng.random() < 0.7:
        level = 10 ** (rng.uniform(-28, -10) / 20)
        send = (rooms.responses[rng.integers(N_ROOMS)] * level).astype(np.complex64)
    if machine and rng.random() < 0.12:
        repeats = echo(STEP_SAMPLES * float(rng.choice([2, 3, 4, 6])), rng.uniform(0.15, 0.5), BAR_SAMPLES)
        wet = repeats * biquad("bandpass", rng.uniform(700, 2500), RATE_HZ, BAR_SAMPLES, q=0.5)
        wet = wet * 10 ** (rng.uniform(-14, -7) / 20)
        send = (wet if send is None else send + wet).astype(np.complex64)
    return Setup(
        kit=kit,
        parts=parts,
        gain=(10 ** (gain_db / 20)).astype(np.float32),
        semitones=np.clip(tuning, -4, 4).astype(np.float32),
        decay_s=decay_s.astype(np.float32),
        lift=lift.astype(np.float32),
        velocity_power=float(rng.uniform(0.8, 1.35)),
        jitter=(10 ** (rng.normal(0, 0.6, len(bar.role)) / 20)).astype(np.float32),
        turn=rng.integers(0, 1 << 16, len(bar.role)),
        tone=tone,
        send=send,
        kick_send=float(rng.uniform(0.0, 0.3)),
        drive=float(rng.uniform(1.0, 4.0)) if rng.random() < 0.4 else 0.0,
        peak=float(10 ** (rng.uniform(-6, -1) / 20)),
    )


def _tone(rng: np.random.Generator) -> Spectrum:
    def draw(kind: str, low_hz: float, high_hz: float, q: float, gain_db: float) -> Spectrum:
        freq = float(np.exp(rng.uniform(np.log(low_hz), np.log(high_hz))))
        return biquad(kind, freq, RATE_HZ, BAR_SAMPLES, q=q, gain_db=gain_db)  # type: ignore[arg-type]

    tone = draw("lowshelf", 90, 250, 0.6, rng.normal(0, 2.5)) * draw("highshelf", 2500, 7000, 0.6, rng.normal(0, 3.0))
    tone = tone * draw("peak", 250, 3500, 0.9, rng.normal(0, 2.0)) * draw("highpass", 18, 40, 0.7071, 0)
    kind = rng.random()
    if kind < 0.12:
        tone = tone * draw("lowpass", 2200, 9000, 0.8, 0)
    elif kind < 0.17:
        tone = tone * draw("highpass", 120, 350, 0.8, 0)
    return tone.astype(np.complex64)


def stop_samples(bar: Bar) -> NDArray[np.int64]:
    """(K,) samples after which each hit is cut: an open hat by the next hat or pedal, a kick by the next kick; round the bar.

    Hits that ring out have a very large number.
    """
    stops = np.full(len(bar.role), 1 << 40, dtype=np.int64)
    for cut, by in ((_HATS, _HATS), ((_KICK,), (_KICK,))):
        cutters = np.flatnonzero(np.isin(bar.role, by))
        for i in np.flatnonzero(np.isin(bar.role, cut)):
            gaps = (bar.position[cutters].astype(np.int64) - bar.position[i]) % BAR_SAMPLES
            gaps = gaps[gaps > 0]
            stops[i] = gaps.min() if len(gaps) else BAR_SAMPLES
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


def hit_sound(
    library: Library, setup: Setup, role: int, part: Part, velocity: int, cache: dict[tuple[object, ...], Floats]
) -> Floats:
    """The sound of a hit at 48 kHz, tuned and at its level, before jitter and cutting."""
    strength = min(velocity / 127 * float(setup.lift[role]), 1.0)
    voice = part.voice
    layer = voice.layer(strength)
    soft = 0 if len(voice.files) > 1 else min(int((1 - strength) * 4), 3)  # a single layer gets darker as it gets softer
    key = (voice.files[layer], role, soft)
    if key not in cache:
        x = library.read_float(voice.files[layer])
        ratio = 2 ** ((part.semitones + float(setup.semitones[role])) / 12)
        x = soxr.resample(x, library.rate_hz * ratio, RATE_HZ, quality="MQ")
        if soft:
            amount = np.float32(0.14 * soft)
            x[1:] -= amount * np.diff(x)  # first difference taken off: a gentle high cut
        decay = float(setup.decay_s[role])
        if np.isfinite(decay):
            x = x * np.exp(-np.arange(len(x), dtype=np.float32) / np.float32(decay * RATE_HZ))
        cache[key] = x.astype(np.float32)
    level = 10 ** ((voice.peaks_db[-1] - voice.peaks_db[layer]) / 20)  # layers keep their tone, the curve gives the level
    return cache[key] * np.float32(level * strength**setup.velocity_power * setup.gain[role])


FADE_SAMPLES = 480  # 10 ms for a cut sound to die


def mix_hits(library: Library, bar: Bar, setup: Setup) -> tuple[Floats, Floats]:
    """The kick and everything else, each (BAR_SAMPLES,), dry, tails wrapped round."""
    kick, rest = np.zeros(BAR_SAMPLES, np.float32), np.zeros(BAR_SAMPLES, np.float32)
    cache: dict[tuple[object, ...], Floats] = {}
    stops = stop_samples(bar)
    fade = np.linspace(1, 0, FADE_SAMPLES, dtype=np.float32)
    for i, role in enumerate(bar.role.tolist()):
        if role not in setup.parts:
            continue
        part = choose_part(setup.parts[role], int(bar.pitch[i]), int(setup.turn[i]))
        sound = hit_sound(library, setup, role, part, int(bar.velocity[i]), cache)
        stop = int(stops[i])
        if stop < len(sound):
            sound = sound[: stop + FADE_SAMPLES].copy()
            tail = sound[stop:]
            tail *= fade[: len(tail)]
        add_wrapped(kick if role == _KICK else rest, sound, int(bar.position[i]), float(setup.jitter[i]))
    return kick, rest


def render(library: Library, bar: Bar, setup: Setup) -> Floats:
    """Render a bar: float32 (BAR_SAMPLES,) at 48 kHz, peak at `setup.peak`."""
    kick, rest = mix_hits(library, bar, setup)
    spectrum = np.fft.rfft(kick + rest)
    if setup.send is not None:
        spectrum = spectrum + np.fft.rfft(rest + np.float32(setup.kick_send) * kick) * setup.send
    if setup.tone is not None:
        spectrum = spectrum * setup.tone
    x = np.fft.irfft(spectrum, BAR_SAMPLES)
    x /= max(float(np.abs(x).max()), 1e-9)
    if setup.drive:
        x = np.tanh(setup.drive * x) / np.tanh(setup.drive)
    return (x * setup.peak).astype(np.float32)


def loop_rng(seed: int, number: int) -> np.random.Generator:
    """The generator of loop `number`: nothing else is drawn from it, so loops can be made in any order."""
    return np.random.default_rng([seed, 5, number])


class DrumRenderer:
    """The loops of a plan, by number."""

    def __init__(self, plan: Sequence[Bar], oneshots: Path, seed: int) -> None:
        self.plan, self.seed = plan, seed
        self.library = Library(oneshots)
        self.rooms = Rooms(seed)

    def __len__(self) -> int:
        return len(self.plan)

    def loop(self, number: int) -> tuple[dict[str, str], Callable[[], Floats]]:
        """The row of `loops.csv` (without `file`) of a loop, and a function that renders it."""
        bar = self.plan[number]
        setup = setup_of(self.library, bar, self.rooms, loop_rng(self.seed, number))
        groove = not bar.source.startswith("pattern/")
        row = {
            "split": bar.split,
            "style": bar.style,
            "kind": "drum",
            "kit": setup.kit,
            "key": "",
            "licence": setup.licence(groove=groove),
            "attribution": setup.credits(groove=groove),
            "source": bar.source,
        }
        return row, lambda: render(self.library, bar, setup)
