"""Second-order MAML by five contenders: each fills the gradients of an update over the same tasks, Adam takes the step.

The network is MAML's for Omniglot: four blocks of 3x3 convolution with stride 2, batch normalization by the statistics
of the batch, ReLU; the mean over places; a linear layer. All start from the same weights.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import peers
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from weights import arrays, parts, put

from quickstudy import batching, devices, tree
from quickstudy.core import Task
from quickstudy.data.omniglot import omniglot
from quickstudy.data.pool import Pool
from quickstudy.outer import Unroll
from quickstudy.tasks import Episodes, episodes

WAY, SHOT, WIDTH = 5, 1, 64
INNER, OUTER = 0.4, 1e-3  # rates
ROUNDING = 2e-6  # of a normalized activation in float32, with room to spare
WARM_UP = 1  # updates before the first round


class Setting(NamedTuple):
    """How a task is learned; tasks an update; rounds a session and updates a round; test tasks behind a loss."""

    steps: int
    query: int
    tasks: int = 32
    rounds: int = 5
    updates: int = 1
    held_out: int = 60

    @property
    def work(self) -> str:
        steps = f"{self.steps} inner step{'s' if self.steps > 1 else ''}"
        queries = f"{self.query} quer{'ies' if self.query > 1 else 'y'} a class"
        return f"second-order MAML on Omniglot, {WAY}-way {SHOT}-shot, {steps}, {queries}, {self.tasks} tasks an update"


SETTINGS = {  # by what stands in the files' names
    "1step-15query": Setting(1, 15, updates=4),
    "1step-1query": Setting(1, 1, updates=8),
    "5step-15query": Setting(5, 15, rounds=4, updates=2),
}


class Contender:
    """What is timed: ``differentiate``, and the optimizer's step."""

    net: nn.Module
    optimizer: torch.optim.Optimizer
    done = 0

    def __init__(self, pool: Pool, setting: Setting, precision: str, seed: int) -> None:
        self.episodes: Episodes = episodes(pool, WAY, SHOT, setting.query, seed=seed)
        self.steps, self.tasks, self.precision = setting.steps, setting.tasks, precision

    def differentiate(self, tasks: Task) -> None:
        """The gradients of the mean query loss after adapting, for the weights of ``net``."""
        raise NotImplementedError

    def draw(self, indices: Sequence[int]) -> Task:
        tasks, wide = self.episodes.batch(indices), self.precision == "float64"
        return tree.map(lambda leaf: leaf.double() if wide and leaf.is_floating_point() else leaf, tasks)

    def train(self, updates: int) -> tuple[float, float]:
        """Seconds, and those of them spent on sampling: none, the clock stands meanwhile."""
        seconds = 0.0
        for _ in range(updates):
            tasks = self.draw(range(self.done * self.tasks, (self.done + 1) * self.tasks))
            self.done += 1
            begun = time.perf_counter()
            self.differentiate(tasks)
            self.optimizer.step()
            seconds += time.perf_counter() - begun
        return seconds, 0.0

    def gradients(self, indices: Sequence[int]) -> list[np.ndarray]:
        """For these tasks with the weights as they are."""
        self.differentiate(self.draw(indices))
        return arrays(part.grad for part in parts(self.net))

    def weights(self) -> list[np.ndarray]:
        return arrays(parts(self.net))

    def answers(self, pictures: np.ndarray) -> np.ndarray:
        """(n, way) logits before any adaptation."""
        with torch.no_grad():
            return self.net(torch.from_numpy(pictures)).numpy()

    def memory(self) -> dict[str, float]:
        """MB of this process that are resident now, and that were at most."""
        fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
        return {name: int(fields[key].split()[0]) / 1e3 for name, key in (("now", "VmRSS"), ("peak", "VmHWM"))}


class Quickstudy(Contender):
    """The step of ``quickstudy.train``, by its public parts."""

    def __init__(self, pool: Pool, setting: Setting, precision: str, seed: int) -> None:
        from quickstudy.learners import maml

        super().__init__(pool, setting, precision, seed)
        devices.prepare()
        self.net = maml(
            pool.shape, way=WAY, width=WIDTH, stride=True, steps=self.steps, rate=INNER, normalization="batch"
        ).train()
        self.parameters, self.objective = batching.trainable(self.net), self.net.objective(WAY)
        self.estimator = Unroll()
        self.carry = self.estimator.init(self.net)
        self.optimizer = torch.optim.Adam(self.parameters, lr=OUTER, fused=True)

    def differentiate(self, tasks: Task) -> None:
        with devices.precision(self.precision, torch.device("cpu")):
            _, grads, self.carry = self.estimator.step(self.net, tasks, self.objective, self.carry)
        for parameter, grad in zip(self.parameters, grads, strict=True):
            parameter.grad = grad

    def answers(self, pictures: np.ndarray) -> np.ndarray:
        state = self.net.init(WAY)._replace(seen=torch.ones(WAY))  # else every class is one it has not seen
        with torch.no_grad():
            return self.net.predict(state, torch.from_numpy(pictures)).numpy()


