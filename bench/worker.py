"""One process per library, started anew, so that none runs in an allocator or a thread pool that another has set up."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from typing import Any

from contenders import Setting, build, parts

WARM_UP = 3  # episodes before the first round


class Worker:
    """A contender in its own process: ``ask("train", 40)`` and the like. It sleeps between the questions."""

    def __init__(self, name: str, setting: Setting, precision: str, threads: int, rounds: int) -> None:
        self.name, self.precision = name, precision
        total = WARM_UP + rounds * setting.episodes
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=serve, args=(theirs, name, setting, precision, threads, total), daemon=True
        )
        self.process.start()
        theirs.close()
        self.ask("train", WARM_UP)

    def ask(self, *question: Any) -> Any:
        try:
            self.pipe.send(question)
            return self.pipe.recv()
        except (EOFError, ConnectionError):
            raise SystemExit(f"the {self.name} process ended; its message stands above") from None

    def stop(self) -> None:
        self.pipe.close()
        self.process.join(timeout=20)


def serve(pipe: Connection, name: str, setting: Setting, precision: str, threads: int, total: int) -> None:
    """Answers ``("train", episodes)`` with seconds, ``("weights",)`` and ``("embed", pictures)`` with arrays."""
    import torch

    from quickstudy.data.omniglot import omniglot

    torch.set_num_threads(threads)
    contender = build(name, omniglot().train, setting, precision, total)
    while True:
        try:
            match pipe.recv():
                case "train", episodes:
                    pipe.send(contender.train(episodes))
                case ("weights",):
                    pipe.send([tensor.detach().numpy() for tensor in parts(contender.embed)])
                case "embed", pictures:
                    with torch.no_grad():
                        pipe.send(contender.embed(torch.from_numpy(pictures)).numpy())
        except EOFError:
            return
