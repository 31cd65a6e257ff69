"""How far features through the bridge are from features of the true front-end, on real loops that no map was fitted on.

Usage: python scripts/bridge_fidelity.py MATERIAL [--out docs/results/bridge.json]

For every representation and network: the network's input (its own log) through the bridge against the same from audio at
the same frame centres, and all taps of both, circular. Correlation, and relative error |a - b| / |b - mean b|. `sounding`
looks only at input cells within 60 dB of the loop's loudest cell: below that the house log-mel has its floor.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from fit_bridges import TARGETS, real_bars, source_mel, to_16k
from torch import Tensor

from loopwright.config import LOOP16, LOOP48
from loopwright.features import build
from loopwright.features.scnn_loop import FRAMES

NETWORKS = ("yamnet", "scnn_mtat", "mtat_fcn", "scnn_loop")


def figures(got: Tensor, want: Tensor, keep: Tensor | None = None) -> dict[str, float]:
    a, b = (got, want) if keep is None else (got[keep], want[keep])
    a0, b0 = a - a.mean(), b - b.mean()
    return {
        "correlation": round(float((a0 * b0).sum() / (a0.norm() * b0.norm())), 4),
        "relative_error": round(float((a - b).norm() / b0.norm()), 4),
    }


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("material", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    bars, _ = real_bars(args.material / "data")
    report: dict[str, object] = {"bars": len(bars)}
    for name in args.networks.split(","):
        for mel in (LOOP48, LOOP16):
            net = build(name, mel, weights=args.material / "weights")
            target = net.network.mel_map
            true = TARGETS[target].mel(to_16k(bars), target)
            if target == "loop16":
                true = true.reshape(*true.shape[:-1], FRAMES, -1).mean(dim=-1)
            want_x = net.network.compress(true)
            got_x = net.to_input(source_mel(mel, bars))
            decades = 3 * (2 if net.network.power else 1)
            floor = true.flatten(1).amax(dim=1)[:, None, None] * 10.0**-decades
            row = {
                "input": figures(got_x, want_x),
                "input, sounding": figures(got_x, want_x, (true > floor)[:, None].expand_as(want_x)),
            }
            for tap, a, b in zip(net.taps, net.features(got_x), net.features(want_x), strict=True):
                row[tap.name] = figures(a, b)
                pooled = np.corrcoef(a.mean(dim=(2, 3)).flatten(), b.mean(dim=(2, 3)).flatten())[0, 1]
                row[tap.name]["pooled_correlation"] = round(float(pooled), 4)
            report[f"{mel.name} -> {name}"] = row
            print(mel.name, name, json.dumps(row), flush=True)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
