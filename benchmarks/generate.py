"""Time of a finished loop against the reference's generator and MelGAN, one thread, process CPU time, in alternating pairs.

    python benchmarks/generate.py [--pairs 3] [--loops 4]

Ours is everything that `loopwright generate` does for a loop after the first: latent, generator, vocoder at the tempo, change
of rate, level, seam, 24-bit WAV with its chunks. Theirs is the generator (a literal one, `reference.py`) and MelGAN alone, at
16 kHz, nothing written. Where no bundled model has the sizes, weights are random: they do not change the time.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy and torch

import onnxruntime
import reference
import torch
from timing import alternate, machine, median, ratio

from loopwright.config import LOOP16, LOOP48, PAPER16, MelConfig
from loopwright.making.bundled import BUNDLED
from loopwright.making.engines import load
from loopwright.making.model import Model
from loopwright.vocoder.melgan import MelGan, MelGanConfig, remove_weight_norm
from loopwright.vocoder.modelfile import save
from loopwright.vocoder.ring import RingVocoder
from loopwright.vocoder.ring_config import RING_SIZES

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))

from random_model import random_model


def untrained(folder: Path, mel: MelConfig) -> str:
    """A model file of the house recipe's sizes."""
    return str(random_model(folder / f"{mel.name}.safetensors", "house", mel))


def vocoder16(folder: Path) -> str:
    """The bundled ring vocoder at loop16, or an untrained one."""
    if (BUNDLED / "vocoder_loop16.safetensors").is_file():
        return "ring"
    config = RING_SIZES["small"].model_copy(update={"hold": 0.5})
    save(folder / "vocoder16.safetensors", RingVocoder(LOOP16, config), {})
    return str(folder / "vocoder16.safetensors")


def one_thread(session: type) -> Callable[..., onnxruntime.InferenceSession]:
    """onnxruntime's own threads do not obey OMP_NUM_THREADS."""

    def make(path: str, options: onnxruntime.SessionOptions, **rest: object) -> onnxruntime.InferenceSession:
        options.intra_op_num_threads = 1
        return session(path, options, **rest)

    return make


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--loops", type=int, default=4, help="Of ours per turn.")
    args = parser.parse_args()
    torch.set_num_threads(1)
    onnxruntime.InferenceSession = one_thread(onnxruntime.InferenceSession)
    torch.manual_seed(0)
    theirs, melgan = reference.Generator(), remove_weight_norm(MelGan(PAPER16, MelGanConfig())).eval()
    z = torch.randn(1, theirs.z_dim)

    def reference_loop() -> None:
        with torch.no_grad():
            melgan(theirs(z)[:, 0].transpose(1, 2).clamp(-5, 2))

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def ours(model: Model) -> Callable[[], None]:
            def make() -> None:
                for loop in model.generate(range(args.loops), bpm=124, batch=args.loops):
                    loop.save(folder)

            return make

        loop48, loop16 = untrained(folder, LOOP48), untrained(folder, LOOP16)
        ring48 = "ring" if (BUNDLED / "vocoder_loop48.safetensors").is_file() else None
        models = {
            "loop48, ring vocoder, onnx": load(loop48, vocoder=ring48, engine="onnx"),
            "loop48, ring vocoder, torch": load(loop48, vocoder=ring48, engine="torch"),
            "loop16, ring vocoder, onnx": load(loop16, vocoder=vocoder16(folder), engine="onnx"),
            "loop16, Griffin-Lim, onnx": load(loop16, vocoder="griffinlim", engine="onnx"),
        }
        times = alternate({"reference": reference_loop} | {k: ours(v) for k, v in models.items()}, args.pairs)
    print(f"{machine()}; onnxruntime {onnxruntime.__version__}; {args.pairs} pairs, {args.loops} loops of ours a turn")
    print(f"reference generator + MelGAN: {median(times['reference']):.3f} s per loop")
    for key in models:
        times[key] = [t / args.loops for t in times[key]]
        print(f"{key}: {median(times[key]):.3f} s per loop; reference / this = {ratio(times, 'reference', key)}")


if __name__ == "__main__":
    main()
