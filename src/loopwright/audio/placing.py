"""One-shots of a kit, voiced once each and placed at the sample: attacks stay sharp, and hits keep their speed at any tempo.

A log-mel smears every attack over its window, and a vocoder gives back what it was given. Where hits and one-shots are known
apart there is no need for that: a one-shot is voiced alone, what sounds before its onset is cut off, and copies of it are laid
on the circle where the pattern says. Stems come for nothing, and their sum is the mix.

Shapes: R roles, L velocity layers (soft, hard), M mel bands, K lags of a one-shot, H hits, T frames, N samples of the loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loopwright.arrays import Float32
from loopwright.audio.drum_events import Hit, layer_weights
from loopwright.audio.resample import resample
from loopwright.config import MelConfig
from loopwright.errors import InputError

VocoderCall = Callable[[Float32, Float32], Float32]  # log-mel (M, T) and white noise (hop, T) to a circle (T * hop,)

LEAD, APART = 4, 4  # frames before an onset that its window reaches into, and silent ones after a one-shot
AUDIBLE = 10**-2.75  # magnitude against the loudest moment of all hits below which a tail is let go: -55 dB
FADE_FRAMES = 4  # over which it is let go
ALIKE = 0.1  # decades: layers that differ by less in their spectra are voiced once
NEAR = 0.15  # hard shares closer than this are voiced once
ONSET_S, CHOKE_S = 0.0005, 0.010  # rise of what was cut before an onset; fall of a choked sound
CHOKES: Mapping[str, tuple[str, ...]] = {"hat_open": ("hat_open", "hat_closed")}  # who is cut by whom


@dataclass(frozen=True)
class Shot:
    """A one-shot of a role as sound, in one or two forms between which hits are blended.

    Attributes:
        shares: share of the hard layer in the power of each form, ascending.
        levels: amplitudes: of the soft and the hard layer against the form where there is one form, else of the two forms.
        samples: (n,) for each form, from the onset on, as a hit of weight 1 sounds.
    """

    shares: tuple[float, ...]
    levels: tuple[float, float]
    samples: tuple[Float32, ...]

    def blend(self, soft: float, hard: float) -> list[tuple[float, Float32]]:
        """Gains and sounds of a hit from the amplitudes of its layers, whose powers add."""
        if len(self.shares) == 1:
            return [(math.hypot(soft * self.levels[0], hard * self.levels[1]), self.samples[0])]
        total, (low, high) = math.hypot(soft, hard), self.shares
        part = min(max(((hard / max(total, 1e-9)) ** 2 - low) / (high - low), 0.0), 1.0)
        # The two forms are in phase, so that amplitudes are blended, and brought to the power that is wanted.
        have = (1 - part) * self.levels[0] + part * self.levels[1]
        total *= math.sqrt((1 - part) * self.levels[0] ** 2 + part * self.levels[1] ** 2) / max(have, 1e-9)
        return [(total * (1 - part), self.samples[0]), (total * part, self.samples[1])]


@dataclass(frozen=True)
class _Form:
    """What to voice: magnitudes (M, K) of a role at a share of the hard layer, and the amplitude of its loudest hit."""

    role: str
    share: float
    levels: tuple[float, float]
    magnitude: Float32
    most: float


def smear(kit: Float32, window_frames: float) -> Float32:
    """One-shots as an analysis sees them when the onset is on a frame, after LEAD frames. (M, K) -> (M, LEAD + K)."""
    reach = int(window_frames / 2)
    out = np.zeros((kit.shape[0], LEAD + kit.shape[1] + reach), np.float32)
    for d in range(-reach, reach + 1):
        window = np.float32(0.5 + 0.5 * np.cos(2 * np.pi * d / window_frames))
        out[:, LEAD + d : LEAD + d + kit.shape[1]] += np.square(window * kit)
    return np.sqrt(out[:, : LEAD + kit.shape[1]])


def _forms(role: str, layers: Float32, weights: Sequence[tuple[float, float]]) -> list[_Form]:
    """What to voice of a role (L, M, K) for hits of these weights: one form where one will do, else the two extremes.

    Powers are linear in the share of the hard layer, so that a blend of the extremes is what lies between them.
    """
    powers = np.array([soft**2 + hard**2 for soft, hard in weights])
    shares = np.array([hard**2 for _, hard in weights]) / powers
    low, high = float(shares.min()), float(shares.max())
    mean = float((shares * powers).sum() / powers.sum())
    most = math.sqrt(float(powers.max()))
    squares = np.square(layers)
    first, second, middle = (np.sqrt((1 - x) * squares[0] + np.float32(x) * squares[1]) for x in (low, high, mean))
    if high - low < NEAR or _alike(first, second):
        loudness = max(_level(middle), 1e-9)
        return [_Form(role, mean, (_level(layers[0]) / loudness, _level(layers[1]) / loudness), middle, most)]
    levels = (_level(first), _level(second))
    return [_Form(role, low, levels, first, most), _Form(role, high, levels, second, most)]


def _level(magnitude: Float32) -> float:
    """Root of the sum of squares."""
    return float(np.sqrt(np.square(magnitude, dtype=np.float64).sum()))


def _alike(first: Float32, second: Float32) -> bool:
    """Whether two one-shots differ in level alone, as far as they are heard."""
    first, second = (x / max(_level(x), 1e-9) for x in (first, second))
    loud = np.maximum(first, second)
    heard = loud > AUDIBLE * loud.max()
    if not heard.any():
        return True
    difference = np.abs(np.log10(np.maximum(first, 1e-9)[heard] / np.maximum(second, 1e-9)[heard]))
    return float(np.average(difference, weights=np.square(loud[heard]))) < ALIKE


def voice_kit(
    kit: Mapping[str, Float32],
    hits: Sequence[Hit],
    *,
    vocoder: VocoderCall,
    noise: Callable[[int], Float32],
    mel: MelConfig,
    rate_hz: int,
    weights: Sequence[tuple[float, float]] | None = None,
) -> dict[str, Shot]:
    """Voice the one-shots that `hits` need, each once, all in one call of the vocoder.

    They stand one after another in one long circle, with silence between. Two forms of a role get the same noise, so that
    they add up where they are blended.

    Args:
        kit: magnitudes of each role (L, M, K), with tails drawn out.
        hits: what is to be played.
        vocoder: see `VocoderCall`.
        noise: white noise (hop, T) for a number of frames T.
        mel: settings of the log-mels.
        rate_hz: rate of the sounds.
        weights: (soft, hard) for each hit; None for `layer_weights` of the velocities.

    Raises InputError if a hit has no one-shot.
    """
    weights = [layer_weights(hit.velocity) for hit in hits] if weights is None else weights
    missing = sorted({hit.role for hit in hits} - set(kit))
    if missing:
        raise InputError(f"the kit has no one-shot for {', '.join(missing)}.")
    forms: list[_Form] = []
    for role in kit:
        own = [w for hit, w in zip(hits, weights, strict=True) if hit.role == role and sum(w) > 0]
        if own:
            forms += _forms(role, kit[role], own)
    if not forms:
        return {}
    window = mel.n_fft / mel.hop
    loudest = max(form.most * float(form.magnitude.sum(axis=0).max()) for form in forms)
    mels, starts, at = [], [], 0
    for form in forms:
        level = form.most * form.magnitude.sum(axis=0)
        heard = np.flatnonzero(level > AUDIBLE * loudest)
        length = min(int(heard[-1]) + 1 + FADE_FRAMES if len(heard) else 1, form.magnitude.shape[1])
        cut = form.magnitude[:, :length].copy()
        fade = min(FADE_FRAMES, length - 1)
        cut[:, length - fade :] *= np.linspace(1, 0, fade + 1, dtype=np.float32)[1:]
        mels.append(np.pad(smear(cut, window), ((0, 0), (0, APART))))
        starts.append(at)
        at += mels[-1].shape[1]
    log_mel = np.log10(np.concatenate(mels, axis=1) + np.float32(mel.log_floor)).astype(np.float32)
    least = -(-mel.n_fft // mel.hop)
    if at < least:
        log_mel = np.pad(log_mel, ((0, 0), (0, least - at)), constant_values=np.log10(mel.log_floor))
    hiss = noise(log_mel.shape[1]).copy()
    for i in range(1, len(forms)):
        if forms[i].role == forms[i - 1].role:
            common = min(mels[i].shape[1], mels[i - 1].shape[1])
            hiss[:, starts[i] : starts[i] + common] = hiss[:, starts[i - 1] : starts[i - 1] + common]
    sound = vocoder(log_mel, np.ascontiguousarray(hiss))
    out: dict[str, Shot] = {}
    before = mel.rate_hz // 100  # samples of room for the resampler to begin in: whole ones at the usual rates
    for form, picture, start in zip(forms, mels, starts, strict=True):
        first, last = (start + LEAD) * mel.hop - before, (start + picture.shape[1]) * mel.hop
        turned = resample(np.ascontiguousarray(sound[first:last]), mel.rate_hz, rate_hz)
        alone = _from_onset(turned, round(before * rate_hz / mel.rate_hz), rate_hz)
        known = out.get(form.role, Shot((), (1.0, 1.0), ()))
        out[form.role] = Shot((*known.shares, form.share), form.levels, (*known.samples, alone))
    return out


def _from_onset(sound: Float32, onset: int, rate_hz: int) -> Float32:
    """Only what sounds from the onset on: what a vocoder lets sound before it is its window's doing. Risen within ONSET_S."""
    out = sound[onset:].copy()
    rise = min(round(ONSET_S * rate_hz), len(out))
    out[:rise] *= (0.5 - 0.5 * np.cos(np.pi * (np.arange(rise) + 0.5) / max(rise, 1))).astype(np.float32)
    fall = min(round(CHOKE_S * rate_hz), len(out))
    out[len(out) - fall :] *= np.linspace(1, 0, fall, dtype=np.float32)
    return out


