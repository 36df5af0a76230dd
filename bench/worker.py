"""One process per contender, started anew, so that none runs in an allocator or a thread pool another has set up."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from tqdm import tqdm

K = TypeVar("K")


class Worker:
    """What ``make(*arguments)`` gives, in its own process: ``ask("train", 40)`` calls its method of that name.

    It sleeps between the questions.
    """

    def __init__(self, name: str, threads: int, make: Callable[..., Any], *arguments: Any) -> None:
        self.name = name
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, threads, make, arguments), daemon=True)
        self.process.start()
        theirs.close()

    def ask(self, method: str, *arguments: Any) -> Any:
        try:
            self.pipe.send((method, arguments))
            return self.pipe.recv()
        except (EOFError, ConnectionError):
            raise SystemExit(f"the {self.name} process ended; its message stands above") from None

    def stop(self) -> None:
        self.pipe.close()
        self.process.join(timeout=20)


def serve(pipe: Connection, threads: int, make: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Answers questions until nobody is left to ask."""
    import torch

    torch.set_num_threads(threads)
    contender = make(*arguments)
    while True:
        try:
            method, given = pipe.recv()
        except EOFError:
            return
        pipe.send(getattr(contender, method)(*given))


def measure(workers: dict[K, Worker], rounds: int, count: int) -> dict[K, list[Any]]:
    """What ``train(count)`` answers in each round. Only one works at a time; who is first changes with the round."""
    keys, found = list(workers), {key: [] for key in workers}
    for turn in tqdm(range(rounds), unit="round", leave=False):
        first = turn % len(keys)
        for key in keys[first:] + keys[:first]:
            found[key].append(workers[key].ask("train", count))
    return found
