"""The table of feature networks. A new network is one file with a `Network` subclass and one row here (docs/features.md)."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

from loopwright.config import MelConfig
from loopwright.errors import ConfigError
from loopwright.features.base import Embedder, FeatureNetwork, Halves, Judge, Network
from loopwright.features.weights import find_weights, read_weights
from loopwright.files import sha256_of

RANDOM = "random:"
RANDOM_SEED = 2022


@dataclass(frozen=True)
class Row:
    """One network: where its code is, what its file is called, and who made it."""

    module: str  # module:class
    files: tuple[str, ...]  # names its weight file may have, best first
    about: str
    licence: str
    sha256: str = ""  # of the first file, where one is known
    size: int = 0  # bytes of the first file
    url: str = ""  # the publisher's address, where there is one
    origin: str = ""  # who published it, for people


NETWORKS: dict[str, Row] = {
    "yamnet": Row(
        module="loopwright.features.yamnet:Yamnet",
        files=("yamnet.safetensors",),
        about="general: MobileNet v1 on AudioSet, 521 classes; taps shaped as VGGish's",
        licence="Apache-2.0",
        sha256="c80a8b22e8eea34baf4c0887ab37619e97c393965dc2d7511f81a6b5bb11a6c6",
        size=14_923_716,
        origin="The TensorFlow Authors, google/yamnet/1",
    ),
}


def split_name(name: str) -> tuple[str, bool]:
    """'random:yamnet' -> ('yamnet', True). Raises ConfigError for a name that is not in the table."""
    base = name.removeprefix(RANDOM)
    if base not in NETWORKS:
        known = ", ".join(NETWORKS)
        raise ConfigError(f"no feature network '{name}'. Known: {known}, or 'random:' before one of them.")
    return base, base != name


def network_class(name: str) -> type[Network]:
    """The class of a network in the table."""
    module, _, attribute = NETWORKS[split_name(name)[0]].module.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    assert isinstance(found, type)
    assert issubclass(found, Network)
    return found


def weights_path(name: str, weights: Path | None = None) -> Path:
    """The weight file that `build` would read. Raises WeightsError if there is none."""
    return find_weights(name, NETWORKS[split_name(name)[0]].files, weights)


def load_network(name: str, *, weights: Path | None = None, batch_stats: bool = False) -> Network:
    """A network of the table on its own input, frozen. 'random:<name>' needs no file."""
    base, random = split_name(name)
    cls = network_class(base)
    tensors = cls.random_tensors(RANDOM_SEED) if random else read_weights(weights_path(base, weights))
    return cls(tensors, batch_stats=batch_stats)


def build(
    name: str,
    mel: MelConfig,
    *,
    weights: Path | None = None,
    circular: bool = True,
    bridge: bool = True,
    batch_stats: bool = False,
    halves: Halves = "none",
    depth: int | None = None,
) -> FeatureNetwork:
    """A frozen feature network for log-mels of `mel`.

    Args:
        name: a name of `NETWORKS`, or 'random:' and a name.
        mel: the representation of the log-mels it will be given.
        weights: a folder or file to look in first; then LOOPWRIGHT_WEIGHTS, the user cache, the bundled files.
        circular: time wraps in every layer, so that the seam of a loop is judged like any other place.
        bridge: False feeds the z-scored mel straight in, as published.
        batch_stats: BatchNorm with the statistics of the batch, as published; changes nothing in a network without one.
        halves: as published, each half of the bar alone, maps joined on the 'mel' axis; or on 'time'; 'none' is one pass.
        depth: use only the first so many taps.

    Raises ConfigError for an unknown name, WeightsError for a missing or wrong file, MelMismatchError for settings
    without a bridge.
    """
    network = load_network(name, weights=weights, batch_stats=batch_stats)
    if not network.taps:
        raise ConfigError(f"{name} has no feature maps for a discriminator; it is for judging only.")
    if depth is not None and not 1 <= depth <= len(network.taps):
        raise ConfigError(f"{name} has {len(network.taps)} taps, depth {depth} is not among 1..{len(network.taps)}.")
    if halves not in ("none", "mel", "time"):
        raise ConfigError(f"halves must be 'none', 'mel' or 'time', got '{halves}'.")
    return FeatureNetwork(name, network, mel, circular=circular, bridge=bridge, halves=halves, depth=depth)


def build_embedder(name: str, mel: MelConfig, *, weights: Path | None = None) -> Embedder:
    """One vector a bar from log-mels of `mel`, through the bridge: quick, for the curves of a training run."""
    network = load_network(name, weights=weights)
    if not network.dim:
        raise ConfigError(f"{name} has no embedding. Use one of: yamnet, vggish, musicnn.")
    return Embedder(name, network, mel)


def load_judge(name: str, *, weights: Path | None = None) -> Judge:
    """A network that judges finished audio through its own exact front-end, with the checksum of its weights."""
    network = load_network(name, weights=weights)
    if not network.dim:
        raise ConfigError(f"{name} has no embedding to judge with. Use one of: yamnet, vggish, musicnn.")
    random = name.startswith(RANDOM)
    return Judge(network, f"random seed {RANDOM_SEED}" if random else sha256_of(weights_path(name, weights)))
