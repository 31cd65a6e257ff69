"""The speaker of pattern-kit generators: one-shots voiced once and placed at the sample, the residual as shaped noise.

Drawn are "roles" (V,) that sound, "kit" (V, L, M, K) powers of their one-shots, "tails" (V, L, E) shares of what follows the
last lag, "gains" (V, L, T) of hits, "residual" (M, T) powers, and of a pattern that the model has made "velocity" and "offset"
(R, D); see `models.pattern_kit`.

Shapes: V voices, R roles, L layers, M mel bands, K lags, E tails, D steps, T frames, N samples.
"""

# not every speaker uses all that speakers are told
from __future__ import annotations

import functools
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from loopwright.arrays import Float32, Float64
from loopwright.audio.drum_events import ROLES, Hit, activations, layer_weights, wrapped
from loopwright.audio.placing import mixed, place, voice_kit
from loopwright.audio.resample import resample_turn
from loopwright.config import Representation
from loopwright.making.clip import Clip, hits_from_midi
from loopwright.making.draws import Blend, white_noise
from loopwright.making.speaker import Arrays, Speaker, Wanted, mel_of
from loopwright.models.config import FRAMES_PER_S, SOFTEST, TAIL_S, GeneratorConfig
from loopwright.vocoder.hiss import HissVocoder
from loopwright.vocoder.render import LoopVocoder, loop_samples, retime

LONGEST_FRAMES = 384  # of a one-shot: 3 s
INAUDIBLE = 10.0**-4.5  # magnitude below which a residual is let go


