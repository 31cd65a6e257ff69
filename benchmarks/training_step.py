"""The whole training step (row D: VGGish's layout) at the paper's sizes against the literal reference, in the same process.

    python benchmarks/training_step.py [--pairs 2] [--batch 4]

VGGish has random weights here: time does not depend on their values. CPU time on one thread, in alternating pairs.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable

import reference
import torch
from timing import alternate, has_bf16, machine, median, ratio

from loopwright import features
from loopwright.config import PAPER16
from loopwright.models.discriminator import ProjectedDiscriminator
from loopwright.models.generator import Generator
from loopwright.training.augment import Augment
from loopwright.training.ema import Average
from loopwright.training.gan_step import Gan, train_step


def our_step(channels: tuple[int, ...], batch: int, *, bf16: bool = False) -> Callable[[], object]:
    generator = Generator(n_mels=64, frames=192, dims=2, channels=channels, z_dim=32, w_dim=64, mapping_layers=6)
    network = features.build("random:vggish", PAPER16, bridge=False)
    with torch.no_grad():
        frames = [[tap.shape[-1] for tap in network(torch.zeros(1, 64, 192))]]
    discriminator = ProjectedDiscriminator([network], frames=frames).to(memory_format=torch.channels_last)
    zeros, ones = torch.zeros(64), torch.ones(64)
    gan = Gan(
        generator=generator,
        discriminator=discriminator,
        optimizer_g=torch.optim.Adam(generator.parameters(), lr=0.002, betas=(0.0, 0.99)),
        optimizer_d=torch.optim.Adam(discriminator.parameters(), lr=0.001, betas=(0.0, 0.99)),
        average=Average(generator, half_life_kimg=2, rampup=0.1),
        augment=Augment(ones, zeros - 4, roll=True, gain_db=6, noise=0.5, noise_kimg=10),
        mean=zeros,
        std=ones,
        bf16=bf16,
    )
    real = torch.randn(batch, 64, 192, generator=torch.Generator().manual_seed(0))
    steps = iter(range(1 << 30))

    def step() -> object:
        now = next(steps)
        return train_step(gan, real, seed=0, step=now, seen=now * batch)

    return step


def reference_step(batch: int) -> Callable[[], object]:
    generator, discriminator = reference.Generator(), reference.Discriminator()
    trained = [p for p in discriminator.parameters() if p.requires_grad]
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=0.0016, betas=(0.0, 0.99))
    optimizer_d = torch.optim.Adam(trained, lr=0.00188, betas=(0.0, 0.99))
    average = copy.deepcopy(generator)
    real = torch.randn(batch, 1, 192, 64)
    return lambda: reference.training_step(generator, discriminator, optimizer_g, optimizer_d, average, real)


def share_of_discriminator(channels: tuple[int, ...], batch: int) -> float:
    """CPU share of features, projections and heads (forward and backward, real and fake) in a step of ours."""
    network = features.build("random:vggish", PAPER16, bridge=False)
    discriminator = ProjectedDiscriminator([network]).to(memory_format=torch.channels_last)
    real = torch.randn(batch, 64, 192)

    def side() -> None:
        fake = real.clone().requires_grad_()
        on_fake = discriminator.features(fake)
        with torch.no_grad():
            on_real = discriminator.features(real)
        detached = [[x.detach() for x in scales] for scales in on_fake]
        sum(x.mean() for x in discriminator.logits(detached) + discriminator.logits(on_real)).backward()
        sum(x.mean() for x in discriminator.logits(on_fake)).backward()

    step = our_step(channels, batch)
    times = alternate({"side": side, "step": step}, 2)
    return median(times["side"]) / median(times["step"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=4)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    small = (512, 512, 256, 128, 64)
    print(f"{machine()}; batch {args.batch}", flush=True)
    tasks = {
        "reference": reference_step(args.batch),
        "ours, 512 channels at all scales": our_step((512,) * 5, args.batch),
        "ours, 512/512/256/128/64": our_step(small, args.batch),
    }
    if has_bf16():
        tasks["ours, 512 channels, bf16"] = our_step((512,) * 5, args.batch, bf16=True)
        tasks["ours, 512/512/256/128/64, bf16"] = our_step(small, args.batch, bf16=True)
    began = time.monotonic()
    times = alternate(tasks, args.pairs)
    for name, values in times.items():
        print(f"{name}: {median(values) / args.batch:.2f} s per image; reference / this = {ratio(times, 'reference', name)}")
    print(f"discriminator's share of the step with 512/512/256/128/64: {share_of_discriminator(small, args.batch):.0%}")
    if not has_bf16():
        print("bf16: this CPU has no bfloat16 arithmetic; not measured")
    print(f"wall-clock {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
