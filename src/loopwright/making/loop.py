"""A finished loop: samples, exact tempo, where it came from. What `generate` returns and packs are made of."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwright.audio.io import write_wav
from loopwright.audio.wavmeta import exact_bpm, loop_chunks

Float32 = npt.NDArray[np.float32]


def loudness_lufs(loop: Float32, rate_hz: int) -> float:
    """Loudness of a loop that goes on for ever, in LUFS: ITU-R BS.1770-4 without gating, mono.

    The K-weighting's two biquads are applied as their frequency response to the loop's Fourier series: exact on a circle.
    """
    spectrum = np.fft.rfft(loop.astype(np.float64))
    omega = 2 * np.pi * np.fft.rfftfreq(len(loop))
    z = np.exp(-1j * omega)

    def biquad(f0: float, q: float, gain_db: float | None) -> npt.NDArray[np.complex128]:
        k = np.tan(np.pi * f0 / rate_hz)
        a0 = 1 + k / q + k * k
        a1, a2 = 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0
        if gain_db is None:  # high pass
            b0, b1, b2 = 1.0, -2.0, 1.0
        else:  # high shelf
            vh = 10 ** (gain_db / 20)
            vb = vh**0.4996667741545416
            b0, b1, b2 = ((vh + vb * k / q + k * k) / a0, 2 * (k * k - vh) / a0, (vh - vb * k / q + k * k) / a0)
        return (b0 + b1 * z + b2 * z * z) / (1 + a1 * z + a2 * z * z)

    shelf = biquad(1681.974450955533, 0.7071752369554196, 3.999843853973347)
    high_pass = biquad(38.13547087602444, 0.5003270373238773, None)
    power = np.abs(spectrum * shelf * high_pass) ** 2
    power[1:-1] *= 2  # a real signal's negative frequencies
    if len(loop) % 2:
        power[-1] *= 2
    mean_square = float(power.sum()) / len(loop) ** 2
    return -0.691 + 10 * float(np.log10(max(mean_square, 1e-12)))


def limit_peaks(loop: Float32, rate_hz: int, ceiling: float, *, look_s: float = 0.0015) -> Float32:
    """Turn the loop down round its peaks so that none is above `ceiling`, going round the circle: no seam. (N,) -> (N,).

    The gain is the least that any sample within `look_s` needs, smoothed over as long: it is down when the peak comes.
    """
    gain = np.minimum(1.0, ceiling / np.maximum(np.abs(loop), 1e-9))
    reach = round(look_s * rate_hz)
    size, covered = 2 * reach + 1, 1
    while covered < size:  # the least of `covered` samples from each on
        step = min(covered, size - covered)
        gain = np.minimum(gain, np.roll(gain, -step))
        covered += step
    sums = np.cumsum(np.concatenate([[0.0], gain, gain[:size]]))  # a mean of what begins up to 2 * reach before
    smooth = np.roll((sums[size : size + len(loop)] - sums[: len(loop)]) / size, 2 * reach)
    return (loop * np.minimum(smooth, 1.0)).astype(np.float32)


def level_to(loop: Float32, rate_hz: int, *, lufs: float = -18.0, peak_db: float = -0.5, most_db: float = 15.0) -> Float32:
    """Gain to a loudness; peaks above `peak_db` are limited, by `most_db` at most: what is spikier stays quieter."""
    peak, ceiling = float(np.abs(loop).max(initial=0.0)), 10 ** (peak_db / 20)
    if peak < 1e-6:
        return loop
    most = 10 ** (most_db / 20) * ceiling / peak
    gain, levelled = 1.0, loop
    for _ in range(3):  # limiting costs loudness, which the next round gives back
        gain = min(most, gain * 10 ** ((lufs - loudness_lufs(levelled, rate_hz)) / 20))
        levelled = (loop * np.float32(gain)).astype(np.float32)
        if gain * peak <= ceiling:
            break
        levelled = limit_peaks(levelled, rate_hz, ceiling)
    return levelled


def wrap_click_ratio(loop: Float32) -> float:
    """Step from the last sample to the first over the 99.9th percentile of the steps inside: above 1 is a click."""
    steps = np.abs(np.diff(loop))
    return float(abs(loop[0] - loop[-1]) / max(float(np.percentile(steps, 99.9)), 1e-9))


def rest_at_seam(loop: Float32, rate_hz: int, *, reaches_s: Sequence[float] = (0.00025, 0.001, 0.004)) -> Float32:
    """Turn a loop so that its file does not begin in the middle of an attack. (N,) -> (N,).

    One loop in a thousand has one of its thousand largest steps at the seam. Nobody hears it, but a sampler that fades the ends
    of files would. Such a loop is turned to the nearest step of half the 99.9th percentile within a quarter of a millisecond,
    or the smallest there; others stay as they are. Where a low, loud tone rises across the seam all steps there are large: then
    it looks further. A thousandth of the steps of a bar is 2 ms in all, so it finds one.
    """
    ratio = wrap_click_ratio(loop)
    if ratio <= 1:
        return loop
    limit = abs(float(loop[0] - loop[-1])) / ratio
    turn = 0
    for reach in (round(reach_s * rate_hz) for reach_s in reaches_s):
        around = np.take(loop, np.arange(-reach - 1, reach + 1), mode="wrap")
        steps = np.abs(np.diff(around))  # the one in the middle is the seam's
        # the nearest, not the smallest: rounding decides between small ones, and loops of two engines would come apart
        near = np.flatnonzero(steps <= 0.5 * limit) - reach
        turn = int(near[np.argmin(np.abs(near))] if len(near) else np.argmin(steps) - reach)
        if steps[turn + reach] < limit:
            break
    return np.roll(loop, -turn)


@dataclass(frozen=True)
class Loop:
    """One seamless loop.

    Attributes:
        samples: (N,) float32 in [-1, 1], mono, one turn of the loop.
        rate_hz: sample rate.
        beats: quarter-notes in the loop.
        name: file name without suffix.
        info: where it came from: model, seed, style, truncation.
    """

    samples: Float32
    rate_hz: int
    beats: int
    name: str
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def bpm(self) -> float:
        """Exact tempo of this whole number of samples."""
        return exact_bpm(len(self.samples), self.beats, self.rate_hz)

    @property
    def length_s(self) -> float:
        """Length of one turn in seconds."""
        return len(self.samples) / self.rate_hz

    def tile(self, times: int) -> Float32:
        """The loop played `times` times, (times * N,)."""
        return np.tile(self.samples, times)

    def seam(self) -> dict[str, float]:
        """How the end meets the start: `click_ratio` (above 1 is a click) and the step in dB of full scale."""
        step = abs(float(self.samples[0]) - float(self.samples[-1]))
        return {"click_ratio": wrap_click_ratio(self.samples), "step_db": 20 * float(np.log10(max(step, 1e-6)))}

    def save(self, path: Path, *, subtype: str = "PCM_24") -> Path:
        """Write a WAV with tempo, loop points and origin for DAWs. A folder gets the loop's own name."""
        path = Path(path)
        if path.is_dir() or not path.suffix:
            path = path / f"{self.name}.wav"
        info = {"title": self.name, "software": "loopwright", **self.info, "bpm": round(self.bpm, 6)}
        info |= {"beats": self.beats, "seam_click_ratio": round(self.seam()["click_ratio"], 4)}
        chunks = loop_chunks(len(self.samples), self.rate_hz, self.bpm, self.beats, info)
        write_wav(path, self.samples, self.rate_hz, subtype=subtype, chunks=chunks)
        return path

    def spectrogram_png(self, *, width: float = 6.0, height: float = 2.2) -> bytes:
        """A PNG picture of the loop's log-mel, beats marked."""
        from loopwright.making.picture import notebook_png

        return notebook_png(self, width=width, height=height)

    def wav_bytes(self, *, subtype: str = "PCM_16") -> bytes:
        """The WAV file as bytes."""
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            return self.save(Path(folder) / "loop.wav", subtype=subtype).read_bytes()

    def _repr_html_(self) -> str:
        """In a notebook: a player that loops, and a picture."""
        audio = base64.b64encode(self.wav_bytes()).decode()
        picture = base64.b64encode(self.spectrogram_png()).decode()
        return (
            f"<figure><figcaption>{self.name}, {self.bpm:.2f} BPM</figcaption>"
            f'<img alt="spectrogram" src="data:image/png;base64,{picture}"><br>'
            f'<audio controls loop src="data:audio/wav;base64,{audio}"></audio></figure>'
        )


_CONSONANTS, _VOWELS = "bdfgjklmnprstvz", "aeiou"
_SYLLABLES = [consonant + vowel for consonant in _CONSONANTS for vowel in _VOWELS]
WORDS = len(_SYLLABLES) ** 3  # of three syllables
_STRIDE = 179_426_549  # a prime, so that multiplying by it permutes the words: neighbouring seeds get unlike ones


def word_for(seed: int) -> str:
    """A pronounceable word for file names, different for every seed: numbers in a name mean the tempo alone.

    Three syllables, more for seeds above 421,874. `word_for(0) == 'bababa'`.
    """
    turn, value = divmod(seed, WORDS)
    value = value * _STRIDE % WORDS
    letters = ""
    for _ in range(3):
        value, digit = divmod(value, len(_SYLLABLES))
        letters += _SYLLABLES[digit]
    while turn:
        turn, digit = divmod(turn, len(_SYLLABLES))
        letters += _SYLLABLES[digit]
    return letters


def step_word(i: int) -> str:
    """a, b, ... y, za, zb, ... zy, zza, ...: the order of a file among others, without digits. Sorts as the numbers do."""
    turns, rest = divmod(i, 25)
    return "z" * turns + chr(97 + rest)
