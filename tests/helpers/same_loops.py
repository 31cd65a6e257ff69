"""How near two engines' loops are to each other."""

from __future__ import annotations

import numpy as np

from loopwright.making.model import Model

WAVE = 1e-4  # largest difference of a bundled model's samples with the ring vocoder; a loop's peak is near 1
SAME_MEL = 1e-5  # ... when both vocoders get one and the same log-mel
WILD = 3e-4  # of a random model, whose log-mels differ by up to 2e-5 between engines: 1.1e-4 was seen in 63 of 176,400 samples
GRIFFIN_LIM = 6e-2  # its iterations magnify the last float digits: 0.03 at worst between torch and torch plus 1e-6


def same_log_mels(ours: Model, theirs: Model, *, bars: int = 1, truncation: float = 1.0, style: str | None = None) -> None:
    for seed in (0, 3):
        w = theirs.styles_of([seed], style=style, truncation=truncation)
        ws = ours.styles_of([seed], style=style, truncation=truncation)
        np.testing.assert_allclose(ws, w, atol=1e-5)
        want = theirs.log_mel(theirs.bar_styles(w, [seed], bars, truncation=truncation), [seed], bars=bars)
        got = ours.log_mel(ours.bar_styles(ws, [seed], bars, truncation=truncation), [seed], bars=bars)
        # in decades; a picture of notes is a sum over partials, whose rounding shows near its floor of -5
        np.testing.assert_allclose(got, want, atol=5e-4 if theirs.speaker.plays == "notes" else 2e-5)
