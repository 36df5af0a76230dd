"""One process per library, started anew, so that none runs in an allocator or a thread pool that another has set up."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from typing import Any

from contenders import WARM_UP, Setting, build, parts


class Worker:
    """A contender in its own process: ``ask("train", 40)`` and the like. It sleeps between the questions."""

    def __init__(self, name: str, precision: str, setting: Setting, seed: int, threads: int) -> None:
        self.name = name
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        arguments = theirs, name, precision, setting, seed, threads
        self.process = context.Process(target=serve, args=arguments, daemon=True)
        self.process.start()
        theirs.close()

    def start(self) -> None:
        """Waits until it is ready, warmed up and quiet."""
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


def serve(pipe: Connection, name: str, precision: str, setting: Setting, seed: int, threads: int) -> None:
    """Answers ``("train", episodes)`` with seconds, ``("weights",)`` and ``("embed", pictures)`` with arrays."""
    import torch

    from quickstudy.data.omniglot import omniglot

    torch.set_num_threads(threads)
    contender = build(name, omniglot().train, setting, precision, seed)
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
