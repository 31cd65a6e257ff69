"""Several processes, one training: `torchrun --nproc_per_node=2 -m loopwright train gan ...`.

Every process draws the randomness of the joint batch and works on its own samples of it, every `size`-th one; gradients are
averaged. So two processes do what one does with the joint batch, to rounding (BatchNorm heads aside: those see their own
samples only). Strided samples keep the groups of minibatch deviation whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from loopwright.errors import ConfigError


@dataclass(frozen=True)
class World:
    """This process among all: its number and how many there are."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process measures, logs and writes."""
        return self.rank == 0

    def mine(self, x: Tensor) -> Tensor:
        """This process's samples of a joint batch (along axis 0)."""
        return x[self.rank :: self.size] if self.size > 1 else x

    def mean(self, x: Tensor) -> Tensor:
        """The mean over processes, the same on all of them."""
        if self.size == 1:
            return x
        x = x.detach().clone()
        dist.all_reduce(x)
        return x / self.size

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its mean over processes, in one message."""
        if self.size == 1:
            return
        tensors = list(tensors)
        flat = torch.cat([t.reshape(-1) for t in tensors])
        dist.all_reduce(flat)
        flat /= self.size
        start = 0
        for t in tensors:
            t.copy_(flat[start : start + t.numel()].reshape(t.shape))
            start += t.numel()

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            dist.barrier()

    def tell(self, text: str) -> str:
        """The leader's text, on every process."""
        if self.size == 1:
            return text
        data = torch.zeros(4096, dtype=torch.uint8)
        if self.leads:
            raw = text.encode()
            assert len(raw) <= len(data), text
            data[: len(raw)] = torch.frombuffer(bytearray(raw), dtype=torch.uint8)
        dist.broadcast(data, src=0)
        return bytes(data.tolist()).rstrip(b"\0").decode()


ALONE = World()


def join_world(device: torch.device) -> tuple[World, torch.device]:
    """The processes that `torchrun` started, and this one's device; alone without torchrun.

    Raises ConfigError if there are fewer GPUs than processes.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return ALONE, device
    rank, local = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
    if device.type == "cuda":
        if local >= torch.cuda.device_count():
            raise ConfigError(
                f"torchrun started process {local} of this machine, which has {torch.cuda.device_count()} GPUs. "
                "Lower --nproc_per_node, or pass --device cpu."
            )
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("gloo" if device.type == "cpu" else "cpu:gloo,cuda:nccl")
    return World(rank, size), device


def leave_world(world: World) -> None:
    """End the processes' connection."""
    if world.size > 1 and dist.is_initialized():
        dist.destroy_process_group()
