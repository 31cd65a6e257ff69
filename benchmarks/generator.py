"""Generator forward at the paper's sizes (21.75 M parameters, 192 x 64) against a literal reference, in the same process.

    python benchmarks/generator.py [--pairs 3] [--batch 2] [--dims2-channels 512,512,512,512,512]

Both get the same weights first and must agree; then CPU time on one thread, in alternating pairs.
"""

from __future__ import annotations

import argparse

import reference
import torch
from timing import alternate, has_bf16, machine, median, ratio

from loopwright.models.generator import Generator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--channels", default="512,512,512,512,512")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    channels = tuple(int(c) for c in args.channels.split(","))
    sizes = {"channels": channels, "z_dim": 32, "w_dim": 64, "mapping_layers": 6}
    theirs = reference.Generator(**sizes)
    ours = Generator(n_mels=64, frames=192, dims=2, bound=None, circular=False, **sizes)
    reference.load_from_ours(theirs, ours)
    rng = torch.Generator().manual_seed(0)
    z = torch.randn(args.batch, 32, generator=rng)
    with torch.no_grad():
        gap = float((theirs(z)[:, 0].transpose(1, 2) - ours(z)).abs().max())
        print(f"{machine()}; {sum(p.numel() for p in ours.parameters()) / 1e6:.2f} M parameters, batch {args.batch}")
        print(f"same weights, same output: largest difference {gap:.1e}", flush=True)
        circle = Generator(n_mels=64, frames=192, dims=2, **sizes)
        tasks = {
            "reference": lambda: theirs(z),
            "ours": lambda: ours(z, ours.make_noise(args.batch, rng)),
            "ours, circular and bounded": lambda: circle(z, circle.make_noise(args.batch, rng)),
        }
        if has_bf16():

            def low() -> torch.Tensor:
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    return circle(z, circle.make_noise(args.batch, rng))

            tasks["ours, bf16"] = low
        times = alternate(tasks, args.pairs)
    for name, values in times.items():
        print(f"{name}: {median(values) / args.batch:.2f} s per loop; reference / this = {ratio(times, 'reference', name)}")
    if not has_bf16():
        print("bf16: this CPU has no bfloat16 arithmetic; not measured")


if __name__ == "__main__":
    main()
