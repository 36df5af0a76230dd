"""Where and how precisely to compute."""

from __future__ import annotations

import ctypes
from pathlib import Path

import torch

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def device(name: str | None = None) -> torch.device:
    """The named device, or the fastest there is. Raises ValueError for one this machine lacks."""
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"device {name!r} was asked for, but torch sees no CUDA device here; use --device cpu")
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"no device is called {name!r}; use cpu or cuda") from error


def precision(name: str, where: torch.device) -> torch.autocast:
    """A context in which convolutions and matrix products run in ``float32`` or ``bfloat16``."""
    if name not in PRECISIONS:
        raise ValueError(f"no precision is called {name!r}; choose one of {', '.join(PRECISIONS)}")
    return torch.autocast(where.type, dtype=torch.bfloat16, enabled=name == "bfloat16")


def reuse_memory() -> None:
    """Lets this process keep freed memory instead of giving it back after every layer.

    Large activations otherwise cost a page fault for every 4 kB, each time: a third of a training step on a CPU.
    Where the C library has no ``mallopt`` (other than glibc), nothing happens.
    """
    mmap_threshold, trim_threshold = -3, -1
    try:
        tune = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    tune(mmap_threshold, 2**30)
    tune(trim_threshold, 2**31 - 1)


def native() -> str:
    """The fastest precision that this machine has in hardware: bfloat16 or float32."""
    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    info = Path("/proc/cpuinfo")
    flags = info.read_text(errors="replace") if info.exists() else ""
    return "bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"
