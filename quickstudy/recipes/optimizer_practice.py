"""A learned optimizer in a practitioner's hands: three problems it was not learned on, beside Adam.

Ordinary training loops on a small convolutional net, a character LSTM and a net for a table, each from as many first
weights as there are tasks. The loss is that of held-out data. The learned optimizer is used as it is, with its guard;
Adam has the rate of ``RATES`` that ends lowest on validation data, from other first weights. A step of the learned one
takes longer: what it has reached in the time that Adam's steps take is a cell of its own. Seconds are those of the
processor in training steps alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from quickstudy import data, devices, plot
from quickstudy.data.characters import shakespeare
from quickstudy.optim import LearnedOptimizer, rule
from quickstudy.optimizers import Training
from quickstudy.recipes.cells import AnyCell, Scores
from quickstudy.recipes.learned_optimizer import RATES, ROBUST, Learned
from quickstudy.storage import load_tensors, read_json, save_tensors, write_json
from quickstudy.train import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLE = "optimizer-in-practice"
STEPS, EVERY = 300, 20  # of a training, and between two examinations
TUNING = range(10**6, 10**6 + 2)  # first weights that decide the rate
Batch = tuple[Tensor, Tensor]


class Work(NamedTuple):
    """What is trained: a net, training batches, data that decide on a rate, held-out data."""

    net: Callable[[], nn.Module]
    draw: Callable[[torch.Generator], Batch]
    valid: Batch
    held_out: Batch


class NextCharacter(nn.Module):
    """(n, length) codes to (n · length, alphabet) logits of the next."""

    def __init__(self, alphabet: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(alphabet, 32)
        self.lstm = nn.LSTM(32, 64, batch_first=True)
        self.last = nn.Linear(64, alphabet)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.lstm(self.embedding(x))[0]).flatten(0, 1)


def clothes() -> Work:
    """A convolutional net of 21,000 weights on Fashion-MNIST."""
    splits = data.fashion_mnist()

    def net() -> nn.Module:
        first = (nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2))
        second = (nn.Conv2d(16, 32, 5), nn.ReLU(), nn.MaxPool2d(2))
        return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(800, 10))

    def chosen(pool: data.Pool, rows: Tensor) -> Batch:
        return pool.images[rows] / 255, pool.labels[rows]

    def draw(chance: torch.Generator) -> Batch:
        return chosen(splits.train, torch.randint(len(splits.train.images), (128,), generator=chance))

    valid, held_out = chosen(splits.valid, torch.arange(0, 5000, 5)), chosen(splits.test, torch.arange(0, 10_000, 10))
    return Work(net, draw, valid, held_out)


def plays() -> Work:
    """A character LSTM of 31,000 weights on Shakespeare's plays."""
    text = shakespeare()

    def parts(codes: Tensor, starts: Tensor) -> Batch:
        spans = codes[starts[:, None] + torch.arange(51)]
        return spans[:, :-1], spans[:, 1:].flatten()

    def draw(chance: torch.Generator) -> Batch:
        return parts(learn, torch.randint(len(learn) - 51, (32,), generator=chance))

    learn, valid, places = text.train[:-50_100], text.train[-50_100:], torch.arange(0, 50_000, 500)
    return Work(lambda: NextCharacter(len(text.alphabet)), draw, parts(valid, places), parts(text.test, places))


def table() -> Work:
    """A net of 6,000 weights on measurements of breast tumours (Street, Wolberg & Mangasarian, 1993)."""
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer()
    x, y = torch.from_numpy(found.data).float(), torch.from_numpy(found.target)
    part = torch.arange(len(x)) % 5
    learn = part < 3
    x = (x - x[learn].mean(0)) / x[learn].std(0)

    def net() -> nn.Module:
        return nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))

    def draw(chance: torch.Generator) -> Batch:
        rows = learn.nonzero()[:, 0][torch.randint(int(learn.sum()), (64,), generator=chance)]
        return x[rows], y[rows]

    return Work(net, draw, *((x[part == i], y[part == i]) for i in (3, 4)))


WORKS: dict[str, Callable[[], Work]] = {
    "convolutional net, Fashion-MNIST": clothes,
    "character LSTM, Shakespeare": plays,
    "tabular net, breast tumours": table,
}
Make = Callable[[nn.Module], torch.optim.Optimizer]


class Trained(NamedTuple):
    """A training, at its examinations: (k,) each."""

    held_out: Tensor
    seconds: Tensor
    valid: float  # the loss on validation data at the end


def trained(work: Work, make: Make, seed: int) -> Trained:
    """An ordinary training loop."""
    torch.manual_seed(seed)
    net = work.net()
    optimizer, chance = make(net), torch.Generator().manual_seed(seed)
    held_out, seconds, spent = [_examined(net, work.held_out)], [0.0], 0.0
    for step in range(1, STEPS + 1):
        x, y = work.draw(chance)
        begun = time.process_time()
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        if isinstance(optimizer, LearnedOptimizer):
            optimizer.observe(loss)
        optimizer.step()
        spent += time.process_time() - begun
        if step % EVERY == 0:
            held_out.append(_examined(net, work.held_out))
            seconds.append(spent)
    return Trained(torch.tensor(held_out), torch.tensor(seconds), _examined(net, work.valid))


