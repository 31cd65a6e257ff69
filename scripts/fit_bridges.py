"""Fit the mel-to-mel maps of `features/bridge.py` on real audio, once. Only the maps (numbers) are kept.

Usage: python scripts/fit_bridges.py MATERIAL [--report FILE.json]

Data: all one-shots and tonal notes of MATERIAL/data, and clips that sum two to four of them at random times and levels, at
random overall levels (seeded); each made a 2 s circle. The real loops are held out: they only measure the result.

Model: y = W x with W >= 0, x our linear mel at the network's frame, y the network's. What the network sees is
log(y + offset), so frames are weighted by 1 / (y + W x + offset) with the last W, six times over: a relative error that
treats too much and too little alike. (Weights of 1 / (y + offset) alone pull W to zero: our longer window hears a hit
before the network's does, and those frames would outweigh all others.) Each round is solved exactly by scipy's NNLS on
the Cholesky factor of the normal equations; a last factor per band makes the median log error 0.
"""

from __future__ import annotations

import argparse
import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from loopwright.audio.io import read_audio
from loopwright.audio.mel import LogMel
from loopwright.audio.resample import resample, resample_circle
from loopwright.audio.stft import wrap_pad
from loopwright.config import LOOP16, LOOP48, MelConfig
from loopwright.features.bridge import MAPS_FILE, SPECTRAL_FIELDS, Bridge, time_weights
from loopwright.features.frontends import audioset_frames, htk_filterbank, htk_frames
from loopwright.files import save_tensors

SEED = 2022
CLIPS = 500
FRAMES = 24_000
ROUNDS = 6


@dataclass(frozen=True)
class Target:
    """A linear mel some network wants: frames a bar, window length, squares or not, and the offset that weighs its log."""

    bar_frames: int
    window: int
    power: bool
    offset: float

    def mel(self, wave16: Tensor, name: str) -> Tensor:
        """The network's linear mel of a circle of 2 s at 16 kHz, at the bridge's frame centres. (B, N) -> (B, F, U)."""
        if name == "loop16":
            return 10 ** LogMel(LOOP16)(wave16)
        frames = frames_at_centres(wave16, self.bar_frames, self.window)
        if name == "audioset64":
            return audioset_frames(frames)
        return htk_frames(frames, htk_filterbank(int(name.removeprefix("htk"))))


TARGETS = {
    "audioset64": Target(192, 400, False, 1e-3),
    "htk128": Target(128, 512, True, 1e-6),
    "htk96": Target(128, 512, True, 1e-6),
    "loop16": Target(256, 1024, False, 1e-4),
}


def frames_at_centres(wave16: Tensor, bar_frames: int, window: int) -> Tensor:
    """Frames of `window` samples whose centres are those of the bridge: output frame j at house time (j+.5)*256/U - .5."""
    n = wave16.shape[-1]
    centre = (torch.arange(bar_frames, dtype=torch.float64) + 0.5) * (n / bar_frames) - 0.5 * (n / 256)
    start = centre.round().long() - window // 2
    padded = wrap_pad(wave16, window, window)
    index = (start + window)[:, None] + torch.arange(window)[None]
    return padded[:, index]


