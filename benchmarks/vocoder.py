"""CPU time of the vocoders per 2-second loop: one thread, process CPU time, in alternating rounds, medians.

    python benchmarks/vocoder.py --rounds 15 -o docs/results/vocoder-speed.md

Weights do not change the time, so they are random: every vocoder at its full size can be timed without a file.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from loopwright.audio.mel import LogMel
from loopwright.config import LOOP16, LOOP48, PAPER16, MelConfig
from loopwright.making.draws import white_noise
from loopwright.making.onnx_model import load_vocoder
from loopwright.vocoder.base import Vocoder
from loopwright.vocoder.griffinlim import GriffinLim
from loopwright.vocoder.melgan import MelGan, MelGanConfig, remove_weight_norm
from loopwright.vocoder.ring import RingVocoder
from loopwright.vocoder.ring_config import RING_SIZES


def contenders() -> dict[str, Vocoder | AsGenerated]:
    torch.manual_seed(0)
    return {
        "MelGAN, paper16 (16 kHz)": remove_weight_norm(MelGan(PAPER16, MelGanConfig())),
        "MelGAN circular, paper16": remove_weight_norm(MelGan(PAPER16, MelGanConfig(circular=True))),
        "house small, loop16": RingVocoder(LOOP16, RING_SIZES["small"]),
        "house small, loop48": RingVocoder(LOOP48, RING_SIZES["small"]),
        "house small, loop48, 3 corrections as bundled": RingVocoder(
            LOOP48, RING_SIZES["small"].model_copy(update={"refine": 3, "hold": 0.5})
        ),
        "house base, loop48": RingVocoder(LOOP48, RING_SIZES["base"]),
        "house small, loop48, bundled, in the engine of `generate`": AsGenerated(LOOP48),
        "Griffin-Lim, loop48": GriffinLim(LOOP48),
    }


class AsGenerated(torch.nn.Module):
    """The bundled vocoder as `generate` computes it: onnxruntime and numpy, no torch. Its weights are not torch parameters."""

    def __init__(self, mel: MelConfig) -> None:
        super().__init__()
        self.mel, self.light = mel, load_vocoder("ring", mel)

    def forward(self, log_mel: torch.Tensor) -> np.ndarray:
        return self.light(log_mel[0].numpy(), white_noise(0, self.mel.hop, log_mel.shape[-1]))


def some_mel(mel: MelConfig) -> torch.Tensor:
    noise = torch.randn(1, mel.bar_samples, generator=torch.Generator().manual_seed(1)) * 0.1
    envelope = torch.exp(-8 * (torch.arange(mel.bar_samples) / mel.rate_hz % 0.5))
    return LogMel(mel)(noise * envelope)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("-o", "--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    models = contenders()
    mels = {name: some_mel(model.mel) for name, model in models.items()}
    times: dict[str, list[float]] = {name: [] for name in models}
    with torch.inference_mode():
        for name, model in models.items():
            model.eval().requires_grad_(False)(mels[name])  # first calls plan transforms
        for _ in range(args.rounds):
            for name, model in models.items():
                start = time.process_time()
                model(mels[name])
                times[name].append(time.process_time() - start)
    reference = times["MelGAN, paper16 (16 kHz)"]
    lines = ["| vocoder | parameters (M) | CPU ms per 2 s loop | times faster than MelGAN |", "|---|---|---|---|"]
    for name, model in models.items():
        size = sum(p.numel() for p in model.parameters()) / 1e6
        ratio = statistics.median(a / b for a, b in zip(reference, times[name], strict=True))
        lines.append(f"| {name} | {size:.2f} | {1000 * statistics.median(times[name]):.0f} | {ratio:.2f} |")
    text = "\n".join(lines) + f"\n\nOne thread, {args.rounds} alternating rounds, medians; ratio within each round.\n"
    print(text)
    if args.out:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
