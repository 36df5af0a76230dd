"""How fast EWC trains: here, in Avalanche, in a plain loop; and an exact Fisher: ``python bench/lifelong.py``.

Two contexts of permuted MNIST, the published net of two hidden layers of 1,000; timed is the training of the second
with its penalty, without the pass that measures importances. Everybody takes the same number of steps of Adam on
batches of 128; accuracies of both contexts afterwards are kept beside the speeds. Avalanche is left out where it is not
installed; ``peers.sh`` does that without another PyTorch.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import peers
import torch
import torch.nn.functional as F
from records import save
from torch import Tensor, nn
from worker import Worker, measure

from quickstudy import devices, learners
from quickstudy.core import Examples
from quickstudy.data.mnist import mnist
from quickstudy.learners.ewc import fisher
from quickstudy.learners.quadratic import Penalized
from quickstudy.lifelong import right
from quickstudy.tasks import Stream, streams

WIDTH, BATCH, RATE, STRENGTH = 1000, 128, 1e-4, 500.0
FISHER = 200  # examples
LOAD = os.getloadavg()[0]
Found = tuple[float, list[float]]  # samples a second, accuracies of both contexts


class Contender:
    """Who lives two contexts, in a process of its own."""

    def __init__(self, name: str) -> None:
        self.stream, self.run = contexts(), RUNNERS[name]

    def train(self, steps: int) -> Found:
        return self.run(self.stream, steps)


def ours(stream: Stream, steps: int) -> Found:
    """As ``lifelong.live`` does it."""
    devices.prepare()
    torch.manual_seed(0)
    base = learners.continual(stream.shape, widths=(WIDTH, WIDTH), steps=steps, batch=BATCH, rate=RATE)
    learner = learners.ewc(base, strength=STRENGTH, examples=1000)
    with torch.no_grad():
        state = learner.adapt(learner.init(stream.way), stream[0])
        second = stream[1]
        begun = time.perf_counter()
        inner = base.adapt(state.inner, second, lambda fit: Penalized(fit, state.past, STRENGTH))
        seconds = time.perf_counter() - begun
    learner.eval()
    done = state._replace(inner=inner)
    return steps * BATCH / seconds, [float(right(learner, done, stream, i).mean()) for i in range(2)]


def plain(stream: Stream, steps: int) -> Found:
    """What one would write by hand: torch.optim, and the penalty by autograd."""
    torch.manual_seed(0)
    net = network(stream)
    optimizer = torch.optim.Adam(net.parameters(), RATE)
    held: list[tuple[Tensor, Tensor]] = []
    for number in range(2):
        x, y = stream[number]
        begun = time.perf_counter()
        for _ in range(steps):
            some = torch.randint(len(x), (BATCH,))
            loss = F.cross_entropy(net(x[some]), y[some])
            for p, (importance, anchor) in zip(net.parameters(), held, strict=False):
                loss = loss + STRENGTH / 2 * (importance * (p - anchor).square()).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        seconds = time.perf_counter() - begun
        values = fisher(net, dict(net.named_parameters()), x[:1000])
        held = [(values[name], p.detach().clone()) for name, p in net.named_parameters()]
    return steps * BATCH / seconds, exams(net, stream)


def avalanche(stream: Stream, steps: int) -> Found:
    """Avalanche's EWC on tensors that are in memory."""
    peers.avalanche()
    from avalanche.benchmarks import benchmark_from_datasets
    from avalanche.benchmarks.utils import as_classification_dataset
    from avalanche.training.plugins import EvaluationPlugin, SupervisedPlugin
    from avalanche.training.supervised import EWC
    from torch.utils.data import TensorDataset

    class Clock(SupervisedPlugin):
        seconds = 0.0

        def before_training_epoch(self, strategy, **kwargs):
            self.begun = time.perf_counter()

        def after_training_epoch(self, strategy, **kwargs):
            self.seconds = time.perf_counter() - self.begun

    def dataset(examples: Examples):
        part = TensorDataset(examples.x[: steps * BATCH], examples.y[: steps * BATCH])
        part.targets = examples.y[: steps * BATCH].tolist()
        return as_classification_dataset(part)

    torch.manual_seed(0)
    net, clock = network(stream), Clock()
    parts = [dataset(shuffled(stream[i])) for i in range(2)]
    strategy = EWC(
        net,
        torch.optim.Adam(net.parameters(), RATE),
        nn.CrossEntropyLoss(),
        ewc_lambda=STRENGTH,
        train_mb_size=BATCH,
        train_epochs=1,
        plugins=[clock],
        evaluator=EvaluationPlugin(),
    )
    with contextlib.redirect_stdout(io.StringIO()):
        for experience in benchmark_from_datasets(train=parts).train_stream:
            strategy.train(experience)
    return steps * BATCH / clock.seconds, exams(net, stream)


