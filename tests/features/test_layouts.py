"""VGGish and the Short-Chunk ResNets: files of exactly the published layout, against the published code written out plainly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from loopwright.features import load_judge, load_network
from loopwright.features.short_chunk import ShortChunkLoop, ShortChunkRes
from loopwright.features.vggish import Vggish


class PlainVggish(nn.Module):
    """torchvggish, written out from the published code. Input (B, 1, time 96, mel 64)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        into = 1
        for step in (64, "M", 128, "M", 256, 256, "M", 512, 512, "M"):
            if step == "M":
                layers.append(nn.MaxPool2d(2))
            else:
                assert isinstance(step, int)
                layers += [nn.Conv2d(into, step, 3, padding=1), nn.ReLU()]
                into = step
        self.features = nn.Sequential(*layers)
        self.embeddings = nn.Sequential(
            nn.Linear(12288, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 128), nn.ReLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x).permute(0, 2, 3, 1).reshape(len(x), -1)  # H, W, C
        out: Tensor = self.embeddings(x)
        return out


@pytest.fixture(scope="module")
def plain_vggish() -> PlainVggish:
    torch.manual_seed(0)
    return PlainVggish().eval().requires_grad_(False)


@pytest.mark.slow
def test_vggish_equals_the_published_architecture(tmp_path: Path, plain_vggish: PlainVggish) -> None:
    state = plain_vggish.state_dict() | {
        "pproc.pca_eigen_vectors": torch.eye(128), "pproc.pca_means": torch.zeros(128, 1)
    }  # fmt: skip
    save_file(state, tmp_path / "vggish.safetensors")
    network = load_network("vggish", weights=tmp_path)
    assert isinstance(network, Vggish)
    patches = torch.randn(2, 1, 96, 64, generator=torch.Generator().manual_seed(1)) * 2 - 3
    torch.testing.assert_close(network.embed_patches(patches.transpose(2, 3)), plain_vggish(patches), rtol=1e-4, atol=1e-5)
    maps = network.pyramid(patches.transpose(2, 3), circular=False, depth=4)
    judge = load_judge("vggish", weights=tmp_path)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 16_000)).astype(np.float32)
    want = plain_vggish(network.compress(network.frontend(torch.from_numpy(noise)))[..., :96].transpose(2, 3))
    np.testing.assert_allclose(judge.embed(noise), want, rtol=1e-3, atol=1e-5)  # 1 s: one patch
    for tap, pool, got in zip(network.taps, (3, 6, 11, 16), maps, strict=True):
        # ReLUs and pools stand between the convolutions: pool k is after module 3, 6, 11, 16 of the sequence
        want = plain_vggish.features[:pool](patches)
        assert want.shape[1] == tap.channels
        torch.testing.assert_close(got.transpose(2, 3), want, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_vggish_reads_tensorflow_names(tmp_path: Path, plain_vggish: PlainVggish) -> None:
    """HWIO kernels and [in, out] matrices under the checkpoint's own names give the same network."""
    conv = {0: "conv1", 3: "conv2", 6: "conv3/conv3_1", 8: "conv3/conv3_2", 11: "conv4/conv4_1", 13: "conv4/conv4_2"}
    dense = {0: "fc1/fc1_1", 2: "fc1/fc1_2", 4: "fc2"}
    state = plain_vggish.state_dict()
    tensors = {"global_step": torch.zeros(1)}
    for number, name in conv.items():
        tensors[f"vggish/{name}/weights"] = state[f"features.{number}.weight"].permute(2, 3, 1, 0).contiguous()
        tensors[f"vggish/{name}/biases"] = state[f"features.{number}.bias"]
    for number, name in dense.items():
        tensors[f"vggish/{name}/weights"] = state[f"embeddings.{number}.weight"].T.contiguous()
        tensors[f"vggish/{name}/biases"] = state[f"embeddings.{number}.bias"]
    save_file(tensors, tmp_path / "vggish.safetensors")
    network = load_network("vggish", weights=tmp_path)
    assert isinstance(network, Vggish)
    patches = torch.randn(1, 1, 96, 64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(network.embed_patches(patches.transpose(2, 3)), plain_vggish(patches), rtol=1e-4, atol=1e-5)


def test_vggish_front_end_has_the_published_values() -> None:
    """Published: 3 s of a 1 kHz sine of amplitude 1, three patches of 96 frames."""
    n = np.arange(48_000, dtype=np.float64)
    tone = torch.from_numpy(np.sin(2 * np.pi * 1000 * n / 16_000).astype(np.float32))[None]
    network = load_network("random:vggish", head=False)
    x = network.compress(network.frontend(tone))[..., : 3 * 96]
    np.testing.assert_allclose([x.mean(), x.std(correction=0), x.max()], [-3.42962, 2.12658, 4.81112], rtol=1e-4)


class PlainRes(nn.Module):
    """One residual layer of sota-music-tagging-models, as published."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.conv_1, self.bn_1 = nn.Conv2d(into, out, 3, stride=2, padding=1), nn.BatchNorm2d(out)
        self.conv_2, self.bn_2 = nn.Conv2d(out, out, 3, padding=1), nn.BatchNorm2d(out)
        self.conv_3, self.bn_3 = nn.Conv2d(into, out, 3, stride=2, padding=1), nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn_2(self.conv_2(self.bn_1(self.conv_1(x)).relu()))
        return (self.bn_3(self.conv_3(x)) + out).relu()


class PlainShortChunk(nn.Module):
    """ShortChunkCNN_Res from its description: seven residual layers, max over time, two dense layers."""

    def __init__(self, width: int, n_classes: int) -> None:
        super().__init__()
        self.spec_bn = nn.BatchNorm2d(1)
        widths = (1, width, width, 2 * width, 2 * width, 2 * width, 2 * width, 4 * width)
        for number in range(1, 8):
            setattr(self, f"layer{number}", PlainRes(widths[number - 1], widths[number]))
        self.dense1, self.bn = nn.Linear(4 * width, 4 * width), nn.BatchNorm1d(4 * width)
        self.dense2 = nn.Linear(4 * width, n_classes)

    def maps(self, x: Tensor) -> list[Tensor]:
        x = self.spec_bn(x)
        out = []
        for number in range(1, 8):
            x = getattr(self, f"layer{number}")(x)
            out.append(x)
        return out

    def forward(self, x: Tensor) -> Tensor:
        x = self.maps(x)[-1].squeeze(2).amax(dim=2)
        return self.dense2(self.bn(self.dense1(x)).relu()).sigmoid()


@pytest.mark.parametrize("cls", [ShortChunkRes, ShortChunkLoop])
@pytest.mark.parametrize("batch_stats", [False, True])
def test_short_chunk_res_equals_the_published_architecture(tmp_path: Path, cls: type[ShortChunkRes], batch_stats: bool) -> None:
    torch.manual_seed(0)
    plain = PlainShortChunk(cls.width, cls.n_classes)
    for module in plain.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_mean, -1, 1)  # type: ignore[arg-type]
    state = {key: value for key, value in plain.state_dict().items() if not key.endswith("num_batches_tracked")}
    save_file(state | {"mel_fb": torch.zeros(257, 128)}, tmp_path / f"{cls.name}.safetensors")
    plain.train(batch_stats).requires_grad_(False)
    network = load_network(cls.name, weights=tmp_path, batch_stats=batch_stats)
    assert isinstance(network, ShortChunkRes)
    x = torch.randn(2, 1, 128, 160, generator=torch.Generator().manual_seed(1)) * 2
    for got, want in zip(network.layers(x, 4, circular=False), plain.maps(x)[:4], strict=True):
        torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-4)
    if not batch_stats:  # BatchNorm over a batch of two says little
        pooled = network.layers(x, 7, circular=False)[-1].amax(dim=(2, 3))
        torch.testing.assert_close(network.head(pooled)[1], plain(x), rtol=1e-3, atol=1e-4)
