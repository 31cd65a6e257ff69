"""How much a model's loops differ from each other, beside training bars; style by style if it was trained on styles.

    python scripts/variety.py MODEL PREPARED [-n 200] [--seed 0]

Mean distance of pairs, per cell (root mean square), of z-scored log-mels, and of their onset profiles (mean rise over bands,
summed in sixteenths). A generator that has collapsed within a style shows here while its coverage over all styles looks fair.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from loopwright.data import PreparedData
from loopwright.making.find import find_model
from loopwright.models import modelfile
from loopwright.training.gan_step import spread


def rhythm(scores: Tensor) -> Tensor:
    """Onset profile: (B, M, T) -> (B, 16)."""
    rise = (scores - scores.roll(1, dims=-1)).clamp_min(0).mean(dim=1)
    return rise.reshape(len(rise), 16, -1).sum(dim=-1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("prepared", type=Path)
    parser.add_argument("-n", "--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    file = modelfile.read(find_model(args.model))
    generator = modelfile.build(file)
    data = PreparedData.open(args.prepared)
    mean, std = (torch.from_numpy(x)[:, None] for x in (data.stats.mean, data.stats.std))
    silence = (float(np.log10(data.mel.log_floor)) - mean) / std
    rows, rng = data.indices("train"), np.random.default_rng(args.seed)
    names = np.asarray([str(style) for style in data.column("style", rows)])
    print("| style | pairs, generated / real | rhythm, generated / real |\n|---|---|---|")
    for number, style in enumerate(file.styles or ["all"]):
        own = rows if style == "all" else rows[names == style]
        picked = np.sort(rng.choice(own, args.count, replace=False))
        real = (torch.from_numpy(data.log_mel(picked)) - mean) / std
        draws = torch.Generator().manual_seed(args.seed)
        labels = torch.full((args.count,), number) if generator.classes else None
        with torch.no_grad():
            z = torch.randn(args.count, generator.z_dim, generator=draws)
            made = torch.maximum(generator(z, generator.make_noise(args.count, draws), labels), silence)
        pairs = [f"{float(spread(f(made))):.2f} / {float(spread(f(real))):.2f}" for f in (lambda x: x, rhythm)]
        print(f"| {style} | {pairs[0]} | {pairs[1]} |")


if __name__ == "__main__":
    main()