RUNNERS: dict[str, Callable[[Stream, int], Found]] = {"quickstudy": ours, "torch": plain, "avalanche": avalanche}


def contexts() -> Stream:
    pools = mnist()
    return streams.permuted(pools.train, pools.test, 2)


def network(stream: Stream) -> nn.Module:
    inputs = stream.shape[1] * stream.shape[2]
    hidden = (nn.Linear(inputs, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU())
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(WIDTH, stream.way))


def shuffled(examples: Examples) -> Examples:
    order = torch.randperm(len(examples.y), generator=torch.Generator().manual_seed(0))
    return Examples(examples.x[order], examples.y[order])


def exams(net: nn.Module, stream: Stream) -> list[float]:
    with torch.no_grad():
        both = [stream.exam(i) for i in range(2)]
        return [float((net.eval()(exam.x).argmax(1) == exam.y).float().mean()) for exam in both]


def closed(net: nn.Module, x: Tensor) -> dict[str, Tensor]:
    return fisher(net, dict(net.named_parameters()), x)


def one_by_one(net: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """The definition: example by example, class by class."""
    total = {name: torch.zeros_like(p) for name, p in net.named_parameters()}
    for one in x:
        log_p = net(one[None])[0].log_softmax(0)
        for c, value in enumerate(log_p):
            grads = torch.autograd.grad(value, list(net.parameters()), retain_graph=c + 1 < len(log_p))
            for name, grad in zip(total, grads, strict=True):
                total[name].addcmul_(grad, grad, value=float(value.detach().exp()) / len(x))
    return total


def seconds(f: Callable[[], object]) -> float:
    begun = time.perf_counter()
    f()
    return time.perf_counter() - begun


def record(
    work: str, unit: str, peer: str, ours: list[float], theirs: list[float], **more: object
) -> dict[str, object]:
    """Medians over the rounds; both are speeds."""
    mine, other = statistics.median(ours), statistics.median(theirs)
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    return {
        "work": work, "unit": unit, "peer": peer, "ours": mine, "theirs": other, "ratio": ratio, "precision": "float32",
        "rounds": len(ours), "threads": torch.get_num_threads(), "load_before": LOAD, **more,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=300, help="a context, at most 400")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "results" / "bench")
    given = parser.parse_args()
    there = bool(importlib.util.find_spec("avalanche"))
    others, packages = (["torch", "avalanche"], ("torch", "avalanche-lib")) if there else (["torch"], ("torch",))
    threads = torch.get_num_threads()
    workers = {name: Worker(name, threads, Contender, name) for name in ("quickstudy", *others)}
    found = measure(workers, given.rounds, given.steps)
    for worker in workers.values():
        worker.stop()
    work = "EWC on permuted MNIST, two hidden layers of 1,000, training with the penalty"
    for peer in others:
        mine, theirs = ([speed for speed, _ in found[name]] for name in ("quickstudy", peer))
        right = {"accuracy_ours": found["quickstudy"][-1][1], "accuracy_theirs": found[peer][-1][1]}
        row = record(work, "samples/s", peer, mine, theirs, steps=given.steps, **right)
        save(given.out / f"lifelong-ewc-{peer}.json", row, packages)
    stream = contexts()
    net, x = network(stream), stream[0].x[:FISHER]
    exact, expected = closed(net, x), one_by_one(net, x)
    error = max(float((exact[n] - e).abs().max() / e.abs().max()) for n, e in expected.items())
    pairs = [(seconds(lambda: closed(net, x)), seconds(lambda: one_by_one(net, x))) for _ in range(given.rounds)]
    mine, theirs = ([FISHER / pair[i] for pair in pairs] for i in range(2))
    row = record(
        "exact Fisher information, two hidden layers of 1,000", "examples/s", "batch-1 loop", mine, theirs, error=error
    )
    save(given.out / "lifelong-fisher.json", row)


if __name__ == "__main__":
    main()
