"""Reproducing published tables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from quickstudy.files import atomic
from quickstudy.recipes import PICTURES, TABLES
from quickstudy.recipes.cells import AnyCell, gather, holds, matching, published, run_seed, worded
from quickstudy.storage import read_json, write_json

USUAL = 1000  # test tasks


def run(
    table: str,
    only: str,
    seeds: int,
    scale: float,
    tasks: int,
    runs: Path,
    results: Path,
    picture: Path | None,
    missing: bool,
    only_list: bool,
) -> None:
    """``quickstudy reproduce TABLE``."""
    if not table:
        print("\n".join(f"{name:20} {len(cells)} cells" for name, cells in TABLES.items()))
        return
    if table not in TABLES:
        raise ValueError(f"no table is called {table!r}; there are {', '.join(TABLES)}")
    if not (cells := matching(TABLES[table], only)):
        raise ValueError(f"no cell of {table} matches {only!r}; see them all with --list")
    if seeds < 1 or scale <= 0 or tasks < 2:
        raise ValueError(f"needs at least 1 seed, 2 tasks and a positive scale, got {seeds}, {tasks}, {scale}")
    if picture is not None and table not in PICTURES:
        raise ValueError(f"{table} has no picture; there is one for {', '.join(PICTURES)}")
    if only_list:
        print("\n".join(_line(cell, results) for cell in cells))
        return
    _reproduce(cells, seeds, scale, tasks, runs, results, missing)
    if picture is not None:
        figure = PICTURES[table](runs, scale=scale, tasks=tasks, progress=sys.stderr.isatty())
        with atomic(picture) as part:
            figure.savefig(part, format=picture.suffix[1:] or "png")
        print(picture)


def _reproduce(
    cells: list[AnyCell], seeds: int, scale: float, tasks: int, runs: Path, results: Path, missing: bool
) -> None:
    command = f"quickstudy reproduce {cells[0].table} --seeds {seeds}"
    command += (f" --scale {scale:g}" if scale != 1 else "") + (f" --tasks {tasks}" if tasks != USUAL else "")
    for seed in range(seeds):
        for cell in cells:
            if seed and not cell.trained:
                continue  # nothing in it depends on a seed
            path = _path(cell, results)
            if missing and holds(_earlier(path), cell, seed, scale):
                continue
            print(f"seed {seed}: {cell.title}", file=sys.stderr)
            run_seed(cell, seed, scale=scale, tasks=tasks, runs=runs, progress=sys.stderr.isatty())
            earlier = _earlier(path)  # now: another process may have added a seed meanwhile
            found = gather(cell, seeds, scale=scale, tasks=tasks, runs=runs, command=command, earlier=earlier)
            if found is not None:
                write_json(path, found)
                print(_line(cell, results))


def _earlier(path: Path) -> dict[str, Any] | None:
    return read_json(path) if path.exists() else None


def _path(cell: AnyCell, results: Path) -> Path:
    return results / cell.table / f"{cell.name}.json"


def _line(cell: AnyCell, results: Path) -> str:
    paper = published(cell)
    printed = f"published {paper['value']:5g}" if paper else "published     -"
    path = _path(cell, results)
    if not path.exists():
        return f"{cell.title:62} {printed}   ours     -"
    ours = read_json(path)
    return f"{cell.title:62} {printed}   ours {worded(ours)}, {len(ours['seeds'])} seed(s)"
