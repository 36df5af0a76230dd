"""Time and memory of layouts and grids by the number of points: ``python bench/maps.py``, alone on the machine.

Points are features of LeNet's size that lie in ten clusters. Every size of every layout is a fresh process, which first
lays out 500 points, so that compiling is not counted; ``peak_memory_mb`` is the most that it ever held, beside what it
held before. The overhead of our t-SNE and UMAP is measured in turn against the libraries called with the same options.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from records import compared_in_turn, save
from tqdm import tqdm

from quickstudy.maps import PCA, TSNE, UMAP, ParametricTSNE, ParametricUMAP, Tailored, assign, grid

SIZES = (1000, 2000, 5000, 10_000, 20_000, 40_000, 70_000)
WIDE = 84  # features
MOST = {"grid-exact": 5000}  # points, beyond which it is not measured
MADE: dict[str, Callable[[np.ndarray], object]] = {
    "pca": lambda x: PCA().fit(x),
    "tsne": lambda x: TSNE(jobs=-1).fit(x),
    "umap": lambda x: UMAP().fit(x),
    "umap-unseeded": lambda x: UMAP(seed=None).fit(x),
    "parametric-tsne": lambda x: ParametricTSNE().fit(x),
    "parametric-umap": lambda x: ParametricUMAP().fit(x),
    "tailored": lambda x: Tailored().fit(x),
    "grid-exact": lambda x: assign(x[:, :2], method="exact"),
    "grid-tiled": lambda x: assign(x[:, :2], method="tiled"),
}


def points(count: int) -> np.ndarray:
    """(count, 84) float32 in ten clusters."""
    generator = np.random.default_rng(0)
    middles = 3 * generator.normal(size=(10, WIDE))
    return (middles[generator.integers(0, 10, count)] + generator.normal(size=(count, WIDE))).astype(np.float32)


def held() -> float:
    """MB, at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def one(name: str, count: int) -> dict[str, Any]:
    """This process measures one size."""
    MADE[name](points(500))
    x, before = points(count), held()
    begun = time.perf_counter()
    MADE[name](x)
    return {
        "points": count,
        "seconds": time.perf_counter() - begun,
        "memory_before_mb": before,
        "peak_memory_mb": held(),
    }


def fresh(name: str, count: int) -> dict[str, Any]:
    done = subprocess.run([sys.executable, __file__, "--one", name, str(count)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} of {count} points failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def growth(name: str, sizes: list[int], rounds: int) -> dict[str, Any]:
    """By the number of points; at the top the largest. ``growth`` is p of seconds ~ n^p over the larger half."""
    load = os.getloadavg()[0]
    mine = [size for size in sizes if size <= MOST.get(name, size)]
    found = []
    for size in tqdm(mine, name):
        runs = [fresh(name, size) for _ in range(rounds)]
        found.append(runs[0] | {"seconds": statistics.median(run["seconds"] for run in runs)})
    larger = found[len(found) // 2 :] if len(found) > 2 else found
    logs = np.log([[point["points"], point["seconds"]] for point in larger])
    return {
        "work": f"{name.replace('-', ' ')} of {mine[-1]:,} points",
        "peer": "",
        "ours": found[-1]["seconds"],
        "theirs": None,
        "unit": "s",
        "ratio": None,
        "rounds": rounds,
        "growth": float(np.polyfit(*logs.T, 1)[0]) if len(larger) > 1 else None,
        "by_points": found,
        "load_before": load,
    }


def overhead(name: str, count: int, rounds: int) -> dict[str, Any]:
    """Ours beside the library alone, on the same components: seconds of a fit, in turn."""
    x = points(count)
    load = os.getloadavg()[0]
    ours, theirs, peer = {"tsne": _tsne, "umap": _umap}[name](x)
    compared = compared_in_turn(lambda: seconds(ours), lambda: seconds(theirs), rounds=rounds, warm=1)
    same = float(np.abs(ours() - theirs()).max())
    work = {"work": f"{peer} through quickstudy, {count:,} points", "peer": peer, "unit": "s"}
    return work | compared | {"largest_difference": same, "load_before": load}


def _tsne(x: np.ndarray) -> tuple[Callable[[], Any], Callable[[], Any], str]:
    import openTSNE

    def alone() -> Any:
        return np.asarray(openTSNE.TSNE(perplexity=30, random_state=0, n_jobs=-1).fit(x))

    return lambda: TSNE(reduce=None, jobs=-1).fit_transform(x), alone, "openTSNE"


def _umap(x: np.ndarray) -> tuple[Callable[[], Any], Callable[[], Any], str]:
    import umap

    def alone() -> Any:
        return umap.UMAP(random_state=0, n_jobs=1).fit_transform(x)

    return lambda: UMAP(reduce=None).fit_transform(x), alone, "umap-learn"


def seconds(f: Callable[[], object]) -> float:
    begun = time.perf_counter()
    f()
    return time.perf_counter() - begun


def tiles(count: int) -> dict[str, Any]:
    """Tiles beside the exact assignment of as many points, once: the seconds of both, and what the tiles cost."""
    x, load, shape = points(count)[:, :2], os.getloadavg()[0], grid.square(count)
    begun = time.perf_counter()
    best = assign(x, method="exact")
    between = time.perf_counter()
    near = assign(x, method="tiled")
    theirs, ours = between - begun, time.perf_counter() - between
    return {
        "work": f"a grid of {count:,} points in tiles",
        "peer": "exact assignment",
        "ours": ours,
        "theirs": theirs,
        "unit": "s",
        "ratio": theirs / ours,
        "rounds": 1,
        "cost_over_exact": grid.cost(x, near, shape) / grid.cost(x, best, shape),
        "load_before": load,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    parser.add_argument("--only", nargs="*", choices=[*MADE, "overhead", "tiles"], default=[*MADE, "overhead", "tiles"])
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=1, help="of every size")
    parser.add_argument("--turns", type=int, default=5, help="of the comparisons with the libraries")
    parser.add_argument("--compared", type=int, default=10_000, help="points of the comparisons")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one[0], int(options.one[1]))))
        return
    for name in options.only:
        for file, record in recorded(name, options):
            packages = ("torch", "numpy", "scipy", "openTSNE", "umap-learn")
            save(options.out / f"{file}.json", record, packages)
            print(
                f"{record['work']:50} {record['ours']:8.2f} s, {record['peer'] or 'alone'} {record['theirs'] or 0:.2f}"
            )


def recorded(name: str, options: argparse.Namespace) -> list[tuple[str, dict[str, Any]]]:
    """Files and what they hold."""
    if name == "overhead":
        return [(f"maps-overhead-{n}", overhead(n, options.compared, options.turns)) for n in ("tsne", "umap")]
    if name == "tiles":
        return [("maps-grid-tiles", tiles(options.compared))]
    return [(f"maps-{name}", growth(name, options.sizes, options.rounds))]


if __name__ == "__main__":
    main()
