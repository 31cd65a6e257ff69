"""A real loop, looked up in the model: projected into W by optimisation through the frozen generator, then its neighbours.

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

from loopwright.audio.io import read_audio
from loopwright.audio.mel import LogMel
from loopwright.audio.resample import resample_circle
from loopwright.errors import InputError
from loopwright.making.loop import Loop
from loopwright.making.torch_model import Model, draw

MAX_SECONDS = 60.0
FLOOR = -3.5  # decades below which a difference cannot be heard


@dataclass(frozen=True)
class Projected:
    """Where a loop lies in the model.

    Attributes:
        ws: (1, L, W), one style a layer.
        error: mean absolute difference of log-mels in dB, above the floor of hearing.
        random_error: the same for the best of the random styles it started from: what the optimisation bought.
        bpm: tempo of the loop, if it is `bars` bars of 4/4.
    """

    ws: Tensor
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


def target_log_mel(model: Model, path: Path) -> tuple[Tensor, float]:
    """Log-mel (1, M, T) of a WAV that is one bar, on the model's grid, and its tempo.

    Raises InputError if the file cannot be read, is silent, or cannot be one bar between 40 and 300 BPM.
    """
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
    circle = resample_circle(mono.astype(np.float32), model.bars * model.mel.bar_samples)
    circle *= 0.9 / max(float(np.abs(circle).max()), 1e-6)
    log_mel = LogMel(model.mel)(torch.from_numpy(circle)[None])
    return log_mel[..., : model.bars * model.mel.model_frames].to(model.device), bpm


def project(
    model: Model,
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
    with torch.no_grad():
        w = model.styles_of(range(seed, seed + starts), truncation=0.8)
        distances = torch.cat([_distance(model.log_mel(part, [seed] * len(part)), log_mel) for part in torch.split(w, 16)])
        order = distances.argsort()
        best = w[order[0]]
    ws = best[None, None].repeat(1, n, 1).requires_grad_(True)
    noise = [
        torch.from_numpy(draw(seed, f"noise {i}", (1, 1, *s))).to(model.device) for i, s in enumerate(generator.noise_shapes())
    ]
    optimizer = torch.optim.Adam([ws], lr=0.05)
    spread = w.std(dim=0).clamp_min(1e-3)
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
    with torch.no_grad():
        near = [model.log_mel(x, [seed]) for x in (kept, best[None])]
    errors = [20 * float((x.clamp_min(FLOOR) - log_mel.clamp_min(FLOOR)).abs().mean()) for x in near]
    return Projected(kept, errors[0], errors[1], bpm)


def neighbours(
    model: Model,
    projected: Projected,
    *,
    n: int = 8,
    amount: float = 0.4,
    seed: int = 0,
    bpm: float | None = None,
    rate_hz: int = 44_100,
) -> list[Loop]:
    """The projected loop itself, then `n - 1` loops near it: its styles moved part of the way towards other seeds'.

    `amount` 0 repeats the loop, 1 forgets it. Coarse layers (the pattern) move half as far as fine ones (the sound).
    """
    if not 0 <= amount <= 1:
        raise InputError(f"amount {amount:g} is out of range: 0 (the loop itself) to 1 (another loop).")
    ws = projected.ws
    share = torch.linspace(0.5, 1.0, ws.shape[1], device=ws.device)[None, :, None] * amount
    others = model.styles_of([seed + i for i in range(1, n)], truncation=0.9) if n > 1 else ws[:0, 0]
    batch = torch.cat([ws, ws.lerp(others[:, None].expand(-1, ws.shape[1], -1), share)])
    loops: list[Loop] = []
    words = ["itself", *(f"near{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(n - 1))]
    for i in range(n):
        log_mel = model.log_mel(batch[i : i + 1], [seed])
        details = [{"variation": i, "amount": amount, "seed": seed, "error_db": round(projected.error, 3)}]
        loops += model.render(
            log_mel, [seed], bpm=bpm or projected.bpm, rate_hz=rate_hz, pack="Variations", details=details, words=[words[i]]
        )
    return loops