def place(
    shots: Mapping[str, Shot],
    hits: Sequence[Hit],
    *,
    bars: int,
    n_samples: int,
    rate_hz: int,
    weights: Sequence[tuple[float, float]] | None = None,
    choke: bool = True,
) -> dict[str, Float32]:
    """Lay one-shots on the circle, each at the sample nearest to its time; tails go round.

    Args:
        shots: see `voice_kit`; at the rate of the loop.
        hits: what is played; starts in bars.
        bars, n_samples: length of the loop, in bars and in samples: the tempo.
        rate_hz: its rate.
        weights: as in `voice_kit`.
        choke: a hat stops the open hat before it.

    Returns:
        A stem (N,) for each role that plays, in the order of `shots`. Add them in this order and you have the mix, bit for bit
        (`mixed`).
    """
    weights = [layer_weights(hit.velocity) for hit in hits] if weights is None else weights
    places = [round(hit.start / bars * n_samples) % n_samples for hit in hits]
    stems: dict[str, Float32] = {}
    for role in shots:
        own = [i for i, hit in enumerate(hits) if hit.role == role]
        if not own:
            continue
        stem = np.zeros(n_samples, np.float32)
        cutters = sorted({places[i] for i, hit in enumerate(hits) if hit.role in CHOKES.get(role, ())}) if choke else []
        for i in own:
            until = _next(cutters, places[i], n_samples)
            for gain, sound in shots[role].blend(*weights[i]):
                if gain > 0:
                    _lay(stem, _choked(sound, until, rate_hz), places[i], gain)
        stems[role] = stem
    return stems


def mixed(stems: Mapping[str, Float32], n_samples: int) -> Float32:
    """The sum of stems (N,), in their order."""
    out = np.zeros(n_samples, np.float32)
    for stem in stems.values():
        out += stem
    return out


def _next(cutters: Sequence[int], place: int, n_samples: int) -> int | None:
    """Samples from a place to the next cutter round the circle; None if there is none."""
    gaps = [(cutter - place) % n_samples or n_samples for cutter in cutters]
    return min(gaps) if gaps else None


def _choked(sound: Float32, until: int | None, rate_hz: int) -> Float32:
    """The sound cut after `until` samples, with a short fade."""
    fade = round(CHOKE_S * rate_hz)
    if until is None or until + fade >= len(sound):
        return sound
    out = sound[: until + fade].copy()
    out[until:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return out


def _lay(stem: Float32, sound: Float32, start: int, gain: float) -> None:
    """Add a sound to the circle `stem`, in place, as often round as it is long."""
    n, done, at = len(stem), 0, start
    scaled = sound * np.float32(gain)
    while done < len(scaled):
        step = min(n - at, len(scaled) - done)
        stem[at : at + step] += scaled[done : done + step]
        done, at = done + step, 0
