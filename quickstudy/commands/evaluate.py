"""Measuring: one learner, several on the same tasks, or a page about either."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from quickstudy import inside, learner_maps
from quickstudy import report as pages
from quickstudy.commands import again, compare_lives, parts
from quickstudy.commands.subjects import Subject, common, several, splits, subject
from quickstudy.commands.tasks import TestTasks
from quickstudy.core import Learner
from quickstudy.data import Splits
from quickstudy.data.pool import Pool
from quickstudy.evaluate import Evaluation
from quickstudy.evaluate import compare as paired
from quickstudy.evaluate import evaluate as measure
from quickstudy.experiment import usual_way
from quickstudy.gallery import Sheets
from quickstudy.instances import instances
from quickstudy.metrics import known
from quickstudy.storage import Run
from quickstudy.tasks import Episodes, episodes

MOST_WAYS, MOST_QUERIES = 20, 15  # of a task, unless more are asked for
MOST_INSTANCES = 10


def run(text: str, on: TestTasks, options: Sequence[str], as_json: bool) -> None:
    """``quickstudy evaluate``."""
    measured = subject(text, options)
    (result,), name, pools = _measure([measured], on)
    print(json.dumps(summary(measured, result, name, pools)) if as_json else line(result))
    _told([measured])


def run_comparison(texts: Sequence[str], on: TestTasks, out: Path | None, as_json: bool) -> None:
    """``quickstudy compare``."""
    if not texts:
        raise ValueError("name at least one run folder or learner to compare")
    if compare_lives.are_lives(texts):
        compare_lives.run(texts, on, out, as_json)
        return
    subjects = several(texts)
    results, name, pools = _measure(subjects, on)
    if as_json:
        each = [summary(s, r, name, pools) for s, r in zip(subjects, results, strict=True)]
        print(json.dumps({"results": each, "differences": differences(results)}))
    else:
        print(table(results))
    if out is not None:
        curves = {s.name: s.run.metrics["curve"] for s in subjects if s.run}
        write_page(out, "Comparison", results, name, pools, curves, part=on.part)
        print(f"page: {out}", file=sys.stderr)
    _told(subjects)


def report(folder: Path, on: TestTasks, out: Path | None) -> None:
    """``quickstudy report``."""
    measured, run = subject(str(folder)), Run.open(folder)
    (result,), name, pools = _measure([measured], on)
    path = out or folder / "report.html"
    looks = _looks(measured, pools, on)
    curves = {measured.name: run.metrics["curve"]}
    mapped = _mapped(measured, result, pools)
    write_page(path, measured.name, [result], name, pools, curves, looks, mapped, part=on.part)
    print(line(result))
    print(f"page: {path}", file=sys.stderr)
    _told([measured])


def write_page(
    path: Path,
    title: str,
    results: Sequence[Evaluation],
    data: str,
    pools: Splits,
    curves: dict[str, list[dict[str, float]]],
    sections: Sequence[str] = (),
    mapped: Callable[[Sheets], str] | None = None,
    *,
    part: str = "test",
) -> None:
    """The page of these evaluations, with what is needed to make it again."""
    first = results[0]
    facts = {
        "data": parts.told(data, pools, part),
        "split SHA-256": pools.sha256,
        "tasks": f"{len(first.accuracy)} of {first.way}-way {first.shot}-shot, {first.query} queries per class",
        **again.facts(),
    }
    page = pages.page(
        title,
        results,
        facts=facts,
        curves=curves,
        pictures=functools.partial(_example, parts.pool(pools, part)),
        classes=parts.classes(pools, part),
        sections=sections,
        mapped=mapped,
    )
    pages.save(path, page)


def summary(measured: Subject, result: Evaluation, data: str, pools: Splits) -> dict[str, Any]:
    """One evaluation as plain values."""
    accuracy, interval = result.estimate
    return {
        **measured.about(data, pools),
        "way": result.way,
        "shot": result.shot,
        "query": result.query,
        "tasks": len(result.accuracy),
        "accuracy": accuracy,
        "interval95": known(interval),
        "calibration_error": result.calibration_error,
        "transductive": result.transductive,
        "seconds": round(result.seconds, 3),
    }


def differences(results: Sequence[Evaluation]) -> list[dict[str, Any]]:
    """Each against the first, on the same tasks."""
    first, *others = results
    pairs = [(other.name, paired(other, first)) for other in others]
    return [{"learner": name, "against": first.name, "difference": d, "interval95": known(i)} for name, (d, i) in pairs]


def line(result: Evaluation) -> str:
    """One evaluation in words."""
    accuracy, interval = result.estimate
    kind = ", transductive" if result.transductive else ""
    return (
        f"{result.name}: {100 * accuracy:.2f} ± {100 * interval:.2f} % "
        f"({result.way}-way {result.shot}-shot, {len(result.accuracy)} tasks{kind}, {result.seconds:.1f} s)"
    )


def table(results: Sequence[Evaluation]) -> str:
    """Several evaluations in columns, each with its paired difference to the first."""
    first = results[0]
    width = max(len(r.name) for r in results)
    title = f"{first.way}-way {first.shot}-shot, {len(first.accuracy)} tasks, chance {100 / first.way:.1f} %"
    rows = [title, f"{'':{width}}   accuracy %      against {first.name}"]
    for result in results:
        accuracy, interval = result.estimate
        versus = ""
        if result is not first:
            difference, half = paired(result, first)
            versus = f"{100 * difference:+6.2f} ± {100 * half:.2f}"
        kind = "  transductive" if result.transductive else ""
        rows.append(f"{result.name:{width}}   {100 * accuracy:5.2f} ± {100 * interval:.2f}    {versus}{kind}")
    return "\n".join(rows)


def _measure(subjects: Sequence[Subject], on: TestTasks) -> tuple[list[Evaluation], str, Splits]:
    """All of them on the same tasks; the name of the data, and the data."""
    if on.tasks < 1:
        raise ValueError(f"--tasks is at least 1, got {on.tasks}")
    name, pools = splits(subjects, on.data, on.split, on.size)
    learners = [s.build(pools) for s in subjects]
    drawn = _tasks(subjects, learners, pools, on)
    bar, pairs = sys.stderr.isatty(), zip(subjects, learners, strict=True)
    found = [measure(made, drawn, on.tasks, name=s.name, kept=s.answers, progress=bar) for s, made in pairs]
    return found, name, pools


def _told(subjects: Sequence[Subject]) -> None:
    """What was answered need not be kept any more."""
    for kept in filter(None, (s.answers for s in subjects)):
        kept.unlink(missing_ok=True)


def _looks(measured: Subject, pools: Splits, on: TestTasks) -> list[str]:
    """Sections that look inside the learner, and by instance where it reads sequences."""
    made = measured.build(pools)
    if made.reads != "sequences":
        tasks = _tasks([measured], [made], pools, on)
        looks = isinstance(made, inside.ATTENTIVE)
        return [inside.attention(made, tasks[0], tasks.way, measured.name)] if looks else []
    streams = measured.asked.streams(parts.pool(pools, on.part))
    results = [instances(made, streams, on.tasks, name=measured.name)]
    by_instance = inside.by_instance(results, MOST_INSTANCES, parts.classes(pools, on.part))
    return [by_instance, inside.section(made, streams[0], streams.way, measured.name)]


def _mapped(measured: Subject, result: Evaluation, pools: Splits) -> Callable[[Sheets], str]:
    """The first task as the learner sees it."""
    made = measured.build(pools).cpu()
    return lambda sheets: learner_maps.episode(made, result.shown[0], sheets, measured.name)


def _tasks(subjects: Sequence[Subject], learners: Sequence[Learner], pools: Splits, on: TestTasks) -> Episodes:
    pool = parts.pool(pools, on.part)
    way = on.way if on.way is not None else common(subjects, "way", None)
    if on.way is None:
        way = max(usual_way(made, way, MOST_WAYS) for made in learners)
    shot = common(subjects, "shot", on.shot)
    spare = int(pool.sizes.min()) - shot  # pictures of the smallest class beyond the support
    return episodes(pool, way, shot, on.query if on.query is not None else max(1, min(MOST_QUERIES, spare)))


def _example(pool: Pool, name: str) -> Tensor | None:
    """The first picture of a class."""
    return pool.images[int(pool.starts[pool.names.index(name)])] if name in pool.names else None
