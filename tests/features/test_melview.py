from __future__ import annotations

import pytest
import torch

from loopwright.config import LOOP16, LOOP48, MelConfig
from loopwright.errors import MelMismatchError
from loopwright.features import build


@pytest.mark.parametrize(("mel", "scales"), [(LOOP16, 2), (LOOP48, 3)])
def test_the_log_mel_itself_is_seen_whole(mel: MelConfig, scales: int) -> None:
    """Lossless: every value of the log-mel is somewhere in each tap, once."""
    x = torch.randn(2, mel.n_mels, 256, generator=torch.Generator().manual_seed(0)) - 2.5
    net = build("mel", mel)
    assert len(net.taps) == scales
    for tap, maps in zip(net.taps, net(x), strict=True):
        assert maps.shape == (2, tap.channels, mel.n_mels // tap.stride, 256 // tap.stride)
        torch.testing.assert_close(maps.flatten().sort().values, ((x + 2.5) / 1.25).flatten().sort().values)


def test_rolling_by_the_stride_rolls_the_taps() -> None:
    x = torch.randn(1, 64, 256, generator=torch.Generator().manual_seed(1))
    net = build("mel", LOOP16)
    for tap, a, b in zip(net.taps, net(x), net(x.roll(16, -1)), strict=True):
        torch.testing.assert_close(b, a.roll(16 // tap.stride, -1))


def test_odd_sizes_are_refused() -> None:
    with pytest.raises(MelMismatchError, match="multiples of 8"):
        build("mel", LOOP16)(torch.zeros(1, 63, 256))
