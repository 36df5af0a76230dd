"""Commands that measure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from quickstudy.arguments.usual import Options
from quickstudy.commands.tasks import TestStreams, TestTasks

USUAL, FEWER, STREAMS = TestTasks(), TestTasks(tasks=300), TestStreams()


def evaluate(
    subject: Annotated[Positional[str], arg(metavar="RUN|LEARNER")],
    on: TestTasks = USUAL,
    options: Options = (),
    json: bool = False,
) -> None:
    """Measure accuracy on numbered tasks of classes never seen, with a 95 % interval. The same command goes on with a
    run's measurement that was killed.

    Examples: quickstudy evaluate runs/demo --way 5
              quickstudy evaluate neighbours --data omniglot --way 20 --shot 5 --json

    Args:
        subject: a run folder, or the name of a learner that needs no training (neighbours, density).
        json: print one JSON object.
    """
    from quickstudy.commands.evaluate import run

    run(subject, on, options, json)


def compare(
    subjects: Annotated[Positional[tuple[str, ...]], arg(metavar="RUN|LEARNER ...")],
    on: TestTasks = USUAL,
    out: Path | None = None,
    json: bool = False,
) -> None:
    """Compare runs and learners on the same tasks, with the interval of each paired difference to the first; or lives
    on the same streams, where those that differ in nothing but the seed are one row, with its interval.

    Examples: quickstudy compare runs/demo neighbours density --way 5 --out comparison.html
              quickstudy compare runs/lifelong/ewc-... runs/lifelong/naive-... --out lives.html

    Args:
        subjects: run folders, or names of learners that need no training; or folders of lives.
        out: an HTML page to write.
        json: print one JSON object.
    """
    from quickstudy.commands.evaluate import run_comparison

    run_comparison(subjects, on, out, json)


def instances(
    subjects: Annotated[Positional[tuple[str, ...]], arg(metavar="RUN|LEARNER ...")],
    on: TestStreams = STREAMS,
    most: int = 10,
    out: Path | None = None,
    json: bool = False,
) -> None:
    """Measure accuracy by instance: when a class of a stream is met the first time, the second, and so on.

    Every learner can be measured so: each drawing is named by what was learned from those before it.

    Examples: quickstudy instances runs/mann-omniglot-5way-1shot-seed0 --out instances.html
              quickstudy instances neighbours --data omniglot --size 20 --way 5 --json

    Args:
        subjects: run folders, or names of learners that need no training.
        most: the last instance that is shown.
        out: an HTML page to write, with a look inside learners that have a memory or attention.
        json: print one JSON object.
    """
    from quickstudy.commands.instances import run

    run(subjects, on, most, out, json)


def report(
    run: Annotated[Positional[Path], arg(metavar="RUN")],
    on: TestTasks = FEWER,
    out: Path | None = None,
) -> None:
    """Write the page of a run: accuracy, tasks as they were answered, learning curve, hardest pairs, calibration; of a
    learner that reads sequences, also accuracy by instance; a look inside memories and attention.

    Example: quickstudy report runs/demo --out demo.html

    Args:
        run: a run folder.
        out: the HTML file; report.html in the run folder unless given.
    """
    from quickstudy.commands.evaluate import report

    report(run, on, out)


def reproduce(
    table: Annotated[Positional[str], arg(metavar="[TABLE]")] = "",
    only: str = "",
    seeds: int = 3,
    scale: float = 1.0,
    tasks: int = 1000,
    runs: Path = Path("runs/reproduce"),
    results: Path = Path("results"),
    picture: Path | None = None,
    missing: bool = False,
    list: bool = False,
) -> None:
    """Reproduce a published table, cell by cell; what is done already is not done again.

    Examples: quickstudy reproduce omniglot-fewshot --list
              quickstudy reproduce omniglot-fewshot --only prototypical --seeds 1
              quickstudy reproduce split-mnist --seeds 5 --missing
              quickstudy reproduce sinusoid --picture sinusoid.png

    Args:
        table: its name; all are listed if none is named.
        only: only the cells whose method, variant or setting holds these words.
        seeds: trainings a cell; the first seed of every cell comes before the second of any.
        scale: of the training steps: 0.1 trains a tenth as long. Noted in the cell.
        tasks: test tasks a cell.
        runs: where the trainings are kept.
        results: where the finished cells are written, as results/<table>/<cell>.json.
        picture: a PNG, PDF or SVG file to draw, for a table that has something to draw.
        missing: leave out the seeds that the results hold already, measured here or on another machine.
        list: only say which cells there are and which are done.
    """
    from quickstudy.commands.reproduce import run

    run(table, only, seeds, scale, tasks, runs, results, picture, missing, list)
