"""Three libraries at the same work, each as its users use it: sample an episode, take one step of Adam on it.

All train four blocks of 64 filters with max-pooling on Omniglot in memory, from the same weights, on the squared
distance, with Adam and the same falling rate.
"""

from __future__ import annotations

import math
import random
import time
from typing import Any, NamedTuple

import numpy as np
import peers
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from weights import arrays, parts, put

from quickstudy import batching, devices
from quickstudy.data.omniglot import omniglot
from quickstudy.data.pool import Pool
from quickstudy.learners import prototypes
from quickstudy.outer import Unroll
from quickstudy.tasks import Episodes

RATE = 1e-3
WIDTH = 64
WARM_UP = 3  # episodes before the first round


class Setting(NamedTuple):
    """One kind of episode; rounds a session and episodes a round; test tasks behind an accuracy."""

    way: int
    shot: int
    query: int
    rounds: int
    episodes: int
    tasks: int


class Contender:
    """What is timed: ``sample`` an episode, ``step`` on it."""

    embed: nn.Module
    optimizer: torch.optim.Optimizer
    done = 0
    total = 1

    def sample(self) -> Any:
        raise NotImplementedError

    def step(self, episode: Any) -> None:
        raise NotImplementedError

    def train(self, episodes: int) -> tuple[float, float]:
        """Seconds in all, and those of them spent on sampling."""
        begun, sampling = time.perf_counter(), 0.0
        for _ in range(episodes):
            for group in self.optimizer.param_groups:
                group["lr"] = RATE * (1 + math.cos(math.pi * self.done / self.total)) / 2
            self.done += 1
            before = time.perf_counter()
            episode = self.sample()
            sampling += time.perf_counter() - before
            self.step(episode)
        return time.perf_counter() - begun, sampling

    def weights(self) -> list[np.ndarray]:
        return arrays(parts(self.embed))

    def features(self, pictures: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return self.embed(torch.from_numpy(pictures)).numpy()


class Quickstudy(Contender):
    """The step of ``quickstudy.train``, by its public parts."""

    def __init__(self, pool: Pool, setting: Setting, precision: str, seed: int) -> None:
        devices.prepare()
        self.tasks = Episodes(pool, *setting[:3], seed=seed)
        self.learner = prototypes(pool.shape, width=WIDTH).train()
        self.embed = self.learner.embed
        self.objective, self.precision = self.learner.objective(setting.way), precision
        self.estimator, self.parameters = Unroll(), batching.trainable(self.learner)
        self.carry = self.estimator.init(self.learner)
        self.optimizer = torch.optim.Adam(self.parameters, lr=RATE, fused=True)
        self.index = 0

    def sample(self) -> Any:
        self.index += 1
        return self.tasks.batch([self.index - 1])

    def step(self, episode: Any) -> None:
        torch.manual_seed(self.index)
        with devices.precision(self.precision, torch.device("cpu")):
            _, grads, self.carry = self.estimator.step(self.learner, episode, self.objective, self.carry)
        for parameter, grad in zip(self.parameters, grads, strict=True):
            parameter.grad = grad
        self.optimizer.step()


class EasyFsl(Contender):
    """The episodic training of its notebook, with pictures that are floating-point tensors in memory already."""

    def __init__(self, pool: Pool, setting: Setting, precision: str, seed: int) -> None:
        peers.easyfsl()
        from easyfsl.datasets import FeaturesDataset
        from easyfsl.methods import PrototypicalNetworks
        from easyfsl.samplers import TaskSampler

        class Squared(PrototypicalNetworks):
            """The paper's distance. Theirs is its root: as fast, but another objective, so no comparison."""

            def l2_distance_to_prototypes(self, samples: Tensor) -> Tensor:
                return -(super().l2_distance_to_prototypes(samples) ** 2)

        dataset = FeaturesDataset(pool.labels.tolist(), pool.images.float() / 255, list(pool.names))
        sampler = TaskSampler(dataset, *setting[:3], n_tasks=10**9)
        self.loader = iter(
            torch.utils.data.DataLoader(dataset, batch_sampler=sampler, collate_fn=sampler.episodic_collate_fn)
        )
        self.embed = nn.Sequential(*(_block(c) for c in (1, WIDTH, WIDTH, WIDTH)), nn.Flatten())
        self.model = Squared(self.embed).train()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=RATE)
        self.precision = precision

    def sample(self) -> Any:
        return next(self.loader)

    def step(self, episode: Any) -> None:
        support, support_labels, query, query_labels, _ = episode
        self.optimizer.zero_grad()
        with _autocast(self.precision):
            self.model.process_support_set(support, support_labels)
            loss = F.cross_entropy(self.model(query), query_labels)
        loss.backward()
        self.optimizer.step()
        loss.item()


