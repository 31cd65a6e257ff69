"""The README's sound files: loops of a model, each twice round, as FLAC.

python scripts/sounds.py drums 0-3 docs/sounds
"""

from __future__ import annotations

import sys
from pathlib import Path

import soundfile

from loopwright.cli.generate import parse_seeds
from loopwright.making.engines import load


def main(name: str, seeds: str, out: str) -> None:
    for seed, loop in zip(parse_seeds(seeds), load(name).generate(parse_seeds(seeds), bpm=120), strict=True):
        path = Path(out) / f"{name}-{seed}.flac"
        soundfile.write(path, loop.tile(2), loop.rate_hz, subtype="PCM_16")
        print(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
