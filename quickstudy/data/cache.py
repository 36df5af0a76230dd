"""Decoded pools on disk, so that a data set is decoded once; a cache that fails costs time, never an answer."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from quickstudy.data.originals import user_cache
from quickstudy.data.pool import Pool
from quickstudy.files import FileProblem, atomic

WHOLE = 1 << 26  # bytes: a pool up to this size is hashed whole, of a larger one BLOCKS blocks
BLOCKS, BLOCK = 256, 1 << 14


def cache_root() -> Path:
    """The folder of decoded pools: ``$QUICKSTUDY_CACHE``, or ``quickstudy/pools`` in the user's cache folder."""
    named = os.environ.get("QUICKSTUDY_CACHE")
    return Path(named).expanduser() if named else user_cache() / "quickstudy" / "pools"


def identity(paths: Sequence[Path]) -> str:
    """A cheap name for these very files: their names, sizes and times."""
    return json.dumps([(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in paths])


def cached(name: str, origin: str, make: Callable[[], Pool]) -> Pool:
    """``make()``, or the same pool from the cache, mapped into memory, where one was made from the same ``origin``."""
    path = cache_root() / f"{name}.safetensors"
    found = _read(path, origin)
    if found is not None:
        return found
    pool = make()
    try:
        _write(path, origin, pool)
    except (FileProblem, OSError, SafetensorError) as error:
        warnings.warn(f"{name} is not cached and will be decoded again next time: {error}", stacklevel=2)
    return pool


def _write(path: Path, origin: str, pool: Pool) -> None:
    about = {"origin": origin, "names": json.dumps(pool.names), "digest": _digest(pool)}
    with atomic(path) as part:
        save_file({"images": pool.images.contiguous(), "starts": pool.starts}, part, about)


def _read(path: Path, origin: str) -> Pool | None:
    """The pool, or None where it is absent, damaged or made from something else."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            if about.get("origin") != origin:
                return None
            pool = Pool(file.get_tensor("images"), file.get_tensor("starts"), tuple(json.loads(about["names"])))
    except (SafetensorError, OSError, ValueError, LookupError, TypeError, RuntimeError):  # however it is damaged
        return None
    return pool if about.get("digest") == _digest(pool) else None


def _digest(pool: Pool) -> str:
    """SHA-256 over names, starts and pictures; over evenly spread blocks of the pictures where they are many."""
    known = hashlib.sha256(json.dumps([pool.names, pool.starts.tolist()]).encode())
    for block in _sample(pool.images.reshape(-1)):
        known.update(block.numpy().data)
    return known.hexdigest()


def _sample(flat: Tensor) -> list[Tensor]:
    if len(flat) <= WHOLE:
        return [flat]
    begins = torch.linspace(0, len(flat) - BLOCK, BLOCKS, dtype=torch.float64).long().tolist()
    return [flat[begin : begin + BLOCK] for begin in begins]
