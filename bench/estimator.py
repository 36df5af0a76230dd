"""How long a user waits for ``quickstudy fit`` and ``predict``: ``python bench/estimator.py``, alone on the machine.

Twenty classes of five drawings each. Cold is a whole process, from the shell to the answer; warm is one more picture, a
file, in a process that has the model. Medians; the limits are those that the library promises.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from records import save

from quickstudy.data import glyphs
from quickstudy.estimator import modelfile, shipped
from quickstudy.estimator.inputs import taught_by, tensors
from quickstudy.estimator.taught import Taught

CLASSES, SHOT = 20, 5
LIMITS = {"fit": None, "cold": 3.0, "warm": 0.005}  # seconds
WORK = {
    "fit": "fit 20 classes of 5 pictures, in a process that has the weights",
    "cold": "quickstudy predict, one picture, from the shell",
    "warm": "one picture more",
}


def written(folder: Path) -> Path:
    """A folder of class folders."""
    pool = glyphs().test
    for c in range(CLASSES):
        inner = folder / f"letter{c:02}"
        inner.mkdir(parents=True)
        for i in range(SHOT):
            Image.fromarray(255 - pool.images[int(pool.starts[c]) + i, 0].numpy()).save(inner / f"{i}.png")
    return folder


def fitted(folder: Path) -> Taught:
    """What ``quickstudy fit`` does."""
    files, labels = taught_by(folder)
    taught = shipped.load(shipped.USUAL)
    taught.teach(tensors(files, taught.recipe.looks), labels)
    return taught


def seconds(f: Callable[[], object], rounds: int) -> list[float]:
    found = []
    for _ in range(rounds):
        begun = time.perf_counter()
        f()
        found.append(time.perf_counter() - begun)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, model = written(Path(name) / "letters"), Path(name) / "model.qs"
        taught = fitted(folder)
        modelfile.save(taught, model)
        picture = next(folder.rglob("*.png"))
        asked = [sys.executable, "-m", "quickstudy", "predict", str(model), str(picture)]
        found = {
            "fit": seconds(lambda: fitted(folder), options.rounds),
            "cold": seconds(lambda: subprocess.run(asked, check=True, capture_output=True), options.rounds),
            "warm": seconds(lambda: answer(taught, picture), 50 * options.rounds),
        }
    for what, rounds in found.items():
        record = {
            "work": WORK[what],
            "peer": "the limit" if LIMITS[what] else "",
            "ours": statistics.median(rounds),
            "theirs": LIMITS[what],
            "unit": "s",
            "ratio": LIMITS[what] / statistics.median(rounds) if LIMITS[what] else None,
            "rounds": len(rounds),
            "slowest": max(rounds),
        }
        save(options.out / f"estimator-{what}.json", record)
        print(f"{WORK[what]:64} {record['ours']:.4f} s (slowest {record['slowest']:.4f}), limit {LIMITS[what]}")


def answer(taught: Taught, picture: Path) -> object:
    """One more picture, from its file."""
    logits, _ = taught.answers(tensors([picture], taught.recipe.looks))
    return taught.probabilities(logits)


if __name__ == "__main__":
    main()
