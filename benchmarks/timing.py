"""Timing on a busy machine: process CPU time, one thread, in alternating pairs."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch


def alternate(tasks: Mapping[str, Callable[[], object]], pairs: int) -> dict[str, list[float]]:
    """CPU seconds of each task, run in turn `pairs` times after one warm-up turn each."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(pairs + 1):
        for name, task in tasks.items():
            began = time.process_time()
            task()
            if turn:
                times[name].append(time.process_time() - began)
    return times


def median(values: list[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def ratio(times: Mapping[str, list[float]], slow: str, quick: str) -> str:
    """Median of the paired ratios, and their range."""
    ratios = [a / b for a, b in zip(times[slow], times[quick], strict=True)]
    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def machine() -> str:
    flags, model = "", platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
            if line.startswith("flags"):
                flags = line
    has = [name for name in ("avx512f", "avx512_bf16", "amx_bf16") if f" {name}" in flags]
    return f"{model} ({', '.join(has) or 'no AVX-512'}), torch {torch.__version__}, one thread"


def has_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware; without, bfloat16 is emulated and slower than float32."""
    return any(name in machine() for name in ("avx512_bf16", "amx_bf16"))
