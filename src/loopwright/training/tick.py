"""Measurements during training: generated bars against held-out real ones, in embedding space, through the bridge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from loopwright.data import PreparedData
from loopwright.features import build_embedder
from loopwright.metrics import fad, inception_score, kad, prdc

FEWEST = 10  # validation bars to measure against


def coverage_by_group(real: np.ndarray, fake: np.ndarray, groups: Sequence[str], *, k: int = 5) -> dict[str, float]:
    """Share of each group's real items (N, D) with a fake item (M, D) nearer than their k-th real neighbour.

    `groups` has a name for each real item. A style that a collapsed generator has lost stands out as 0.
    """
    a, b = torch.from_numpy(real), torch.from_numpy(fake)
    own = torch.cdist(a, a)
    own.fill_diagonal_(float("inf"))
    radius = own.kthvalue(min(k, len(a) - 1), dim=1).values
    covered = (torch.cdist(a, b).amin(dim=1) < radius).numpy()
    names = np.asarray(groups)
    return {str(name): float(covered[names == name].mean()) for name in np.unique(names)}


class TickJudge:
    """FAD, KAD, density and coverage of a generator's average against held-out real bars, by several networks.

    A network that tells styles apart also gives the Inception score.

    Where bars have styles, also the coverage of each style, by the last network.

    Args:
        data: prepared data; bars of `validation` are the reference. Training bars never stand for held-out ones: with fewer
            than 10 validation bars nothing is measured (`TickJudge.of` gives None).
        names: embedding networks, as in `features.build_embedder`.
        n: bars on each side.
        device: where the embedders run.
    """

    @classmethod
    def of(cls, data: PreparedData, names: Sequence[str], *, n: int, seed: int, device: torch.device) -> TickJudge | None:
        """A judge, or None where too few bars are held out to measure against."""
        if len(data.indices("validation")) < FEWEST:
            return None
        return cls(data, names, n=n, seed=seed, device=device)

    def __init__(self, data: PreparedData, names: Sequence[str], *, n: int, seed: int, device: torch.device) -> None:
        self.data, self.n, self.seed, self.device = data, n, seed, device
        held_out = data.indices("validation")
        rng = np.random.default_rng(seed)
        self.n = min(n, len(held_out))
        rows = np.sort(rng.choice(held_out, self.n, replace=False))
        styles = [str(style or "") for style in data.column("style", rows)]
        self.styles = styles if all(styles) and len(set(styles)) > 1 else []
        train = data.indices("train")
        others = np.sort(rng.choice(train, min(self.n, len(train)), replace=False))
        self.embedders = {name: build_embedder(name, data.representation).to(device) for name in names}
        self.real = {name: self._embed(name, self._crop(data.log_mel(rows)))[0] for name in names}
        self.baseline: dict[str, float] = {}
        for name in names:  # what training bars score against the same reference: a model that copies would
            self.baseline |= self._compare(name, *self._embed(name, self._crop(data.log_mel(others))), "training-")

    def _crop(self, log_mel: np.ndarray) -> np.ndarray:
        if self.data.representation.model_frames == self.data.representation.bar_frames:
            return log_mel
        return log_mel[..., : self.data.bars * self.data.representation.model_frames]

    @torch.no_grad()
    def _embed(self, name: str, log_mel: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Embeddings (n, D), and class probabilities (n, K) of a network that tells styles apart."""
        vectors, odds = [], []
        for part in torch.split(torch.from_numpy(log_mel), 16):
            vectors.append(self.embedders[name](part.to(self.device)).float().cpu())
            found = self.embedders[name].probabilities(part.to(self.device))
            if found is not None:
                odds.append(found.float().cpu())
        return torch.cat(vectors).numpy().astype(np.float64), torch.cat(odds).numpy() if odds else None

    def _compare(self, name: str, fake: np.ndarray, odds: np.ndarray | None, prefix: str = "") -> dict[str, float]:
        neighbours = prdc(self.real[name], fake, k=min(5, self.n - 1, len(fake) - 1))
        scores = {
            f"{prefix}fad/{name}": float(fad(self.real[name], fake)),
            f"{prefix}kad/{name}": float(kad(self.real[name], fake)),
            f"{prefix}density/{name}": float(neighbours.density),
            f"{prefix}coverage/{name}": float(neighbours.coverage),
            f"{prefix}recall/{name}": float(neighbours.recall),
        }
        if odds is not None:
            splits = max(1, min(10, len(odds) // 10))
            found = inception_score(odds, splits=splits, seed=self.seed)
            scores |= {f"{prefix}is/{name}": found.whole, f"{prefix}is10/{name}": found.mean}
        return scores

    def measure(self, log_mel: Tensor) -> dict[str, float]:
        """Scores of generated log-mels (n, M, T) by every network."""
        out: dict[str, float] = {}
        fake = np.zeros((0, 0))
        for name in self.embedders:
            fake, odds = self._embed(name, log_mel.numpy())
            out |= self._compare(name, fake, odds)
        if self.styles:
            shares = coverage_by_group(self.real[name], fake, self.styles)
            out |= {f"style/{style}": share for style, share in shares.items()}
        return out
