"""Makes shipped weights of a learned optimizer: ``python docs/ship_optimizer.py RUN NAME``, of a finished run of
``quickstudy train learned-optimizer`` or of the table. Writes quickstudy/shipped/optimizers/NAME.safetensors and .json.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from quickstudy import optim
from quickstudy.optim.weights import folder
from quickstudy.optimizers import Training, from_run
from quickstudy.recipes.provenance import hardware
from quickstudy.storage import Run


def main(path: Path, name: str) -> None:
    run = Run.open(path)
    about = {"command": command(from_run(run)), "versions": run.config["versions"], "hardware": hardware()}
    optim.ship(path, folder() / f"{name}.safetensors", about=about)
    print(optim.weights.figures(name))


def command(asked: Training) -> str:
    """What trains the same."""
    given = dataclasses.asdict(asked)
    words = [_said(key, value) for key, value in given.items() if key != "options" and value is not False]
    options = [f"{key}={json.dumps(value)}" for key, value in asked.options.items()]
    return " ".join(["quickstudy train learned-optimizer", *words, *(["--options", *options] if options else [])])


def _said(key: str, value: object) -> str:
    if value is True:
        return f"--{key}"
    return f"--{key} {' '.join(map(str, value)) if isinstance(value, tuple) else value}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
