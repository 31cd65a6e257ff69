"""Vocoders by name or file: safetensors with a JSON header that says for which mel settings they were made.

Half-precision weights are stored where they are wanted small, and widened on loading. No torch at the top: the engine
without it reads the same files with the same checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from loopwright.arrays import Float32
from loopwright.config import MelConfig, check_same_mel
from loopwright.errors import InputError
from loopwright.files import load_arrays, save_tensors
from loopwright.vocoder.griffinlim import GriffinLim

if TYPE_CHECKING:
    from loopwright.vocoder.base import Vocoder
    from loopwright.vocoder.melgan import MelGan
    from loopwright.vocoder.ring import RingVocoder

FORMAT = 1
ARCHITECTURES = ("ring", "melgan")


@dataclass(frozen=True)
class VocoderFile:
    """A vocoder as its file has it: what it is, for which log-mels, its settings and its weights by name, float32."""

    path: Path
    architecture: str
    mel: MelConfig
    config: dict[str, Any]
    header: dict[str, Any]
    weights: dict[str, Float32]


def bundled(mel: MelConfig) -> Path:
    """Where the vocoder that comes with the package for these settings is, or would be."""
    return Path(str(files("loopwright") / "bundled" / f"vocoder_{mel.name}.safetensors"))


def find(name_or_path: str | Path, mel: MelConfig) -> Path | None:
    """The file of a vocoder, or None for Griffin-Lim, which has none.

    Args:
        name_or_path: `griffinlim` (always there); `ring` (the bundled one for `mel`); `auto` (the bundled one if there is
            one, else Griffin-Lim); or the path of a vocoder file or of a training run.
        mel: the settings of the log-mels it will be given.

    Raises InputError if there is no such vocoder.
    """
    name = str(name_or_path)
    if name == "griffinlim" or (name == "auto" and not bundled(mel).exists()):
        return None
    path = bundled(mel) if name in ("ring", "auto") else Path(name_or_path)
    if path.is_dir():
        path = path / "vocoder.safetensors"
    if not path.exists():
        raise InputError(
            f"no vocoder '{name}' for '{mel.name}'. Known: griffinlim, auto, ring (where bundled), or the path of a vocoder "
            "file: loopwright train vocoder DATA -o RUN"
        )
    return path


def read_file(path: Path) -> VocoderFile:
    """A vocoder's file. Raises InputError if it is not whole, not a vocoder, of another format, or holds NaN or infinity."""
    arrays, header = load_arrays(path)
    if header.get("kind") != "vocoder":
        raise InputError(f"{path} is not a vocoder (kind: {header.get('kind', 'unknown')}). Pass griffinlim or a vocoder file.")
    if header.get("format") != FORMAT or header.get("architecture") not in ARCHITECTURES:
        raise InputError(
            f"{path} is a vocoder '{header.get('architecture')}' of format {header.get('format')}; this version reads "
            f"{', '.join(ARCHITECTURES)} of format {FORMAT}. Update loopwright, or pass another."
        )
    weights = {key: np.ascontiguousarray(value, dtype=np.float32) for key, value in arrays.items()}
    if not all(np.isfinite(value).all() for value in weights.values()):
        raise InputError(f"{path} holds NaN or infinite weights. Get or train it again.")
    try:
        return VocoderFile(
            Path(path), header["architecture"], MelConfig(**header["mel"]), dict(header["config"]), header, weights
        )
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise _unfit(path, error) from error


def _unfit(path: Path, error: Exception) -> InputError:
    reason = " ".join(str(error).split())[:160]
    return InputError(f"{path} does not fit its own header ({reason}). Get or train it again.")


def read(path: Path) -> tuple[RingVocoder | MelGan, dict[str, Any]]:
    """A vocoder in torch from its file, in eval mode on the CPU, and its header. Raises InputError, see `read_file`."""
    import torch

    from loopwright.vocoder.melgan import MelGan, MelGanConfig
    from loopwright.vocoder.ring import RingVocoder
    from loopwright.vocoder.ring_config import RingConfig

    file = read_file(path)
    vocoder: RingVocoder | MelGan
    try:
        if file.architecture == "ring":
            vocoder = RingVocoder(file.mel, RingConfig(**file.config))
        else:
            vocoder = MelGan(file.mel, MelGanConfig(**file.config))
        vocoder.load_state_dict({key: torch.from_numpy(value) for key, value in file.weights.items()})
    except (KeyError, TypeError, ValidationError, RuntimeError) as error:
        raise _unfit(path, error) from error
    return vocoder.eval().requires_grad_(False), file.header


def load(name_or_path: str | Path, mel: MelConfig) -> Vocoder:
    """A vocoder in torch for `mel`, in eval mode, on the CPU: by name or file, see `find`.

    Raises InputError if there is no such vocoder or its file is damaged, MelMismatchError if it was made for other settings.
    """
    from loopwright.vocoder.base import Batched
    from loopwright.vocoder.melgan import MelGan, remove_weight_norm

    path = find(name_or_path, mel)
    if path is None:
        return Batched(GriffinLim(mel)).eval()
    vocoder, _ = read(path)
    check_same_mel(f"vocoder {name_or_path}", vocoder.mel, "the log-mel", mel)
    return remove_weight_norm(vocoder) if isinstance(vocoder, MelGan) else vocoder


def save(path: Path, vocoder: RingVocoder | MelGan, training: Mapping[str, Any], *, half: bool = False) -> None:
    """Write a vocoder as a model file, atomically.

    Args:
        path: where.
        vocoder: what.
        training: facts for the header: data, steps, seconds, licence.
        half: store weights as float16, half the size.
    """
    header = {
        "kind": "vocoder",
        "format": FORMAT,
        "architecture": vocoder.name,
        "mel": vocoder.mel.model_dump(),
        "config": vocoder.config.model_dump(),
        "training": dict(training),
    }
    state = {key: value.cpu() for key, value in vocoder.state_dict().items()}
    save_tensors(path, {key: value.half() if half else value.float() for key, value in state.items()}, header)
