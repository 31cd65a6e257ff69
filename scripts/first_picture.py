"""The README's first picture: loops of a model, seeds 0 to 7, above real bars of the test split. No choosing.

python scripts/first_picture.py drums PREPARED docs/pictures/first.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from loopwright.audio.picture import mel_sheet
from loopwright.data import PreparedData
from loopwright.making.engines import load


def main(name: str, prepared: str, out: str) -> None:
    model, data = load(name), PreparedData.open(Path(prepared))
    made = model.log_mel(model.styles_of(range(8)), range(8))
    rows = data.indices("test")
    rows = rows[np.random.default_rng(0).choice(len(rows), 8, replace=False)]
    titles = [f"made, seed {k}" for k in range(8)] + [f"real, {data.records[int(k)]['style']}" for k in rows]
    mel_sheet(Path(out), np.concatenate([made, data.log_mel(rows)]), titles=titles)


if __name__ == "__main__":
    main(*sys.argv[1:])
