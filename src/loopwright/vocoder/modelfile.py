"""Vocoders by name or file: safetensors with a JSON header that says for which mel settings they were made.

Half-precision weights are stored where they are wanted small, and widened on loading.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from loopwright.config import MelConfig, check_same_mel
from loopwright.errors import InputError
from loopwright.files import load_tensors, save_tensors
from loopwright.vocoder.base import Vocoder
from loopwright.vocoder.griffinlim import GriffinLim
from loopwright.vocoder.house import HouseConfig, HouseVocoder
from loopwright.vocoder.melgan import MelGan, MelGanConfig, remove_weight_norm

FORMAT = 2  # 2: house vocoders of fewer outputs
ARCHITECTURES: dict[str, Callable[[MelConfig, Mapping[str, Any]], Vocoder]] = {
    "house": lambda mel, config: HouseVocoder(mel, HouseConfig(**config)),
    "melgan": lambda mel, config: MelGan(mel, MelGanConfig(**config)),
}


def bundled(mel: MelConfig) -> Path:
    """Where the vocoder that comes with the package for these settings is, or would be."""
    return Path(str(files("loopwright") / "bundled" / f"vocoder_{mel.name}.safetensors"))


def save(path: Path, vocoder: HouseVocoder | MelGan, training: Mapping[str, Any], *, half: bool = False) -> None:
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
    dtype = torch.float16 if half else torch.float32
    save_tensors(path, {k: v.cpu().to(dtype) for k, v in vocoder.state_dict().items()}, header)


def read(path: Path) -> tuple[Vocoder, dict[str, Any]]:
    """A vocoder from its file, in eval mode on the CPU, and its header.

    Raises InputError if the file is not whole, not a vocoder, or does not fit what its header says.
    """
    tensors, header = load_tensors(path)
    if header.get("kind") != "vocoder":
        raise InputError(f"{path} is not a vocoder (kind: {header.get('kind', 'unknown')}). Pass griffinlim or a vocoder file.")
    if header.get("format") != FORMAT or header.get("architecture") not in ARCHITECTURES:
        raise InputError(
            f"{path} is a vocoder '{header.get('architecture')}' of format {header.get('format')}; this version reads "
            f"{', '.join(ARCHITECTURES)} of format {FORMAT}. Update loopwright, or pass another."
        )
    try:
        vocoder = ARCHITECTURES[header["architecture"]](MelConfig(**header["mel"]), header["config"])
        widened: dict[str, Tensor] = {k: v.float() for k, v in tensors.items()}
        vocoder.load_state_dict(widened)
    except (KeyError, TypeError, ValidationError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0][:160]
        raise InputError(f"{path} does not fit its own header ({reason}). Get or train it again.") from error
    if not all(bool(torch.isfinite(v).all()) for v in widened.values()):
        raise InputError(f"{path} holds NaN or infinite weights. Get or train it again.")
    return vocoder.eval().requires_grad_(False), header


def load(name_or_path: str | Path, mel: MelConfig) -> Vocoder:
    """A vocoder for `mel`, in eval mode, on the CPU.

    Args:
        name_or_path: `griffinlim` (always there); `house` (the bundled one for `mel`); `auto` (the bundled one if there is
            one, else Griffin-Lim); or the path of a vocoder file or of a training run.
        mel: the settings of the log-mels it will be given.

    Raises InputError if there is no such vocoder or its file is damaged, MelMismatchError if it was made for other settings.
    """
    name = str(name_or_path)
    if name == "griffinlim" or (name == "auto" and not bundled(mel).exists()):
        return GriffinLim(mel).eval()
    path = bundled(mel) if name in ("house", "auto") else Path(name_or_path)
    if path.is_dir():
        path = path / "vocoder.safetensors"
    if not path.exists():
        raise InputError(
            f"no vocoder '{name}' for '{mel.name}'. Known: griffinlim, auto, house (where bundled), or the path of a vocoder "
            "file: loopwright train vocoder DATA -o RUN"
        )
    vocoder, _ = read(path)
    check_same_mel(f"vocoder {name}", vocoder.mel, "the log-mel", mel)
    return remove_weight_norm(vocoder) if isinstance(vocoder, MelGan) else vocoder
