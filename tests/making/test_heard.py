"""Features that directions are named after."""

from __future__ import annotations

import torch

from loopwright.config import LOOP16
from loopwright.making.heard import band_of, measure


def test_measured_features_hear_what_they_are_named_after() -> None:
    quiet = torch.full((1, 64, 256), -4.0)
    kick, hats = quiet.clone(), quiet.clone()
    kick[:, : band_of(LOOP16, 100), ::64] = 0.0
    hats[:, band_of(LOOP16, 5000) :, ::16] = 0.0
    late = quiet.clone()
    late[:, band_of(LOOP16, 5000) :, 20::32] = 0.0  # off-beat sixteenths, four frames late
    on_time = quiet.clone()
    on_time[:, band_of(LOOP16, 5000) :, 16::32] = 0.0
    features = {name: measure(x, LOOP16) for name, x in (("kick", kick), ("hats", hats), ("late", late), ("on_time", on_time))}
    assert features["kick"]["kick"] > features["hats"]["kick"] + 20
    assert features["hats"]["brightness"] > features["kick"]["brightness"] + 20
    assert features["hats"]["density"] > features["on_time"]["density"] > 0
    assert features["late"]["swing"] > 0 > features["on_time"]["swing"]
