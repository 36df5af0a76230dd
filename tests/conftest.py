from __future__ import annotations

import pytest
import torch
from hypothesis import settings

from quickstudy.core import Examples, Learner, Task
from quickstudy.data.pool import Pool, build

settings.register_profile("quick", deadline=None, max_examples=30)
settings.load_profile("quick")
torch.set_num_threads(1)

SHAPE = (1, 16, 16)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def blobs(sizes, *, shape=SHAPE, seed=0) -> Pool:
    """Classes that can be told apart: each a random picture, its members that picture with noise."""
    chance = torch.Generator().manual_seed(seed)
    groups = {}
    for number, size in enumerate(sizes):
        middle = torch.rand(shape, generator=chance)
        noise = torch.randn((size, *shape), generator=chance)
        groups[f"class{number:02d}"] = ((middle + 0.3 * noise).clamp(0, 1) * 255).to(torch.uint8)
    return build(groups)


@pytest.fixture(scope="session")
def pool() -> Pool:
    return blobs([10] * 12)


@pytest.fixture(scope="session")
def uneven() -> Pool:
    return blobs([4, 9, 5, 17, 4, 6])


def random_task(way=3, shot=2, query=4, *, shape=SHAPE, dtype=torch.float64, seed=0) -> Task:
    chance = torch.Generator().manual_seed(seed)
    xs = torch.rand((way * (shot + query), *shape), generator=chance, dtype=dtype)
    labels = torch.arange(way).repeat(shot + query)
    order = torch.randperm(way * shot, generator=chance)
    n = way * shot
    return Task(Examples(xs[:n], labels[:n][order]), Examples(xs[n:], labels[n:]))


def logits(learner: Learner, task: Task, way: int) -> torch.Tensor:
    with torch.no_grad():
        return learner(task.support, task.query.x, way)