def circle(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    """A 48 kHz circle of 2 s from mono audio: cut, or filled with silence."""
    wave = resample(samples.astype(np.float32), rate_hz, 48_000)
    out = np.zeros(96_000, dtype=np.float32)
    out[: min(len(wave), 96_000)] = wave[:96_000]
    return out


def mono(path: Path) -> tuple[np.ndarray, int]:
    audio = read_audio(path)
    return audio.samples.mean(axis=1), audio.rate_hz


def fitting_clips(data: Path) -> np.ndarray:
    """(CLIPS, 96000) float32 at 48 kHz."""
    rng = np.random.default_rng(SEED)
    sounds = [circle(*mono(path)) for folder in ("oneshots", "tonal") for path in sorted((data / folder).rglob("*.flac"))]
    clips = []
    for number in range(CLIPS):
        mix = np.roll(sounds[number % len(sounds)], rng.integers(96_000))
        for _ in range(rng.integers(0, 4)):
            other = np.roll(sounds[rng.integers(len(sounds))], rng.integers(96_000))
            mix = mix + other * 10 ** rng.uniform(-1, 0)
        clips.append(mix / max(np.abs(mix).max(), 1e-6) * 10 ** (rng.uniform(-30, 0) / 20))
    return np.stack(clips).astype(np.float32)


def real_bars(data: Path) -> tuple[np.ndarray, list[str]]:
    """The first bar of every real loop of known tempo, brought to a 2 s circle at 48 kHz by change of speed."""
    bars, names = [], []
    with (data / "real_loops" / "real_loops.csv").open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            if not row["bpm"] or float(row["n_bars"] or 0) < 1:
                continue
            wave, rate_hz = mono(data / "real_loops" / row["file"])
            length = round(240 / float(row["bpm"]) * rate_hz)
            if len(wave) >= length:
                bars.append(resample_circle(wave[:length].astype(np.float32), 96_000))
                names.append(row["file"])
    return np.stack(bars), names


def to_16k(wave48: np.ndarray) -> Tensor:
    return torch.from_numpy(resample_circle(wave48, 32_000))


def source_mel(mel: MelConfig, wave48: np.ndarray) -> Tensor:
    wave = torch.from_numpy(wave48) if mel.rate_hz == 48_000 else to_16k(wave48)
    return LogMel(mel)(wave)


def fit(x: Tensor, y: Tensor, offset: float) -> np.ndarray:
    """Non-negative W (F, M) with W x close to y in log(. + offset). x (n, M), y (n, F)."""
    a, b = x.double().numpy(), y.double().numpy()
    rows = []
    for band in range(b.shape[1]):
        target = b[:, band]
        guess = target.copy()
        for _ in range(ROUNDS):
            weight = 1 / (target + guess + 2 * offset)
            aw, bw = a * weight[:, None], target * weight
            gram = aw.T @ aw
            scale = np.sqrt(np.diag(gram)) + 1e-30  # bands differ by orders of magnitude
            gram = gram / scale[:, None] / scale[None] + 1e-6 * np.eye(len(gram))
            chol = np.linalg.cholesky(gram).T
            solution = nnls(chol, np.linalg.solve(chol.T, (aw.T @ bw) / scale))[0] / scale
            guess = a @ solution
        heard = target > 10 * offset
        if heard.any():  # an empty band stays as it is
            solution = solution * np.exp(np.median(np.log((target + offset) / (guess + offset))[heard]))
        rows.append(solution)
    return np.stack(rows).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("material", type=Path)
    parser.add_argument("--report", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = args.material / "data"
    clips = fitting_clips(data)
    held_out, _ = real_bars(data)
    tensors, report = {}, {}
    for name, target in TARGETS.items():
        y = torch.cat([target.mel(to_16k(part), name) for part in np.array_split(clips, 20)]).transpose(1, 2).flatten(0, 1)
        for mel in (LOOP48, LOOP16):
            if mel.name == name:
                continue
            linear = torch.exp(source_mel(mel, clips) * (np.log(10) * (2 if target.power else 1)))
            weights = time_weights(256, target.bar_frames)
            x = (linear.unflatten(-1, (-1, len(weights))) @ weights).flatten(-2).transpose(1, 2).flatten(0, 1)
            sounding = np.flatnonzero((y > 10 * target.offset).any(dim=1).numpy())
            keep = np.random.default_rng(SEED).permutation(sounding)[:FRAMES]
            tensors[f"{mel.name}.{name}"] = torch.from_numpy(fit(x[keep], y[keep], target.offset))
            print(mel.name, name, "fitted on", len(keep), "frames", flush=True)
    sources = {mel.name: {field: getattr(mel, field) for field in SPECTRAL_FIELDS} for mel in (LOOP48, LOOP16)}
    header = {"sources": sources, "made_by": "scripts/fit_bridges.py", "seed": SEED, "clips": CLIPS}
    save_tensors(MAPS_FILE, tensors, header)
    for name, target in TARGETS.items():
        for mel in (LOOP48, LOOP16):
            if mel.name == name:
                continue
            bridge = Bridge(mel, name, power=target.power, bar_frames=target.bar_frames)
            got = torch.log10(bridge(source_mel(mel, held_out)) + target.offset)
            want = torch.log10(target.mel(to_16k(held_out), name) + target.offset)
            g, w = got - got.mean(), want - want.mean()
            report[f"{mel.name}->{name}"] = {
                "correlation": float((g * w).mean() / (g.std() * w.std())),
                "rms_error_db": float((got - want).square().mean().sqrt()) * (10 if target.power else 20),
                "bias_db": float((got - want).mean()) * (10 if target.power else 20),
                "relative_error": float((got - want).norm() / w.norm()),
            }
    print(json.dumps(report, indent=1))
    if args.report:
        args.report.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
