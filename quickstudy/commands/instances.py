"""Accuracy by instance: learners on the same streams."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quickstudy import inside
from quickstudy import report as pages
from quickstudy.commands import again, parts
from quickstudy.commands.subjects import Subject, common, several, splits
from quickstudy.commands.tasks import TestStreams
from quickstudy.core import Learner
from quickstudy.data import Splits
from quickstudy.experiment import MEETINGS
from quickstudy.instances import Instances
from quickstudy.instances import instances as measure
from quickstudy.metrics import known
from quickstudy.tasks import Sequences, sequences


def run(texts: Sequence[str], on: TestStreams, most: int, out: Path | None, as_json: bool) -> None:
    """``quickstudy instances``."""
    if not texts:
        raise ValueError("name at least one run folder or learner")
    if most < 1 or on.streams < 1:
        raise ValueError(f"--most and --streams are at least 1, got {most} and {on.streams}")
    subjects = several(texts)
    data, pools = splits(subjects, on.data, on.split, on.size)
    learners = [one.build(pools) for one in subjects]
    drawn = streams(subjects, pools, on)
    bar, pairs = sys.stderr.isatty(), zip(subjects, learners, strict=True)
    results = [measure(made, drawn, on.streams, name=one.name, progress=bar) for one, made in pairs]
    if as_json:
        each = [summary(*pair, data, pools, most) for pair in zip(subjects, results, strict=True)]
        print(json.dumps({"results": each}))
    else:
        print(table(results, most))
    if out is not None:
        by_instance = inside.by_instance(results, most, parts.classes(pools, on.part))
        write_page(out, learners, results, drawn, by_instance, facts(data, pools, drawn, on))
        print(f"page: {out}", file=sys.stderr)


def streams(subjects: Sequence[Subject], pools: Splits, on: TestStreams) -> Sequences:
    """The streams that all are measured on: as in training, unless told otherwise."""
    pool = parts.pool(pools, on.part)
    way = common(subjects, "way", on.way)
    length = common(subjects, "length", on.length)
    length = MEETINGS * way if length is None else length
    return sequences(pool, way, length, labels=common(subjects, "labels", on.labels))


def summary(measured: Subject, result: Instances, data: str, pools: Splits, most: int) -> dict[str, Any]:
    """One measurement as plain values."""
    found = result.estimates(most)
    return {
        **measured.about(data, pools),
        "way": result.way,
        "labels": result.labels,
        "length": result.right.shape[1],
        "streams": len(result.right),
        "accuracy": [known(one.mean) for one in found],
        "interval95": [known(one.interval95) for one in found],
        "transductive": result.transductive,
        "seconds": round(result.seconds, 3),
    }


def table(results: Sequence[Instances], most: int) -> str:
    """A row for each, a column for each instance."""
    first = results[0]
    width = max(len(one.name) for one in results)
    count, length = first.right.shape
    title = (
        f"{first.way} classes, {first.labels} labels, {count} streams of {length}, "
        f"chance {100 / first.labels:.3g} %; accuracy in % by instance"
    )
    head = " " * width + "".join(f"{k:>14}" for k in range(1, most + 1))
    rows = [one.name.ljust(width) + "".join(map(_cell, one.estimates(most))) for one in results]
    return "\n".join([title, head, *rows])


def facts(data: str, pools: Splits, drawn: Sequences, on: TestStreams) -> dict[str, str]:
    """With what the page can be made again."""
    return {
        "data": parts.told(data, pools, on.part),
        "split SHA-256": pools.sha256,
        "streams": f"{on.streams} of {drawn.length} steps, {drawn.classes} classes, {drawn.way} labels",
        **again.facts(),
    }


def write_page(
    path: Path,
    learners: Sequence[Learner],
    results: Sequence[Instances],
    drawn: Sequences,
    by_instance: str,
    facts: dict[str, str],
) -> None:
    """The page of these measurements: their chart, and a look inside those learners that can be looked into."""
    looks = [inside.section(made, drawn[0], drawn.way, one.name) for made, one in zip(learners, results, strict=True)]
    pages.save(path, pages.page("Accuracy by instance", [], facts=facts, sections=[by_instance, *looks]))


def _cell(found: Any) -> str:
    mean, half = (100 * value for value in found)
    return f"{mean:7.2f} ± {half:4.2f}" if mean == mean else f"{'–':>14}"
