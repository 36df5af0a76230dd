from __future__ import annotations

import pytest
import torch
from hypothesis import settings

from quickstudy import devices
from quickstudy.core import Examples, Task
from quickstudy.data.pool import Pool, build

settings.register_profile("quick", deadline=None, max_examples=30)
settings.load_profile("quick")
torch.set_num_threads(1)
devices.prepare()

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


def random_task(way=3, shot=2, query=4, *, shape=SHAPE, dtype=torch.float64, seed=0) -> Task:
    """Noise, labelled in no order."""
    chance = torch.Generator().manual_seed(seed)

    def examples(each):
        x = torch.rand((way * each, *shape), generator=chance, dtype=dtype)
        return Examples(x, torch.arange(way).repeat(each)[torch.randperm(way * each, generator=chance)])

    return Task(examples(shot), examples(query))


@pytest.fixture(scope="session")
def pool() -> Pool:
    return blobs([10] * 12)


@pytest.fixture(scope="session")
def uneven() -> Pool:
    return blobs([4, 9, 5, 17, 4, 6])


@pytest.fixture(scope="session")
def make_pool():
    return blobs


@pytest.fixture(scope="session")
def make_task():
    return random_task
