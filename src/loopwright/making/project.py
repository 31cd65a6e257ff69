"""A real loop, looked up in the model: projected into W by optimisation through the frozen generator. Gradients need torch.

As StyleGAN2's projector (arXiv:1912.04958, appendix D), on log-mels: a start among many random styles, then Adam on one style a
layer, with an L1 distance of the log-mel at several time resolutions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from loopwright.arrays import Float32
from loopwright.audio.io import read_audio
from loopwright.audio.mel import LogMel
from loopwright.audio.resample import resample_circle
from loopwright.errors import InputError
from loopwright.making.draws import noise_map
from loopwright.making.places import Place, place_at
from loopwright.making.speaker import mel_of
from loopwright.making.torch_model import TorchModel

MAX_SECONDS = 60.0
IN_THE_BOX = "drums-mel"  # the bundled model that recordings are looked up in
FLOOR = -3.5  # decades below which a difference cannot be heard
TRUNCATION = 0.9  # of the styles that further bars and neighbours of a found loop walk to: safer than the model's own


@dataclass(frozen=True)
class Projected:
    """Where a loop lies in the model.

    Attributes:
        place: one style a layer, and the seed of the noise.
        error: mean absolute difference of log-mels in dB, above the floor of hearing.
        random_error: the same for the best of the random styles it started from: what the optimisation bought.
        bpm: tempo of the loop, if it is `bars` bars of 4/4.
    """

    place: Place
    error: float
    random_error: float
    bpm: float


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute log-mel difference per sample, frame by frame and over 4 and 16 frames: onsets, then outlines. (B,)."""
    a, b = a.clamp_min(FLOOR), b.clamp_min(FLOOR)
    total = (a - b).abs().mean(dim=(1, 2))
    for width in (4, 16):
        total = total + (F.avg_pool1d(a, width) - F.avg_pool1d(b, width)).abs().mean(dim=(1, 2))
    return total / 3


def target_log_mel(model: TorchModel, path: Path) -> tuple[Tensor, float]:
    """Log-mel (1, M, T) of a WAV that is one bar, on the model's grid, and its tempo.

    Raises InputError if the file cannot be read, is silent, or cannot be one bar between 40 and 300 BPM, and for a model that
    does not draw log-mels whole.
    """
    if model.speaker.plays:
        raise InputError(
            f"model '{model.name}' draws {model.speaker.plays}, and recordings are looked up in log-mels. "
            f"Choose a model that draws those, as '{IN_THE_BOX}' does."
        )
    mel = mel_of(model.mel, f"model '{model.name}'")
    audio = read_audio(Path(path), max_seconds=MAX_SECONDS)
    mono = audio.samples.mean(axis=1)
    if float(np.abs(mono).max()) < 1e-4:
        raise InputError(f"{path} is silent. Choose a loop that sounds.")
    bpm = 240.0 * model.bars / audio.length_s
    if not 40 <= bpm <= 300:
        raise InputError(
            f"{path} lasts {audio.length_s:.2f} s, which is not {model.bars} bar(s) of 4/4 between 40 and 300 BPM. "
            f"Cut it to one bar first: loopwright loopify {path} --bars {model.bars}"
        )
    circle = resample_circle(mono.astype(np.float32), model.bars * mel.bar_samples)
    circle *= 0.9 / max(float(np.abs(circle).max()), 1e-6)
    log_mel = LogMel(mel)(torch.from_numpy(circle)[None])
    return log_mel[..., : model.bars * mel.model_frames].to(model.device), bpm


def project(
    model: TorchModel,
    log_mel: Tensor,
    *,
    bpm: float,
    steps: int = 150,
    starts: int = 256,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Projected:
    """Find styles whose log-mel is nearest to `log_mel` (1, M, T). Deterministic in `seed`."""
    generator = model.generator
    n = generator.n_styles
    w = model.styles_of(range(seed, seed + starts), truncation=0.8)
    looked = [model.log_mel(w[i : i + 16], [seed] * len(w[i : i + 16])) for i in range(0, len(w), 16)]
    order = _distance(torch.from_numpy(np.concatenate(looked)).to(model.device), log_mel).argsort()
    best = torch.from_numpy(w[int(order[0])]).to(model.device)
    ws = best[None, None].repeat(1, n, 1).requires_grad_(True)
    shapes = enumerate(generator.noise_shapes())
    noise = [torch.from_numpy(noise_map(seed, i, shape)[None]).to(model.device) for i, shape in shapes]
    optimizer = torch.optim.Adam([ws], lr=0.05)
    spread = torch.from_numpy(w).to(model.device).std(dim=0).clamp_min(1e-3)
    kept, lowest = ws.detach().clone(), float("inf")
    mean, std = model.mean[:, None], model.std[:, None]
    for step in range(steps):
        for group in optimizer.param_groups:  # fall to nothing over the last third
            group["lr"] = 0.05 * min(1.0, 3 * (1 - step / steps))
        guess = generator.synthesis(ws, noise) * std + mean
        distance = _distance(guess, log_mel).mean()
        # stay where the generator was trained: far from every style it has seen, it makes nothing like a loop
        loss = distance + 0.002 * ((ws - generator.w_avg) / spread).square().mean()
        if distance.item() < lowest:
            lowest, kept = distance.item(), ws.detach().clone()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if progress is not None:
            progress(step + 1, steps)
    found: list[Float32] = [kept[0].cpu().numpy(), w[int(order[0])]]
    ends = [torch.from_numpy(model.log_mel(x[None], [seed])).to(model.device) for x in found]
    errors = [20 * float((x.clamp_min(FLOOR) - log_mel.clamp_min(FLOOR)).abs().mean()) for x in ends]
    return Projected(place_at(found[0], [(seed, 1.0)], TRUNCATION), errors[0], errors[1], bpm)