class Learn2Learn(Contender):
    """Its example ``maml_omniglot.py``, on the convolutional network that it ships for Omniglot."""

    def __init__(self, pool: Pool, setting: Setting, precision: str, seed: int) -> None:
        super().__init__(pool, setting, precision, seed)
        library = peers.learn2learn()
        self.net = library.vision.models.OmniglotCNN(output_size=WAY, hidden_size=WIDTH)
        self.maml = library.algorithms.MAML(self.net, lr=INNER)
        self.optimizer = torch.optim.Adam(self.maml.parameters(), lr=OUTER)

    def differentiate(self, tasks: Task) -> None:
        self.optimizer.zero_grad()
        for task in each(tasks):
            learner = self.maml.clone()
            for _ in range(self.steps):
                learner.adapt(F.cross_entropy(learner(task.support.x), task.support.y))
            F.cross_entropy(learner(task.query.x), task.query.y).backward()
        for parameter in self.maml.parameters():
            parameter.grad.mul_(1 / self.tasks)


class Plain(Contender):
    """On PyTorch's own modules, without what batch normalization takes away again or nobody reads."""

    def __init__(self, pool: Pool, setting: Setting, precision: str, seed: int) -> None:
        super().__init__(pool, setting, precision, seed)
        self.net = network().to(torch.float64 if precision == "float64" else torch.float32)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=OUTER)


class Higher(Plain):
    """Its example ``maml-omniglot.py``."""

    def differentiate(self, tasks: Task) -> None:
        import higher

        self.optimizer.zero_grad()
        inner = torch.optim.SGD(self.net.parameters(), lr=INNER)
        for task in each(tasks):
            with higher.innerloop_ctx(self.net, inner, copy_initial_weights=False) as (net, optimizer):
                for _ in range(self.steps):
                    optimizer.step(F.cross_entropy(net(task.support.x), task.support.y))
                (F.cross_entropy(net(task.query.x), task.query.y) / self.tasks).backward()


class TorchOpt(Plain):
    """Its example ``maml_omniglot.py``: one backward pass over all tasks."""

    def differentiate(self, tasks: Task) -> None:
        import torchopt

        self.optimizer.zero_grad()
        inner, losses = torchopt.MetaSGD(self.net, lr=INNER), []
        start = torchopt.extract_state_dict(self.net, by="reference", detach_buffers=True)
        state = torchopt.extract_state_dict(inner, by="reference")
        for task in each(tasks):
            for _ in range(self.steps):
                inner.step(F.cross_entropy(self.net(task.support.x), task.support.y))
            losses.append(F.cross_entropy(self.net(task.query.x), task.query.y))
            torchopt.recover_state_dict(self.net, start)
            torchopt.recover_state_dict(inner, state)
        torch.stack(losses).mean().backward()


class Torch(Plain):
    """A loop in PyTorch alone; one backward pass over all tasks, which is faster than one for each."""

    def differentiate(self, tasks: Task) -> None:
        self.optimizer.zero_grad()
        torch.stack([query_loss(self.net, task, self.steps) for task in each(tasks)]).mean().backward()

    def smooth(self) -> list[int]:
        """The first tasks of an update's number in which no ReLU sees a number within rounding of 0.

        There the gradient jumps: a comparison of gradients would measure on which side of it each contender lands.
        """
        nearest: list[float] = []
        for layer in [module for module in self.net.modules() if isinstance(module, nn.ReLU)]:
            layer.register_forward_pre_hook(lambda _, x: nearest.append(float(x[0].detach().abs().min())))
        found, index = [], 0
        while len(found) < self.tasks:
            nearest.clear()
            query_loss(self.net, tree.index(self.draw([index]), 0), self.steps)
            found += [index] if min(nearest) > ROUNDING else []
            index += 1
        return found


CONTENDERS = {
    "quickstudy": Quickstudy,
    "learn2learn": Learn2Learn,
    "higher": Higher,
    "torchopt": TorchOpt,
    "torch": Torch,
}


def build(name: str, precision: str, setting: Setting, seed: int = 0) -> Contender:
    """The contender before its first update. Of one seed, all start from the same weights and read the same tasks."""
    torch.manual_seed(seed)
    start = network()
    contender = CONTENDERS[name](omniglot().train, setting, precision, seed)
    put(parts(start), contender.net)
    return contender


def network() -> nn.Sequential:
    blocks = [_block(channels) for channels in (1, WIDTH, WIDTH, WIDTH)]
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(WIDTH, WAY))


def query_loss(net: nn.Module, task: Task, steps: int) -> Tensor:
    """The loss on one task's query after gradient steps on its support, with the graph through them."""
    weights = dict(net.named_parameters())
    for _ in range(steps):
        loss = F.cross_entropy(torch.func.functional_call(net, weights, task.support.x), task.support.y)
        grads = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
        weights = {name: old - INNER * grad for (name, old), grad in zip(weights.items(), grads, strict=True)}
    return F.cross_entropy(torch.func.functional_call(net, weights, task.query.x), task.query.y)


def each(tasks: Task) -> Iterator[Task]:
    """The stacked tasks one by one."""
    return (tree.index(tasks, i) for i in range(tree.size(tasks)))


def _block(channels: int) -> nn.Sequential:
    convolution = nn.Conv2d(channels, WIDTH, 3, stride=2, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(WIDTH, track_running_stats=False), nn.ReLU())
