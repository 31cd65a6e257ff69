"""What a musician would hear of a generator's bars while it learns: tuning, notes, punch, place on the grid.

Log-mels are voiced by the vocoder of the box first; rows of a constant-Q are read as they are. Figures are medians over some
tens of bars, to be read beside the same figures of training bars.
"""

from __future__ import annotations

import numpy as np
import torch

from loopwright.arrays import Float32
from loopwright.config import MelConfig, Representation
from loopwright.errors import ConfigError, WeightsError
from loopwright.features.registry import read_transcriber
from loopwright.features.transcriber import TranscriberFeatures
from loopwright.metrics.music import musical_features, summarise_music
from loopwright.metrics.pitch import heard, tuning_of_rows
from loopwright.vocoder import load as load_vocoder
from loopwright.vocoder.check import HIGHEST_LOG_MEL

BARS = 48  # how many are heard
SHOWN = ("rise_db", "attack_db", "pre_db", "grid_ms", "level_spread_db", "tuning_r", "cents_off")
TRANSCRIBER, HEARD_FRAMES = "notes_loop", 128


@torch.no_grad()
def hear(log_mels: Float32, representation: Representation, *, bars: int) -> dict[str, float]:
    """Figures `music/...` of pictures (n, M, T); {} for a representation that no vocoder of the box speaks."""
    some = log_mels[:BARS]
    if not isinstance(representation, MelConfig):
        return _of_rows(some, bars)
    if not representation.circular or not len(some):
        return {}
    vocoder = load_vocoder("auto", representation)
    floor = float(np.log10(representation.log_floor))
    waves = np.stack([vocoder.make_loop(np.clip(one, floor, HIGHEST_LOG_MEL), None) for one in some])
    told = summarise_music(musical_features(waves, representation.rate_hz, bars))
    return {f"music/{key}": told[key] for key in SHOWN if np.isfinite(told[key])}


def _of_rows(rows: Float32, bars: int) -> dict[str, float]:
    r, offset = tuning_of_rows(rows)
    out = {"music/tuning_r": float(np.nanmedian(r)), "music/cents_off": float(np.nanmedian(np.abs(offset)))}
    try:
        network = read_transcriber(TRANSCRIBER)
    except (WeightsError, ConfigError):  # not in this box
        return out
    net = TranscriberFeatures(TRANSCRIBER, network, frames=rows.shape[2] // bars, heard_frames=HEARD_FRAMES)
    told = net.posteriors(torch.from_numpy(rows))
    found = heard(*(x.transpose(1, 2).numpy() for x in (told.notes, told.onsets)), bars_heard=bars)
    return out | {"music/note_share": float(np.median(found.share)), "music/notes": float(np.median(found.notes))}
