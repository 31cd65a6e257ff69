"""What every corpus has in common: one bar of 2 s at full band."""

from __future__ import annotations

CORPUS_RATE_HZ = 48_000
BAR_SAMPLES = 2 * CORPUS_RATE_HZ  # 4/4 at 120 BPM
