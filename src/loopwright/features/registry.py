"""The table of feature networks. A new network is one file with a `Network` subclass and one row here (docs/features.md)."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

from loopwright.config import MelConfig, Representation, ToneConfig
from loopwright.errors import ConfigError
from loopwright.features.base import Network
from loopwright.features.feature_network import Embedder, FeatureNetwork, Halves
from loopwright.features.graph import GraphJudge
from loopwright.features.judge import Judge
from loopwright.features.melview import MelView
from loopwright.features.transcriber import Folds, PitchNet, TranscriberFeatures, pitch_net, read_basic_pitch
from loopwright.features.weights import find_weights, read_weights
from loopwright.files import sha256_of

RANDOM = "random:"
DIRECT = "direct:"
RANDOM_SEED = 2022
TRANSCRIBERS = ("basic_pitch", "notes_loop")  # they hear rows of a constant-Q
HEARD_FRAMES = 128  # a bar, of transcribers that teach: half of ours, near what Basic Pitch was trained at


@dataclass(frozen=True)
class Row:
    """One network: where its code is, what its file is called, and who made it."""

    module: str  # module:class
    files: tuple[str, ...]  # names its weight file may have, best first
    about: str
    licence: str
    origin: str  # who published it
    sha256: str = ""  # of the first file, where one is known
    size: int = 0  # bytes of the first file
    url: str = ""  # the publisher's address of the original file, where there is one
    url_sha256: str = ""  # of what lies at that address, where it is known
    bundled: bool = False  # made here and shipped
    graph: bool = False  # a published ONNX graph that only judges, in onnxruntime (features/graph.py)
    transcriber: bool = False  # hears rows of a constant-Q, and only teaches (features/transcriber.py)

    @property
    def on_mels(self) -> bool:
        """Whether it is a `Network`, which hears mels."""
        return not (self.graph or self.transcriber)


NETWORKS: dict[str, Row] = {
    "yamnet": Row(
        module="loopwright.features.yamnet:Yamnet",
        files=("yamnet.safetensors",),
        about="general: MobileNet v1 on AudioSet, 521 classes; taps shaped as VGGish's",
        licence="Apache-2.0",
        sha256="c80a8b22e8eea34baf4c0887ab37619e97c393965dc2d7511f81a6b5bb11a6c6",
        size=14_923_716,
        origin="The TensorFlow Authors, google/yamnet/1",
        url="https://storage.googleapis.com/audioset/yamnet.h5",
        url_sha256="13c3308955bbfaef262f175ac9c40e47b134573a93984f009220dd7cc12a1744",
    ),
    "vggish": Row(
        module="loopwright.features.vggish:Vggish",
        files=("vggish.safetensors",),
        about="general: the paper's network; AudioSet/YouTube, 128-d embedding",
        licence="Apache-2.0",
        url="https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth",
        url_sha256="10086976245803799d9194e9a73d9b6c1549c71d1b80106f5cade5608a561f4b",
        origin="The TensorFlow Authors; PyTorch conversion by harritaylor/torchvggish",
    ),
    "scnn_mtat": Row(
        module="loopwright.features.scnn_mtat:ScnnMtat",
        files=("mtat_shortchunk.safetensors",),
        about="music tags: four-branch short-chunk CNN; taps shaped as the paper's SCNN_MTAT",
        licence="MIT",
        sha256="417381cce3d37901766dea627a1b9c29fa85937bce0727a2917772a86ac1e0e5",
        size=3_869_664,
        origin="7x11x13/sota-music-tagging-models, after Won et al.",
        url="https://github.com/7x11x13/sota-music-tagging-models/raw/8907dd96f448c7351eb1127cbb2299bcb54b5c73/"
        "models/mtat/short_multi_32/best_model_4_stems.pth",
        url_sha256="20c4200cb482f53b4ebaa41f89cfc39ddff9afa95040fa1a074598c8ee882282",
    ),
    "mtat_fcn": Row(
        module="loopwright.features.mtat_fcn:MtatFcn",
        files=("mtat_fcn.safetensors",),
        about="music tags: FCN on full mixes; three taps",
        licence="MIT",
        sha256="9e9560903a98898b49e638150e976ed2c4d28113abfe19129eb9d8c0aa987e87",
        size=1_896_928,
        origin="Won et al., minzwon/sota-music-tagging-models",
        url="https://github.com/minzwon/sota-music-tagging-models/raw/1f4d282693ac19cde4d30b86811fe0ae2452f406/"
        "models/mtat/fcn/best_model.pth",
        url_sha256="e89d751202d38c3ae69855782bc27010f87051958dbec64f5aa762364dbac271",
    ),
    "musicnn": Row(
        module="loopwright.features.musicnn:Musicnn",
        files=("mtat_musicnn.safetensors",),
        about="judge only: Musicnn, 200-d embedding, 50 tags",
        licence="MIT",
        sha256="a123a681719b642c9a451cec868143d72f84a593214cf845234c6c26a1e6a607",
        size=3_248_808,
        origin="Won et al., minzwon/sota-music-tagging-models",
        url="https://github.com/minzwon/sota-music-tagging-models/raw/1f4d282693ac19cde4d30b86811fe0ae2452f406/"
        "models/mtat/musicnn/best_model.pth",
        url_sha256="690ace3bb5d49d90dd38fe3ec05a1185350b3bc3742bd7ee941f56b649b2c893",
    ),
    "basic_pitch": Row(
        module="loopwright.features.basic_pitch:BasicPitch",
        files=("basic_pitch.onnx", "nmp.onnx"),
        about="judge only: Basic Pitch, a transcriber; pooled notes, onsets and contour, 319-d",
        licence="Apache-2.0",
        sha256="2c3c1d144bfa61ad236e92e169c13535c880469a12a047d4e73451f2c059a0ec",
        size=230_444,
        origin="Spotify AB, spotify/basic-pitch 0.4.0, ICASSP 2022 model",
        url="https://github.com/spotify/basic-pitch/raw/v0.4.0/basic_pitch/saved_models/icassp_2022/nmp.onnx",
        url_sha256="2c3c1d144bfa61ad236e92e169c13535c880469a12a047d4e73451f2c059a0ec",
        graph=True,
    ),
    "short_chunk_res": Row(
        module="loopwright.features.short_chunk:ShortChunkRes",
        files=("short_chunk_res.safetensors",),
        about="music tags: the paper's SCNN_MTAT, Short-Chunk ResNet 128 wide",
        licence="MIT",
        origin="Won et al., minzwon/sota-music-tagging-models",
    ),
    "short_chunk_loop": Row(
        module="loopwright.features.short_chunk:ShortChunkLoop",
        files=("short_chunk_loop.safetensors",),
        about="loop genres: the paper's SCNN_Loop, Short-Chunk ResNet 64 wide, 66 classes",
        licence="not stated",
        origin="the authors of the paper (their own loops)",
    ),
    "scnn_loop": Row(
        module="loopwright.features.scnn_loop:ScnnLoop",
        files=("scnn_loop_drums.safetensors",),
        about="loop styles, ours: Short-Chunk ResNet on rendered drum loops; judge of the Inception score",
        licence="MIT",
        origin="loopwright train classifier",
        bundled=True,
    ),
    "scnn_loop_synth": Row(
        module="loopwright.features.scnn_loop:ScnnLoop",
        files=("scnn_loop_synth.safetensors",),
        about="loop styles, ours: the same on rendered synth loops",
        licence="MIT",
        origin="loopwright train classifier",
        bundled=True,
    ),
    "notes_loop": Row(
        module="loopwright.features.transcriber:PitchNet",
        files=("notes_loop.safetensors",),
        about="notes, ours: a transcriber of Basic Pitch's kind on rendered synth loops; teaches on tone48",
        licence="MIT",
        origin="loopwright train transcriber",
        bundled=True,
        transcriber=True,
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
    """The class of a network in the table. Raises ConfigError for one that only judges, or hears no mels (see `Row`)."""
    base = split_name(name)[0]
    if NETWORKS[base].transcriber:
        raise ConfigError(
            f"{base} hears rows of a constant-Q and only teaches: it judges nothing, and has no random form. Prepare the loops "
            "with --repr tone48, or leave it out."
        )
    if NETWORKS[base].graph:
        raise ConfigError(f"{base} is a published graph for judging only: it has no feature maps, no bridge, no random form.")
    found = _named_class(base)
    assert issubclass(found, Network)
    return found


def graph_class(name: str) -> type[GraphJudge]:
    """The class of a judge that is a published graph."""
    found = _named_class(name)
    assert issubclass(found, GraphJudge)
    return found


def _named_class(name: str) -> type:
    module, _, attribute = NETWORKS[name].module.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    assert isinstance(found, type)
    return found


def weights_path(name: str, weights: Path | None = None) -> Path:
    """The weight file that `build` would read. Raises WeightsError if there is none."""
    return find_weights(name, NETWORKS[split_name(name)[0]].files, weights)


def load_network(name: str, *, weights: Path | None = None, batch_stats: bool = False, head: bool = True) -> Network:
    """A network of the table on its own input, frozen. 'random:<name>' needs no file; without `head`, taps only."""
    base, random = split_name(name)
    cls = network_class(base)
    if random:
        return cls(cls.random_tensors(RANDOM_SEED, head=head), batch_stats=batch_stats, head=head)
    tensors, header = read_weights(weights_path(base, weights))
    return cls(cls.adapt(tensors), batch_stats=batch_stats, head=head, header=header)


def read_transcriber(name: str, weights: Path | None = None) -> PitchNet:
    """A transcriber's network, frozen. Raises WeightsError if its file is missing or wrong."""
    path = weights_path(name, weights)
    if name == "basic_pitch":
        return read_basic_pitch(path)
    tensors, header = read_weights(path)
    return pitch_net(tensors, rows=int(header.get("rows", 320)))


