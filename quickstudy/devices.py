"""Where and how precisely to compute."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@contextmanager
def seeded(seed: int) -> Iterator[torch.Generator]:
    """A generator of the seed, from which the first weights of nets that are made inside are drawn too; torch's own is
    afterwards as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield torch.Generator().manual_seed(seed)


def best() -> torch.device:
    """The GPU if torch sees one (hide it with ``CUDA_VISIBLE_DEVICES=``), else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def precision(name: str, where: torch.device) -> torch.autocast:
    """A context in which convolutions and matrix products run in ``float32`` or ``bfloat16``."""
    if name not in PRECISIONS:
        raise ValueError(f"no precision is called {name!r}; choose one of {', '.join(PRECISIONS)}")
    return torch.autocast(where.type, dtype=torch.bfloat16, enabled=name == "bfloat16")


def prepare() -> None:
    """What the libraries below PyTorch have to be told before the first computation; again, it changes nothing."""
    _reuse_memory()
    _avoid_tiles()


def _reuse_memory() -> None:
    """Lets this process keep freed memory instead of giving it back after every layer.

    Large activations otherwise cost a page fault for every 4 kB, each time, which is much of a training step on a CPU.
    Where the C library has no ``mallopt`` (other than glibc), nothing happens.
    """
    mmap_max, trim_threshold = -4, -1  # M_MMAP_THRESHOLD may be refused above 32 MiB (mallopt(3))
    try:
        tune = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    tune(mmap_max, 0)
    tune(trim_threshold, -1)  # never


def _avoid_tiles() -> None:
    """Keeps oneDNN from its kernels for AMX tiles, unless ``ONEDNN_MAX_CPU_ISA`` says otherwise.

    On some machines (Sapphire and Emerald Rapids, uxlfoundation/oneDNN#5689) the bfloat16 ones end the process by an
    illegal instruction, and for nets of 64 filters they are no faster. Works before the first convolution only.
    """
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_FP16")


def native() -> str:
    """The precision in which this machine trains small nets fastest: bfloat16 or float32.

    Of processors, those of AMD with bfloat16 products: Intel's have them in tiles, which ``prepare`` avoids, and are
    slower in bfloat16 without.
    """
    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    info = Path("/proc/cpuinfo")
    text = info.read_text(errors="replace") if info.exists() else ""
    return "bfloat16" if "AuthenticAMD" in text and "avx512_bf16" in text else "float32"