class Learn2Learn(Contender):
    """Its example of prototypical networks, one picture channel instead of three."""

    def __init__(self, pool: Pool, setting: Setting, precision: str, seed: int) -> None:
        library = peers.learn2learn()
        steps = library.data.transforms
        way, shot, query = setting[:3]
        labels = pool.labels.tolist()
        dataset = library.data.MetaDataset(
            InMemory(pool.images.float() / 255, labels), indices_to_labels=dict(enumerate(labels))
        )
        chain = [steps.NWays(dataset, way), steps.KShots(dataset, shot + query), steps.LoadData(dataset)]
        self.tasks = library.data.Taskset(dataset, [*chain, steps.RemapLabels(dataset)])
        self.embed = library.vision.models.CNN4Backbone(hidden_size=WIDTH, channels=1, max_pool=True).train()
        self.optimizer = torch.optim.Adam(self.embed.parameters(), lr=RATE)
        self.setting, self.precision = setting, precision

    def sample(self) -> Any:
        return self.tasks.sample()

    def step(self, episode: Any) -> None:
        with _autocast(self.precision):
            loss = self.loss(*episode)
        loss.item()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def loss(self, data: Tensor, labels: Tensor) -> Tensor:
        """``fast_adapt`` of examples/vision/protonet_miniimagenet.py, without its accuracy."""
        way, shot, query = self.setting[:3]
        order = torch.sort(labels).indices
        data, labels = data[order], labels[order]
        embeddings = self.embed(data)
        mask = np.zeros(len(data), dtype=bool)
        for offset in range(shot):
            mask[np.arange(way) * (shot + query) + offset] = True
        support = embeddings[torch.from_numpy(mask)].reshape(way, shot, -1).mean(dim=1)
        asked = embeddings[torch.from_numpy(~mask)]
        wide = (len(asked), way, -1)
        logits = -((asked.unsqueeze(1).expand(wide) - support.unsqueeze(0).expand(wide)) ** 2).sum(dim=2)
        return F.cross_entropy(logits, labels[torch.from_numpy(~mask)])


class InMemory(torch.utils.data.Dataset):
    """(picture, label) of tensors in memory, which is faster than learn2learn's own reader of files."""

    def __init__(self, images: Tensor, labels: list[int]) -> None:
        self.images, self.labels = images, labels

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.images[index], self.labels[index]

    def __len__(self) -> int:
        return len(self.labels)


CONTENDERS = {"quickstudy": Quickstudy, "easyfsl": EasyFsl, "learn2learn": Learn2Learn}


def build(name: str, precision: str, setting: Setting, seed: int = 0) -> Contender:
    """The contender before its first episode. Of one seed, all start from the same weights."""
    pool = omniglot().train
    random.seed(seed)
    torch.manual_seed(seed)
    start = prototypes(pool.shape, width=WIDTH)
    contender = CONTENDERS[name](pool, setting, precision, seed)
    contender.total = WARM_UP + setting.rounds * setting.episodes
    put(parts(start), contender.embed)
    return contender


def _block(channels: int) -> nn.Sequential:
    """As Snell et al. and everyone since write it."""
    convolution = nn.Conv2d(channels, WIDTH, 3, padding=1)
    return nn.Sequential(convolution, nn.BatchNorm2d(WIDTH), nn.ReLU(), nn.MaxPool2d(2))


def _autocast(precision: str) -> torch.autocast:
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16")
