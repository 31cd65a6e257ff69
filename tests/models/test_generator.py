"""The generator: its circle of time, its bound, the paper's size, and the literal reference implementation as an oracle."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.models.generator import Generator

SMALL = {"n_mels": 16, "frames": 64, "channels": (12, 8, 8), "z_dim": 6, "w_dim": 10, "mapping_layers": 2}


def small(dims: int, **more: object) -> Generator:
    torch.manual_seed(0)
    generator = Generator(dims=dims, **(SMALL | more))  # type: ignore[arg-type]
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if "noise_strength" in name:
                parameter.normal_()
    return generator


def reference() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "reference.py"
    spec = importlib.util.spec_from_file_location("benchmark_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("dims", [1, 2])
@settings(max_examples=6, deadline=None)
@given(shift=st.integers(1, 15), seed=st.integers(0, 99))
def test_rolling_start_and_noise_rolls_the_loop(dims: int, shift: int, seed: int) -> None:
    generator = small(dims)
    z = torch.randn(2, 6, generator=torch.Generator().manual_seed(seed))
    noise = generator.make_noise(2, torch.Generator().manual_seed(seed))
    columns = generator.constant.shape[-1]
    with torch.no_grad():
        straight = generator(z, noise)
        generator.constant.copy_(generator.constant.roll(shift, dims=-1))
        rolled = generator(z, [n.roll(shift * n.shape[-1] // columns, dims=-1) for n in noise])
    torch.testing.assert_close(rolled, straight.roll(shift * 64 // columns, dims=-1), rtol=1e-4, atol=1e-5)


def test_without_the_circle_a_roll_is_no_roll() -> None:
    """The property above can fail."""
    generator = small(1, circular=False)
    z = torch.randn(2, 6)
    with torch.no_grad():
        straight = generator(z)
        generator.constant.copy_(generator.constant.roll(4, dims=-1))
        assert (generator(z) - straight.roll(16, dims=-1)).abs().max() > 1e-3


@pytest.mark.parametrize("dims", [1, 2])
def test_two_equal_bars_are_one_bar_twice(dims: int) -> None:
    generator = small(dims)
    w = torch.randn(1, 10)
    ws = w[:, None].expand(-1, generator.n_styles, -1)
    noise = generator.make_noise(1, torch.Generator().manual_seed(0))
    with torch.no_grad():
        one = generator.synthesis(ws, noise)
        two = generator.synthesis(ws, [n.repeat(1, 1, 1, 2) for n in noise], bars=2)
        steps = generator.synthesis(ws[..., None].expand(-1, -1, -1, 32), [n.repeat(1, 1, 1, 2) for n in noise], bars=2)
    torch.testing.assert_close(two, one.repeat(1, 1, 2), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(steps, two, rtol=1e-4, atol=1e-5)


def test_output_keeps_its_bound_and_its_slope() -> None:
    generator = small(1, bound=3.5, gain=0.3)
    free = small(1, bound=None)
    z = 5 * torch.randn(8, 6)
    with torch.no_grad():
        y, raw = generator(z), free(z)
    assert y.abs().max() <= 3.5
    torch.testing.assert_close(y, 3.5 * torch.tanh(0.3 * raw / 3.5))


def test_paper_size_has_the_published_number_of_parameters() -> None:
    """21.75 M; ours has a noise strength for each channel instead of one a layer."""
    with torch.device("meta"):
        generator = Generator(n_mels=64, frames=192, channels=(512,) * 5, z_dim=32, w_dim=64, mapping_layers=6)
    strengths = sum(p.numel() - 1 for n, p in generator.named_parameters() if "noise_strength" in n)
    assert (sum(p.numel() for p in generator.parameters()) - strengths) / 1e6 == pytest.approx(21.75, abs=0.006)


def test_equals_the_literal_reference_with_the_same_weights() -> None:
    """Grouped convolutions with weights of each sample and zero-stuffed filters, written apart from ours."""
    module = reference()
    torch.manual_seed(1)
    sizes = {"channels": (16, 12, 8), "z_dim": 6, "w_dim": 10, "mapping_layers": 2}
    ours = Generator(n_mels=16, frames=48, dims=2, bound=None, circular=False, **sizes)  # type: ignore[arg-type]
    theirs = module.Generator(n_mels=16, frames=48, **sizes)
    module.load_from_ours(theirs, ours)
    z = torch.randn(3, 6)
    with torch.no_grad():
        torch.testing.assert_close(ours(z), theirs(z)[:, 0].transpose(1, 2), rtol=1e-4, atol=1e-4)


def test_labels_change_a_conditional_generator() -> None:
    generator = small(1, classes=3)
    z = torch.randn(1, 6).expand(3, -1)
    with torch.no_grad():
        a, b, c = generator(z, labels=torch.tensor([0, 1, 1]))
    assert (a - b).abs().max() > 1e-3
    torch.testing.assert_close(b, c)


def test_gradients_of_the_in_place_path_are_right() -> None:
    """Against finite differences, in float64, with noise."""
    generator = small(1, frames=16).double()
    noise = [n.double() for n in generator.make_noise(1, torch.Generator().manual_seed(0))]
    w = torch.randn(1, generator.n_styles, 10, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: generator.synthesis(w, noise)[:, ::5, ::7], (w,), atol=1e-4)