def _examined(net: nn.Module, batch: Batch) -> float:
    with torch.no_grad():
        return float(nn.functional.cross_entropy(net(batch[0]), batch[1]))


@dataclass(frozen=True)
class Practice(AnyCell):
    """The held-out loss at the end of a training, or when Adam's training ends."""

    work: str
    asked: Training | None  # None: Adam
    in_time: bool = False

    score: ClassVar[str] = "loss"
    metric: ClassVar[str] = "loss"
    factor: ClassVar[float] = 1

    @property
    def setting(self) -> str:
        return f"{self.work}, " + (f"in the time of {STEPS} steps of Adam" if self.in_time else f"{STEPS} steps")

    @property
    def trained(self) -> bool:
        return self.asked is not None

    def stamp(self, seed: int, scale: float) -> str:
        return "adam-tuned" if self.asked is None else _source(self.asked).stamp(seed, scale)

    def measure(self, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> Scores:
        found = self.curves(seed, scale=scale, tasks=tasks, runs=runs)
        scores = found["held_out"][:, -1]
        if self.in_time:
            adam = Practice(TABLE, "Adam", "tuned rate", self.work, None)
            limit = adam.curves(seed, scale=scale, tasks=tasks, runs=runs)["seconds"][:, -1].mean()
            scores = torch.stack([_at(limit, *pair) for pair in zip(found["seconds"], found["held_out"], strict=True)])
        return Scores(scores.double().numpy(), False, self.work, Progress())

    def curves(self, seed: int, *, scale: float, tasks: int, runs: Path) -> dict[str, Tensor]:
        """(t, k) held-out losses and seconds."""
        devices.prepare()
        path = runs / TABLE / "curves" / f"{self.stamp(seed, scale)}-{_plain(self.work)}-{tasks}.safetensors"
        if not path.exists():
            work = WORKS[self.work]()
            make = self._make(work, seed, scale, runs)
            found = [trained(work, make, i) for i in range(tasks)]
            curves = {"held_out": [one.held_out for one in found], "seconds": [one.seconds for one in found]}
            save_tensors(path, {name: torch.stack(parts) for name, parts in curves.items()}, {})
        return load_tensors(path)[0]

    def _make(self, work: Work, seed: int, scale: float, runs: Path) -> Make:
        if self.asked is not None:
            source = _source(self.asked)
            source.rule(seed, scale=scale, runs=runs, progress=False)
            found = rule(source.folder(seed, scale, runs))
            return lambda net: LearnedOptimizer(net.parameters(), found)
        path = runs / TABLE / "rates" / f"{_plain(self.work)}.json"
        if not path.exists():
            write_json(path, {"rate": min(RATES, key=lambda rate: _end(work, rate))})
        return _adam(read_json(path)["rate"])


def _source(asked: Training) -> Learned:
    return Learned("", "", "", asked.problem, 0, 0, asked)


def _adam(rate: float) -> Make:
    return lambda net: torch.optim.Adam(net.parameters(), lr=rate)


def _end(work: Work, rate: float) -> float:
    found = [trained(work, _adam(rate), seed).valid for seed in TUNING]
    return float(np.nan_to_num(np.mean(found), nan=np.inf))


def _at(limit: Tensor, seconds: Tensor, losses: Tensor) -> Tensor:
    """The loss when so many seconds have passed, on the line between two examinations."""
    return torch.tensor(np.interp(float(limit), seconds.numpy(), losses.numpy()))


def _plain(words: str) -> str:
    return words.lower().replace(",", "").replace(" ", "-")


def picture(runs: Path, *, scale: float, tasks: int, progress: bool) -> Figure:
    """Held-out losses against steps, and against seconds."""
    panels = []
    for along in ("step", "seconds"):
        for work in WORKS:
            lines = {}
            for cell in CELLS:
                if cell.work == work and not cell.in_time:
                    found = {k: v.numpy() for k, v in cell.curves(0, scale=scale, tasks=tasks, runs=runs).items()}
                    steps = EVERY * np.arange(found["held_out"].shape[1])
                    lines[cell.method] = (steps if along == "step" else found["seconds"].mean(0), found["held_out"])
            panels.append(plot.Panel(work, along, lines))
    return plot.descents(panels)


def _cells(works: Sequence[str]) -> list[Practice]:
    learned = ("RNNProp", "learned on MNIST, random scales")
    return [
        cell
        for work in works
        for cell in (
            Practice(TABLE, "Adam", "tuned rate", work, None),
            Practice(TABLE, *learned, work, ROBUST),
            Practice(TABLE, *learned, work, ROBUST, in_time=True),
        )
    ]


CELLS: list[Practice] = _cells(list(WORKS))