class KitSpeaker(Speaker):
    """Drum hits on a kit."""

    plays: ClassVar[Literal["", "notes", "hits"]] = "hits"

    def __init__(self, representation: Representation, config: GeneratorConfig) -> None:
        super().__init__(representation, config)
        self.mel = mel_of(representation, "a model of drum hits")
        self.hiss = HissVocoder(self.mel)  # 32 coarse bands hold no tone, and a network would take a third of all the time

    def given(self, clip: Clip) -> Float32:
        return activations(clip.hits, bars=clip.bars, bar_frames=self.bar_frames)

    def clip_from_midi(self, source: Path | bytes, *, bars: int | None = None) -> Clip:
        return hits_from_midi(source, bars=bars)

    def bars_of(self, drawn: Arrays) -> int:
        return drawn["residual"].shape[1] // self.bar_frames

    def written(self, drawn: Arrays) -> Clip | None:
        if "velocity" not in drawn:
            return None
        velocity, offset = drawn["velocity"], drawn["offset"]
        bars = self.bars_of(drawn)
        steps = velocity.shape[1] / bars
        found = [
            Hit(ROLES[role], float(step + offset[role, step]) / steps, float(velocity[role, step]))
            for role, step in np.argwhere(velocity > SOFTEST)
        ]
        return Clip(tuple(wrapped(found, bars)), bars)

    def picture(self, drawn: Arrays, clip: Clip | None) -> Float32:
        clip = clip or self.written(drawn)
        assert clip is not None
        frames = drawn["residual"].shape[1]
        roles = drawn["roles"].astype(np.intp)
        pattern = activations(clip.hits, bars=clip.bars, bar_frames=self.bar_frames)[roles] * drawn["gains"]
        # in double precision: powers span twelve decades, and a transform's errors are those of the largest
        lines = np.fft.rfft(np.square(pattern, dtype=np.float64).reshape(-1, frames))  # (V * L, F)
        shots = np.fft.rfft(self._round_the_circle(drawn, frames).reshape(len(lines), -1, frames))
        power = np.fft.irfft(np.einsum("vf,vmf->mf", lines, shots), n=frames) + drawn["residual"]
        floor = self.mel.log_floor
        log = 0.5 * np.log10(np.maximum(power, 0.0) + floor**2)
        return np.asarray(np.maximum(log, np.log10(floor)), dtype=np.float32)

    def _round_the_circle(self, drawn: Arrays, frames: int) -> Float64:
        """Powers of one-shots with their tails, wrapped round the circle for ever: (V, L, M, frames)."""
        kit = drawn["kit"].astype(np.float64)
        after = (np.arange(frames) - kit.shape[-1]) % frames + 1
        decay = _decays()[:, None]
        tails = np.einsum("vle,et->vlt", drawn["tails"], decay**after / (1 - decay**frames))
        out = kit[..., -1:] * tails[:, :, None]
        out[..., : kit.shape[-1]] += kit
        return out

    def sound(self, drawn: Arrays, clip: Clip | None, noise: int | Blend, wanted: Wanted) -> Float32:
        bpm, rate_hz, vocoder = wanted.bpm, wanted.rate_hz, wanted.vocoder
        assert vocoder is not None
        bars = self.bars_of(drawn)
        n = loop_samples(bars, bpm, rate_hz)
        out = mixed(self.stems(drawn, clip, noise, n_samples=n, rate_hz=rate_hz, vocoder=vocoder), n)
        if float(drawn["residual"].max()) > INAUDIBLE**2:
            out += self._residual(drawn["residual"], noise, loop_samples(bars, bpm, self.mel.rate_hz), n)
        return out

    def _residual(self, power: Float32, noise: int | Blend, native: int, n: int) -> Float32:
        """Shaped noise of powers (M, T), of so many samples at the model's own rate: (n,)."""
        power = held_back(np.maximum(power, 0.0), int(self.mel.n_fft / self.mel.hop / 2))
        log_mel = (0.5 * np.log10(power + self.mel.log_floor**2)).astype(np.float32)
        frames = max(round(native / self.mel.hop), -(-self.mel.n_fft // self.mel.hop))
        hiss = self.hiss.make_loop(retime(log_mel, frames), white_noise(noise, self.mel.hop, frames))
        return resample_turn(hiss, n)

    def stems(
        self, drawn: Arrays, clip: Clip | None, noise: int | Blend, *, n_samples: int, rate_hz: int, vocoder: LoopVocoder
    ) -> dict[str, Float32]:
        """The sound of each role (N,), without the residual. Arguments as of `sound`."""
        clip = clip or self.written(drawn)
        assert clip is not None
        hits, gains, frames = clip.hits, drawn["gains"], drawn["residual"].shape[1]
        voices = {ROLES[int(role)]: voice for voice, role in enumerate(drawn["roles"])}
        weights = []
        for hit in hits:
            soft, hard = gains[voices[hit.role], :, round(hit.start * self.bar_frames) % frames]
            first, second = layer_weights(hit.velocity)
            weights.append((first * float(soft), second * float(hard)))
        shots = voice_kit(
            self.one_shots(drawn),
            hits,
            vocoder=vocoder.make_loop,
            noise=functools.partial(white_noise, noise, self.mel.hop),
            mel=self.mel,
            rate_hz=rate_hz,
            weights=weights,
        )
        return place(shots, hits, bars=clip.bars, n_samples=n_samples, rate_hz=rate_hz, weights=weights)

    def one_shots(self, drawn: Arrays, frames: int = LONGEST_FRAMES) -> dict[str, Float32]:
        """Magnitudes of the kit with its tails drawn out: (L, M, frames) for each role that sounds."""
        kit, lags = np.maximum(drawn["kit"], 0.0), drawn["kit"].shape[-1]  # silences are a rounding below it
        fall = _decays()[:, None] ** np.arange(1, frames - lags + 1)
        tails = np.einsum("vle,et->vlt", drawn["tails"], fall)
        drawn_out = np.concatenate([kit, kit[..., -1:] * tails[:, :, None]], axis=-1)
        return {ROLES[int(r)]: np.sqrt(shot).astype(np.float32) for r, shot in zip(drawn["roles"], drawn_out, strict=True)}


def held_back(power: Float32, frames: int) -> Float32:
    """Powers (M, T) as low as they were in any of the last `frames` frames: what a window sees coming is not there yet.

    A model learns its residual from log-mels, whose windows reach half their length beyond each attack. Sounded as it is, it
    fills the silence before the hits, and takes 5 dB off how steeply they rise.
    """
    return np.minimum.reduce([np.roll(power, i, axis=1) for i in range(frames + 1)])


def _decays() -> Float64:
    """Factor on the power from one frame to the next of each exponential tail: (E,)."""
    return np.array([10 ** (-6 / (s * FRAMES_PER_S)) for s in TAIL_S])