def build(
    name: str,
    mel: Representation,
    *,
    weights: Path | None = None,
    circular: bool = True,
    bridge: bool = True,
    batch_stats: bool = False,
    halves: Halves = "none",
    depth: int | None = None,
) -> FeatureNetwork | MelView | Folds | TranscriberFeatures:
    """A frozen feature network for log-mels of `mel`.

    Args:
        name: a name of `NETWORKS`, or 'random:' and a name; 'direct:' before either shows it the log-mel as a picture
            instead of through the bridge (see `bridge.DirectView`); or 'mel', the log-mel itself (see `melview`). On tone48
            also 'folds', its rows themselves, and transcribers: 'notes_loop', 'basic_pitch'.
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
    if isinstance(mel, ToneConfig) and name in (MelView.name, Folds.name):
        return Folds()
    if isinstance(mel, ToneConfig) and name in TRANSCRIBERS:
        return TranscriberFeatures(name, read_transcriber(name, weights), frames=mel.bar_frames, heard_frames=HEARD_FRAMES)
    if name == MelView.name and isinstance(mel, MelConfig):
        return MelView(mel)
    plain = name.removeprefix(DIRECT)
    network = load_network(plain, weights=weights, batch_stats=batch_stats, head=False)
    if not network.taps:
        raise ConfigError(f"{name} has no feature maps for a discriminator; it is for judging only.")
    if depth is not None and not 1 <= depth <= len(network.taps):
        raise ConfigError(f"{name} has {len(network.taps)} taps, depth {depth} is not among 1..{len(network.taps)}.")
    if halves not in ("none", "mel", "time"):
        raise ConfigError(f"halves must be 'none', 'mel' or 'time', got '{halves}'.")
    direct = plain != name
    return FeatureNetwork(
        name, network, mel, circular=circular, bridge=bridge and not direct, direct=direct, halves=halves, depth=depth
    )


def build_embedder(name: str, mel: Representation, *, weights: Path | None = None) -> Embedder:
    """One vector a bar from log-mels of `mel`, through the bridge: quick, for the curves of a training run."""
    network = load_network(name, weights=weights)
    if not network.dim:
        raise ConfigError(f"{name} has no embedding. Use one of: yamnet, vggish, musicnn.")
    return Embedder(name, network, mel)


def load_judge(name: str, *, weights: Path | None = None) -> Judge:
    """A network that judges finished audio through its own exact front-end, with the checksum of its weights.

    Clips are to be given at the judge's own `rate_hz`, which is not 16 kHz for every judge.
    """
    base, random = split_name(name)
    if NETWORKS[base].graph and not random:
        return graph_class(base)(weights_path(base, weights), name=name)
    network = load_network(name, weights=weights)
    if not network.dim:
        raise ConfigError(f"{name} has no embedding to judge with. Use one of: yamnet, vggish, musicnn.")
    checksum = f"random seed {RANDOM_SEED}" if random else sha256_of(weights_path(name, weights))
    return Judge(network, checksum, name)
