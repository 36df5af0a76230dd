"""Several processes, one training: each takes a share of a step's tasks, and all make the same update.

``torchrun`` starts the processes, ``group`` joins them, and ``train`` does the rest; so does any program that called
``torch.distributed.init_process_group`` itself. The first process (rank 0) alone writes, prints and reads the clock.
Alone, every function here gives back what it was given.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

Agreed = TypeVar("Agreed", float, np.ndarray)
PATIENCE = 2.0  # seconds in which the first process can say what stops all of them


@contextmanager
def group() -> Iterator[None]:
    """Joins the processes that ``torchrun`` started: over nccl with a GPU each, over gloo without.

    Raises ValueError where there are fewer GPUs than processes.
    """
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(_own_gpu())
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    except Exception:
        if not main():  # an error is mostly everybody's: one process says it, and torchrun ends the others
            time.sleep(PATIENCE)
        raise
    dist.destroy_process_group()  # after an error it would wait for the others; the process ends anyway


def _own_gpu() -> int:
    local, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if local >= there:
        raise ValueError(
            f"process {local + 1} on this machine has no GPU of its own, there are {there}: start as many processes as "
            "GPUs (--nproc-per-node), or train on the CPU with CUDA_VISIBLE_DEVICES="
        )
    return local


def size() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return dist.get_rank() if size() > 1 else 0


def main() -> bool:
    """Whether this is the first process, or the only one."""
    return rank() == 0


def shard(indices: range) -> range:
    """The tasks of this process: every ``size()``-th. Raises ValueError where a process would have none."""
    if len(indices) < size():
        raise ValueError(
            f"a step of {len(indices)} tasks cannot be shared by {size()} processes, each needs one at least: "
            "raise --batch, or start fewer processes"
        )
    return indices[rank() :: size()]


def average(parts: list[Tensor], count: int) -> list[Tensor]:
    """Means over everybody's tasks, from this process's means over its ``count`` tasks; shapes and strides stay."""
    if size() == 1:
        return parts
    flat = torch.cat([*(part.reshape(-1) for part in parts), parts[0].new_ones(1)]) * count
    with _reached():
        dist.all_reduce(flat)
    pieces = (flat[:-1] / flat[-1]).split([part.numel() for part in parts])
    return [torch.empty_like(part).copy_(piece.view(part.shape)) for part, piece in zip(parts, pieces, strict=True)]


def agreed(value: Agreed) -> Agreed:
    """The first process's number or array, which the others wait for."""
    if size() == 1:
        return value
    said = torch.tensor(value, dtype=torch.float64, device=_where())
    with _reached():
        dist.broadcast(said, 0)
    return said.cpu().numpy() if isinstance(value, np.ndarray) else said.item()


def wait() -> None:
    """Until the first process is here too: what it wrote before, the others can read after."""
    agreed(0.0)


@contextmanager
def main_first() -> Iterator[None]:
    """The others go through the block after the first process: what it downloads, they find."""
    if not main():
        wait()
    yield
    if main():
        wait()


def spread(module: nn.Module) -> None:
    """Gives all processes the first one's weights and buffers."""
    if size() == 1:
        return
    state = {name: value.to(_where()).contiguous() for name, value in module.state_dict().items()}
    for value in state.values():
        with _reached():
            dist.broadcast(value, 0)
    module.load_state_dict(state)


@contextmanager
def _reached() -> Iterator[None]:
    """Raises ConnectionError where another process has ended; torch's own error for that is of no kind."""
    try:
        yield
    except RuntimeError as error:
        said = str(error).splitlines()[0].partition(". ")[0]
        raise ConnectionError(f"lost another process; go on with: quickstudy train --resume RUN ({said})") from error


def _where() -> torch.device:
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")
