"""Make a product file of a trained vocoder: half precision, more corrections of the mel at the end, a few plain facts.

    python scripts/bundle_vocoder.py runs/vocoder48/vocoder.safetensors src/loopwright/bundled/vocoder_loop48.safetensors \
        --refine 3 --hold 0.5 --note "drums and synths; see docs/cards/vocoder_loop48.md"
"""

from __future__ import annotations

import argparse
from pathlib import Path

from loopwright.files import sha256_of
from loopwright.vocoder import modelfile
from loopwright.vocoder.ring import RingVocoder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--refine", type=int, default=3)
    parser.add_argument("--hold", type=float, default=0.5)
    parser.add_argument("--note", default="")
    args = parser.parse_args()
    vocoder, header = modelfile.read(args.source)
    assert isinstance(vocoder, RingVocoder)
    vocoder.config = vocoder.config.model_copy(update={"refine": args.refine, "hold": args.hold})
    facts = header["training"] | {"note": args.note}
    modelfile.save(args.target, vocoder, facts, half=True)
    print(f"{args.target}: {args.target.stat().st_size / 1e6:.1f} MB, sha256 {sha256_of(args.target)}")


if __name__ == "__main__":
    main()
