"""Feature networks that cost nothing, and a prepared folder of drawn log-mels: the loop's own behaviour is under test here.

Also a program: `python cheap.py DATA RUNS '{"train": {...}}'` trains the recipe below with them, alone or under torchrun.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loopwright import features
from loopwright.config import LOOP16, MelConfig, Representation, ToneConfig
from loopwright.data import PreparedData
from loopwright.data.prepared_writer import PreparedWriter
from loopwright.features.registry import TRANSCRIBERS, split_name
from loopwright.training import gan_build, tick

SIZES: dict[str, Any] = {
    "generator": {"dims": 1, "channels": [12, 12, 8, 8], "z_dim": 6, "w_dim": 8, "mapping_layers": 2},
    "discriminator": {"channels": [4, 6, 8]},
    "train": {
        "batch": 4,
        "kimg": 0.024,
        "tick_kimg": 0.004,
        "eval_kimg": 0.012,
        "eval_n": 8,
        "ema_kimg": 0.01,
        "judges": ["random:yamnet"],
    },
}
STYLES = ("funk", "house", "rock")


@dataclass
class Tap:
    channels: int


class CheapNetwork(nn.Module):
    """Two scales of averages, mixed by a fixed random convolution."""

    taps: Sequence[Tap] = (Tap(6), Tap(8))

    def __init__(self) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        self.mix = [torch.randn(n, 1, 3, 3, generator=rng) / 3 for n in (6, 8)]

    def forward(self, log_mel: Tensor) -> list[Tensor]:
        maps = [F.avg_pool2d(log_mel[:, None], size) for size in (8, 16)]
        return [
            F.conv2d(F.pad(x, (1, 1, 0, 0), mode="circular"), w, padding=(1, 0)) for x, w in zip(maps, self.mix, strict=True)
        ]


class CheapEmbedder(nn.Module):
    def forward(self, log_mel: Tensor) -> Tensor:
        return F.avg_pool2d(log_mel[:, None], (16, 64)).flatten(1)

    def probabilities(self, log_mel: Tensor) -> Tensor:
        return self(log_mel)[:, :3].softmax(dim=1)


def build(name: str, mel: MelConfig, **switches: Any) -> CheapNetwork:
    """Checks what `features.build` would: the name and the switches."""
    split_name("yamnet" if "scnn_loop" in name or name in ("mel", "folds", *TRANSCRIBERS) else name)
    inspect.signature(features.build).bind(name, mel, **switches)
    return CheapNetwork()


def install() -> None:
    """Put the cheap networks where the loop looks for real ones."""
    setattr(gan_build, "build_features", build)  # noqa: B010  (a name it imports)
    setattr(tick, "build_embedder", lambda name, mel: CheapEmbedder())  # noqa: B010


def write_data(path: Path, *, rows: int = 40, labelled: bool = True, representation: Representation = LOOP16) -> PreparedData:
    """Pictures of hits on a grid; the style decides the pattern. What plays is known: notes on tone48, else drums."""
    rng, bands = np.random.default_rng(0), representation.bands
    notes = isinstance(representation, ToneConfig)
    with PreparedWriter(path, representation, 1, audio=False) as writer:
        for i in range(rows):
            style = i % len(STYLES)
            mel = np.full((bands, 256), -4.0) + 0.3 * rng.normal(size=(bands, 256))
            for hit in range(0, 16, 2 + style):
                low = int(rng.integers(0, 40))
                mel[low : low + 16, hit * 16 : hit * 16 + 8] += 3.0
            record = {
                "id": i,
                "file": f"{i}.wav",
                "bar": 0,
                "split": "train" if i % 2 else "validation",
                "source": str(i),
                "kind": "drum",
            }
            steps = range(0, 16, 2 + style)
            events = [[60 + style, s / 16, 0.1, 0.8, "lead"] if notes else ["kick", s / 16, 0.8] for s in steps]
            record |= {"style": STYLES[style] if labelled else "", "events": events}
            writer.add(np.maximum(mel, -5.0), None, record)
        writer.commit()
        return writer.finish()


def main() -> None:
    from loopwright.tasks.train_gan import train

    torch.set_num_threads(1)
    install()
    data, runs, overrides = sys.argv[1:4]
    train(Path(data), Path(runs), "tiny", overrides=json.loads(overrides), device="cpu")


if __name__ == "__main__":
    main()
