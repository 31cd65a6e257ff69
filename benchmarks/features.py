"""Time of feature networks: our one pass against the official patch-by-patch path, forward and with the gradient.

Usage: python benchmarks/features.py [--weights FOLDER] [--bars 64] [--pairs 5] [--networks yamnet,scnn_mtat]

One thread, process CPU time, in alternating pairs. The official-style path of YAMNet: from each bar, patches of 96 frames
every 48 (0.96 s every 0.48 s), one patch at a time, contiguous memory, padded copies before each convolution, all layers
to the taps. The four branches of scnn_mtat: one grouped pass against a loop over four networks of one branch.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d, pad, relu

from loopwright.config import LOOP16
from loopwright.features import build, load_network
from loopwright.features.yamnet import LAYERS, Yamnet


def official_layers(net: Yamnet, x: Tensor) -> list[Tensor]:
    """Taps of patches the plain way: TensorFlow's padding by copies, contiguous memory."""
    taps = []
    for number in range(1, 9):
        stride, _ = LAYERS[number - 1]
        name = "layer1.conv" if number == 1 else f"layer{number}.depthwise_conv"
        weight, bias = net.get(f"{name}.weight").contiguous(), net.get(f"{name}.bias")
        before_f, before_t = (0 if stride == 2 and n % 2 == 0 else 1 for n in x.shape[2:])
        x = pad(x, (before_t, 1, before_f, 1))
        x = relu(conv2d(x, weight, bias, stride, 0, 1, 1 if number == 1 else len(weight)))
        if number > 1:
            x = relu(conv2d(x, net.get(f"layer{number}.pointwise_conv.weight").contiguous(),
                            net.get(f"layer{number}.pointwise_conv.bias")))  # fmt: skip
        if number > 1 and number % 2 == 0:
            taps.append(x)
    return taps


def official(net: Yamnet, x: Tensor) -> list[list[Tensor]]:
    """Patch by patch over every bar."""
    out = []
    for bar in x:
        for start in range(0, x.shape[3] - 96 + 1, 48):
            out.append(official_layers(net, bar[None, :, :, start : start + 96]))
    return out


def branch_by_branch(net: torch.nn.Module, x: Tensor) -> list[Tensor]:
    """scnn_mtat as four networks, one after another."""
    outputs: list[list[Tensor]] = []
    normal = net.normalise(x)  # type: ignore[operator]
    for branch in range(4):
        y = normal[:, branch : branch + 1].contiguous()
        maps = []
        for number in range(1, 5):
            weight, bias = net.get(f"layer{number}.weight"), net.get(f"layer{number}.bias")  # type: ignore[operator]
            share = len(weight) // 4
            part = slice(branch * share, (branch + 1) * share)
            y = torch.cat([y[..., -1:], y, y[..., :1]], dim=3)
            y = max_pool2d(relu(conv2d(y, weight[part].contiguous(), bias[part], padding=(1, 0))), 2)
            maps.append(y)
        outputs.append(maps)
    return [torch.cat([maps[i] for maps in outputs], dim=1) for i in range(4)]


def cpu_ms(run: Callable[[], object], bars: int) -> float:
    began = time.process_time()
    run()
    return 1000 * (time.process_time() - began) / bars


def pairs(a: Callable[[], object], b: Callable[[], object], count: int, bars: int) -> tuple[float, float, float]:
    """Median milliseconds a bar of both, and the median ratio b/a, in alternating pairs."""
    a(), b()
    times = [(cpu_ms(a, bars), cpu_ms(b, bars)) for _ in range(count)]
    return (
        statistics.median(t for t, _ in times),
        statistics.median(t for _, t in times),
        statistics.median(q / p for p, q in times),
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--bars", type=int, default=64)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--networks", default="yamnet,scnn_mtat,mtat_fcn,scnn_loop,random:vggish,random:short_chunk_res")
    args = parser.parse_args()
    torch.set_num_threads(1)
    log_mel = torch.rand(args.bars, 64, 256, generator=torch.Generator().manual_seed(0)) * 3 - 4
    with torch.no_grad():
        net = load_network("yamnet", weights=args.weights)
        assert isinstance(net, Yamnet)
        ours = build("yamnet", LOOP16, weights=args.weights)
        x = ours.to_input(log_mel)
        batches = x.split(16)
        one, plain, ratio = pairs(
            lambda: [ours.features(part) for part in batches], lambda: official(net, x), args.pairs, args.bars
        )
        print(f"yamnet taps 2/4/6/8: one circular pass {one:.2f} ms a bar, official patches {plain:.2f}, ratio {ratio:.2f}")
        ours = build("scnn_mtat", LOOP16, weights=args.weights)
        x = ours.to_input(log_mel[:16])
        network = ours.network
        for a, b in zip(ours.features(x), branch_by_branch(network, x), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)
        one, plain, ratio = pairs(lambda: ours.features(x), lambda: branch_by_branch(network, x), args.pairs, 16)
        print(f"scnn_mtat: one grouped pass {one:.2f} ms a bar, branch by branch {plain:.2f}, ratio {ratio:.2f}")
    for name in args.networks.split(","):
        feature_net = build(name, LOOP16, weights=args.weights)
        batch = log_mel[:16].clone().requires_grad_(True)

        def both(net: torch.nn.Module = feature_net, batch: Tensor = batch) -> None:
            maps = net(batch)
            torch.autograd.grad(maps, batch, [torch.ones_like(m) for m in maps])

        def forward(net: torch.nn.Module = feature_net, batch: Tensor = batch) -> None:
            with torch.no_grad():
                net(batch)

        one, two, _ = pairs(forward, both, args.pairs, 16)
        print(f"{name}: forward {one:.2f} ms a bar, forward and backward to the input {two:.2f}", flush=True)


if __name__ == "__main__":
    main()
