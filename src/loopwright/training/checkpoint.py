"""What a run keeps to go on as if never stopped: one safetensors file with a JSON header. Never pickled, never half-written."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from loopwright.errors import InputError
from loopwright.files import load_tensors, save_tensors
from loopwright.settings_diff import refuse_other_settings


@dataclass
class Trainee:
    """Everything that training changes. Modules and optimizers are named as in the checkpoint."""

    modules: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    step: int = field(default=0, kw_only=True)  # how many are done
    seconds: float = field(default=0.0, kw_only=True)  # of training, looking left out


def save_checkpoint(path: Path, trainee: Trainee, header: Mapping[str, Any]) -> None:
    """Write a trainee and a JSON header to `path`, whole or not at all; step and seconds join the header."""
    tensors = {f"{name}/{key}": value for name, part in trainee.modules.items() for key, value in part.state_dict().items()}
    tensors |= {f"{name}/{k}": v for name, part in trainee.optimizers.items() for k, v in optimizer_tensors(part).items()}
    header = {**header, "step": trainee.step, "seconds": trainee.seconds}
    save_tensors(path, {key: value.detach().cpu().clone() for key, value in tensors.items()}, header)


def load_checkpoint(
    path: Path, trainee: Trainee, *, kind: str, settings: Mapping[str, Any] | None = None, may_change: Collection[str] = ()
) -> dict[str, Any]:
    """Load what `save_checkpoint` wrote into a trainee built with the same settings; returns the header.

    Args:
        path: a checkpoint whose header says `kind`.
        trainee: as fresh ones are built.
        kind: what the header calls itself.
        settings: must equal the header's "settings"; None where another file has them.
        may_change: those that need not, as dotted keys.

    Raises InputError if the file is no checkpoint of that kind or a tensor is missing or has another shape, ConfigError if the
    settings differ.
    """
    tensors, header = load_tensors(path)
    if header.get("kind") != kind:
        raise InputError(f"{path} is not a {kind}. Choose an empty run folder.")
    if settings is not None:
        instead = "Use the same, or a new run folder."
        refuse_other_settings(path, header.get("settings", {}), settings, instead=instead, may_change=may_change)
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        part, _, key = name.partition("/")
        parts.setdefault(part, {})[key] = value
    try:
        for name, module in trainee.modules.items():
            module.load_state_dict(parts.get(name, {}))
        for name, optimizer in trainee.optimizers.items():
            load_optimizer(optimizer, parts.get(name, {}))
    except (RuntimeError, KeyError, ValueError) as error:
        raise InputError(f"checkpoint {path} does not fit this run ({str(error)[:120]}). Begin a new run.") from error
    trainee.step, trainee.seconds = int(header["step"]), float(header["seconds"])
    return header


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """State of an optimizer as `{index.key: tensor}`: parameters are counted in the order of the groups."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{key}": torch.as_tensor(value) for index, entry in state.items() for key, value in entry.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Inverse of `optimizer_tensors`; groups' settings stay those of `optimizer`, memory layouts those of its parameters."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, _, key = name.partition(".")
        if value.shape == parameters[int(index)].shape:
            value = torch.empty_like(parameters[int(index)], requires_grad=False).copy_(value)
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
