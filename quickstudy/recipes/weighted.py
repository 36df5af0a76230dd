"""One training on ``noisy`` data by one of the methods of the table data-weights. A few minutes each: a training that
was killed begins anew."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from tqdm import tqdm

from quickstudy import devices, weighting
from quickstudy.core import Examples
from quickstudy.experiment import versions
from quickstudy.nets.lenet import lenet
from quickstudy.recipes import noisy
from quickstudy.recipes.noisy import Noisy
from quickstudy.storage import Run

HARD = 5  # batches of which hard mining takes one
TUNED = 20  # steps of fine-tuning between examinations
TOGETHER = 500  # test pictures a call
SPREAD = 0.1  # of the first weights on two digits: normal, cut at twice it
LATE, LOWER = 0.75, 0.1  # the last quarter of a training whose rate drops has a tenth of it
Made = tuple[Tensor, Tensor]  # the loss of a batch, and how far each example was trusted (n,)


@dataclass(frozen=True)
class Training:
    """What is trained, as plain values. Examined every so many steps: an epoch."""

    data: str = "rare"  # or mnist, fashion_mnist with wrong labels
    method: str = "baseline"
    steps: int = 8000
    every: int = 500
    batch: int = 100
    optimizer: str = "momentum"  # of 0.9, or adam
    rate: float = 1e-3
    drops: bool = False
    draw: int | None = None  # clean pictures a step; all
    tuning: int = 0  # steps on the clean pictures that follow, with a tenth of the rate
    seed: int = 0

    def problem(self) -> Noisy:
        return noisy.rare(self.seed) if self.data == "rare" else noisy.flipped(self.data, self.seed)

    def run(self, folder: Path, *, progress: bool = False) -> Run:
        """Trains into the folder, unless that is done."""
        if not (folder / "config.json").exists():
            Run.create(folder, {"data-weights": dataclasses.asdict(self), **versions()})
        run = Run.open(folder)
        if not run.finished:
            devices.prepare()
            loop = Loop(self, self.problem())
            loop.go(progress)
            kept = {"last": loop.right, "best": loop.best, "trust": loop.trust}
            run.finish(kept, dataclasses.asdict(loop.history))
        return run


@dataclass
class History:
    """Accuracies after every epoch."""

    seconds: float = 0.0
    test: list[float] = field(default_factory=list)
    choosing: list[float] = field(default_factory=list)  # on other clean pictures, if there are any


class Loop:
    """The moving parts of one training, and what comes of it: which test pictures are right after the last epoch
    (``right``) and after the one that is best on other clean pictures (``best``), and the trust in each example."""

    def __init__(self, asked: Training, problem: Noisy) -> None:
        self.asked, self.problem = asked, problem
        torch.manual_seed(asked.seed)
        self.net = rare_net() if len(problem.names) == 2 else plain_net(len(problem.names))
        self.optimizer = _optimizer(asked, self.net)
        self.method = METHODS[asked.method](self)
        self.sums = torch.zeros(2, len(problem.learned.y))  # of the trust in each example, and how often it was met
        self.right = self.best = torch.zeros(0)
        self.history = History()

    @property
    def trust(self) -> Tensor:
        """(n,) the mean trust in each example over all times it was met."""
        return self.sums[0] / self.sums[1].clamp_min(1)

    def go(self, progress: bool) -> None:
        """To the end."""
        begun, steps = time.monotonic(), self.asked.steps + self.asked.tuning
        for step in tqdm(range(steps), disable=not progress, desc=f"{self.asked.data}, {self.asked.method}"):
            torch.manual_seed(self.asked.seed * 1_000_003 + step)
            if step < self.asked.steps:
                self.step(self.method, step)
                every = self.asked.every
            else:
                self.tune(step)
                every = TUNED
            if (step + 1) % every == 0 or step + 1 in (steps, self.asked.steps):
                self.examine()
        self.history.seconds = time.monotonic() - begun

    def step(self, method: Method, step: int) -> None:
        """One update on noisy pictures."""
        self.rate(LOWER if self.asked.drops and step >= LATE * self.asked.steps else 1.0)
        source, index = method.source, method.rows(step)
        loss, trust = method.loss(self.problem.to_float(source.x[index]), source.y[index], index)
        self.move(loss)
        if len(trust):
            self.sums[:, index] += torch.stack([trust, torch.ones_like(trust)])

    def tune(self, step: int) -> None:
        """One update on clean ones. What was examined before the first counts no more."""
        if step == self.asked.steps:
            self.history.test, self.history.choosing = [], []
        self.rate(LOWER)
        index = torch.randperm(len(self.problem.clean.y))[: self.asked.batch]
        x, y = (part[index] for part in self.problem.clean)
        self.move(self.losses(self.net, self.problem.to_float(x), y).mean())

    def rate(self, factor: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = factor * self.asked.rate

    def move(self, loss: Tensor) -> None:
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def losses(self, net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """(n,) as the weights are learned on: of two classes there is one logit."""
        if len(self.problem.names) == 2:
            return F.binary_cross_entropy_with_logits(net(x)[:, 0], y.float(), reduction="none")
        return F.cross_entropy(net(x), y, reduction="none")

    def examine(self) -> None:
        self.right = self._right(self.problem.test)
        chosen = self._right(self.problem.choosing)
        self.history.test.append(float(self.right.mean()))
        self.history.choosing.append(float(chosen.mean()) if len(chosen) else 0.0)
        if self.history.choosing[-1] >= max(self.history.choosing):
            self.best = self.right.clone()

    def _right(self, exam: Examples) -> Tensor:
        """(n,) whether the answers are right, 0 or 1."""
        if not len(exam.y):
            return torch.zeros(0)
        with torch.no_grad():
            said = torch.cat([self.net(self.problem.to_float(part)) for part in exam.x.split(TOGETHER)])
        answers = (said[:, 0] > 0).long() if len(self.problem.names) == 2 else said.argmax(1)
        return (answers == exam.y).float()


class Method:
    """Plain training: the mean loss of the next batch, round and round. An example is trusted by how small its loss
    is."""

    def __init__(self, loop: Loop) -> None:
        self.loop, self.batch = loop, loop.asked.batch
        self.source = loop.problem.learned
        self.order = torch.zeros(0, dtype=torch.long)

    def rows(self, step: int) -> Tensor:
        """(n,) which examples are next."""
        per = max(1, len(self.source.y) // self.batch)
        if step % per == 0 or not len(self.order):
            chance = Generator().manual_seed(self.loop.asked.seed * 1009 + step // per)
            self.order = torch.randperm(len(self.source.y), generator=chance)
        return self.order[step % per * self.batch :][: self.batch]

    def loss(self, x: Tensor, y: Tensor, index: Tensor) -> Made:
        """The loss to lower and the trust in each example, both from a batch x (n, *shape), y and index (n,)."""
        losses = self.loop.losses(self.loop.net, x, y)
        return losses.mean(), -losses.detach()


class CleanOnly(Method):
    """The clean pictures alone."""

    def __init__(self, loop: Loop) -> None:
        super().__init__(loop)
        self.source = loop.problem.clean

    def loss(self, x: Tensor, y: Tensor, index: Tensor) -> Made:
        return super().loss(x, y, index)[0], torch.zeros(0)


class Proportion(Method):
    """Every example weighs as much as its class is rare."""

    def loss(self, x: Tensor, y: Tensor, index: Tensor) -> Made:
        each = 1 / self.source.y.bincount()[y]
        losses = self.loop.losses(self.loop.net, x, y)
        return (each * losses).mean() * len(self.source.y) / len(self.loop.problem.names), torch.zeros(0)


class Resampling(Method):
    """Batches in which the classes are alike."""

    def rows(self, step: int) -> Tensor:
        each = 1 / self.source.y.bincount()[self.source.y].double()
        return torch.multinomial(each, self.batch, replacement=True)

    def loss(self, x: Tensor, y: Tensor, index: Tensor) -> Made:
        return super().loss(x, y, index)[0], torch.zeros(0)


class HardMining(Method):
    """Of several batches together, the examples with the largest losses."""

    def __init__(self, loop: Loop) -> None:
        super().__init__(loop)
        self.batch *= HARD

    def loss(self, x: Tensor, y: Tensor, index: Tensor) -> Made:
        with torch.no_grad():
            hard = self.loop.losses(self.loop.net, x, y).topk(len(y) // HARD).indices
        return self.loop.losses(self.loop.net, x[hard], y[hard]).mean(), torch.zeros(0)


class RandomWeights(Method):
    """The positive part of a normal number, divided by the sum."""

    def loss(self, x: Tensor, y: Tensor, index: Tensor) -> Made:
        each = torch.randn(len(y)).clamp_min(0)
        return (each * self.loop.losses(self.loop.net, x, y)).sum() / each.sum(), torch.zeros(0)


class Learned(Method):
    """Weights that are learned."""

    def __init__(self, loop: Loop) -> None:
        super().__init__(loop)
        clean = loop.problem.clean
        self.weigh = WEIGHERS[loop.asked.method](loop, (loop.problem.to_float(clean.x), clean.y))

    def loss(self, x: Tensor, y: Tensor, index: Tensor) -> Made:
        loss = self.weigh(x, y, index=index) if isinstance(self.weigh, weighting.Likelihood) else self.weigh(x, y)
        return loss, self.weigh.last


Weigher = weighting.Reweight | weighting.MetaWeightNet | weighting.Likelihood


def _reweight(loop: Loop, clean: tuple[Tensor, Tensor]) -> Weigher:
    return weighting.reweight(loop.net, clean, losses=loop.losses, draw=loop.asked.draw)


def _meta_weight_net(loop: Loop, clean: tuple[Tensor, Tensor]) -> Weigher:
    asked = loop.asked
    return weighting.meta_weight_net(loop.net, clean, losses=loop.losses, draw=asked.draw, rate=asked.rate)


def _likelihood(loop: Loop, clean: tuple[Tensor, Tensor]) -> Weigher:
    asked, count = loop.asked, len(loop.problem.learned.y)
    return weighting.likelihood(loop.net, clean, losses=loop.losses, draw=asked.draw, rate=asked.rate, examples=count)


WEIGHERS: dict[str, Callable[[Loop, tuple[Tensor, Tensor]], Weigher]] = {
    "L2RW": _reweight,
    "Meta-Weight-Net": _meta_weight_net,
    "weighted likelihood": _likelihood,
}
METHODS: dict[str, Callable[[Loop], Method]] = {
    "baseline": Method,
    "baseline + fine-tuning": Method,
    "clean only": CleanOnly,
    "proportion": Proportion,
    "resampling": Resampling,
    "hard mining": HardMining,
    "random weights": RandomWeights,
    "L2RW": Learned,
    "Meta-Weight-Net": Learned,
    "weighted likelihood": Learned,
}


def _optimizer(asked: Training, net: nn.Module) -> torch.optim.Optimizer:
    if asked.optimizer == "adam":
        return torch.optim.Adam(net.parameters(), asked.rate, fused=True)
    return torch.optim.SGD(net.parameters(), asked.rate, momentum=0.9, fused=True)


def rare_net() -> nn.Module:
    """The net of Ren et al. for two digits: (n, 1) logits of the second."""
    layers: list[nn.Module] = []
    for width, wider in ((1, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(width, wider, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(1024, 100), nn.ReLU(), nn.Linear(100, 1))
    for name, parameter in net.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        else:
            nn.init.trunc_normal_(parameter, std=SPREAD, a=-2 * SPREAD, b=2 * SPREAD)
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def plain_net(classes: int) -> nn.Module:
    """LeNet: (n, classes) logits."""
    body = lenet((1, 28, 28))
    net = nn.Sequential(body, nn.Linear(body.features, classes))
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
