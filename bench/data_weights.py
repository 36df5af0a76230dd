"""What learned data weights cost a training step, on one thread of a CPU: ``python bench/data_weights.py``.

Each step of ``weighting.reweight`` with ten clean pictures stands against the plain step of the same batch: by products
of gradients in forward mode, and by the virtual step differentiated.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Callable
from pathlib import Path

import torch
from records import compared_in_turn, save
from torch import Tensor

from quickstudy import devices, weighting
from quickstudy.recipes.weighted import Loop, Training
from quickstudy.weighting.virtual import FORMS

ROUNDS = 20
BATCH = 100


def step(loop: Loop, loss: Callable[[], Tensor]) -> float:
    """Seconds of one update."""
    begun = time.perf_counter()
    loop.move(loss())
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    devices.prepare()
    asked = Training()
    loop = Loop(asked, asked.problem())
    made = loop.problem
    x, y = made.to_float(made.learned.x[:BATCH]), made.learned.y[:BATCH]
    clean = made.to_float(made.clean.x), made.clean.y
    plain = functools.partial(step, loop, lambda: loop.losses(loop.net, x, y).mean())
    for form in FORMS:
        weigh = weighting.reweight(loop.net, clean, losses=loop.losses, form=form)
        found = compared_in_turn(
            functools.partial(step, loop, functools.partial(weigh, x, y)), plain, rounds=options.rounds, warm=3
        )
        work = f"a step on {BATCH} weighted pictures, weights by {form}; theirs: the plain step"
        record = {"work": work, "unit": "seconds", "peer": "torch", "peer_version": torch.__version__, **found}
        save(options.out / f"data-weights-{form}.json", record)
        print(f"{form}: {1 / found['ratio']:.2f} times a plain step")


if __name__ == "__main__":
    main()
