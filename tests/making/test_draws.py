"""From seeds to numbers."""

from __future__ import annotations

import numpy as np
import pytest

from loopwright.errors import InputError
from loopwright.making.draws import MAX_SEED, check_seeds, draw, noise_map, seed_of_bar, white_noise


def test_numbers_of_a_seed_are_what_they_were_when_models_were_bundled() -> None:
    """Golden: every loop that anybody has made depends on them. Made with numpy's Philox, key sha256('0 latent')[:16]."""
    np.testing.assert_allclose(draw(0, "latent", (3,)), (1.27489316, -0.70433694, 0.06478297), atol=1e-7)


def test_white_noise_is_white_uniform_and_of_unit_variance() -> None:
    noise = white_noise(3, 375, 512)
    assert noise.shape == (375, 512)
    assert float(np.abs(noise).max()) <= 3**0.5 + 1e-6
    assert float(noise.var()) == pytest.approx(1, abs=0.02)
    spectrum = np.abs(np.fft.rfft(noise.T.ravel())) ** 2
    bands = spectrum[1:-1][: 96 * 900].reshape(96, -1).mean(axis=1)
    assert float(bands.std() / bands.mean()) < 0.1


@pytest.mark.parametrize("make", [lambda noise: noise_map(noise, 0, (8, 512)), lambda noise: white_noise(noise, 375, 64)])
def test_a_blend_is_the_weighted_sum_and_as_strong_as_one(make) -> None:  # type: ignore[no-untyped-def]
    a, b, both = make(1), make(2), make([(1, 0.6), (2, 0.8)])
    np.testing.assert_allclose(both, 0.6 * a + 0.8 * b, atol=1e-6)
    assert float(both.std()) == pytest.approx(1, abs=0.05)
    np.testing.assert_array_equal(make([(1, 1.0)]), a)


def test_seeds_of_further_bars() -> None:
    assert seed_of_bar(5, 0) == 5
    assert seed_of_bar(5, 1) == (5 + 0x9E3779B1) % 2**32
    assert len({seed_of_bar(seed, bar) for seed in range(1000) for bar in range(4)}) == 4000
    assert 0 <= seed_of_bar(MAX_SEED, 3) <= MAX_SEED


def test_seeds_out_of_range() -> None:
    assert check_seeds(range(2)) == [0, 1]
    for seed in (-1, MAX_SEED + 1):
        with pytest.raises(InputError, match=f"seed {seed} is out of range"):
            check_seeds([0, seed])
