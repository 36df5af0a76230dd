"""The page of several methods on the same streams: what each still knows, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from quickstudy import charts, gallery, metrics
from quickstudy.life_report import TELLS, heat
from quickstudy.lifelong import History
from quickstudy.report import document, interval, listed, percent

AGAIN = "The page is made of what the folders of the lives hold."


class Lived(NamedTuple):
    """A method, and its lives that have ended: one for each seed."""

    name: str
    options: str  # in words: those given, and what else was asked of it and not of all
    histories: tuple[History, ...]

    @property
    def ends(self) -> np.ndarray:
        """(lives,) the average accuracy of all contexts."""
        return np.array([history.matrix[-1].mean() for history in self.histories])

    @property
    def end(self) -> metrics.Estimate:
        """Over the seeds; the interval of a single life is nan."""
        return metrics.estimate(self.ends)

    @property
    def matrix(self) -> np.ndarray:
        """(contexts + 1, contexts) shares right, means over the lives."""
        return np.mean([history.matrix for history in self.histories], axis=0)

    @property
    def so_far(self) -> list[tuple[float, float]]:
        """(contexts learned, their average accuracy in per cent) after each."""
        shares = self.matrix
        return [(float(i), 100 * float(shares[i, :i].mean())) for i in range(1, len(shares))]

    @property
    def forgetting(self) -> float | None:
        """How far a context is below its best, on average; None of a single context."""
        lost = [history.measures()["forgetting"] for history in self.histories]
        known = [one for one in lost if one is not None]
        return float(np.mean(known)) if known else None

    def cost(self, of: Callable[[History], float]) -> float:
        """The mean over the lives."""
        return float(np.mean([of(history) for history in self.histories]))

    def against(self, other: Lived) -> metrics.Estimate:
        """How much more it knows at the end, paired by seed."""
        return metrics.paired(self.ends, other.ends)


COSTS: dict[str, tuple[Callable[[History], float], str]] = {
    "state, MB": (lambda history: history.nbytes[-1] / 1e6, ",.1f"),
    "examples": (lambda history: history.examples[-1], ",.0f"),
    "seconds": (lambda history: sum(history.seconds), ",.1f"),
}


def page(
    title: str, lives: Sequence[Lived], *, scenario: str, contexts: Sequence[str], facts: Mapping[str, str]
) -> str:
    """One HTML page. ``contexts``: what each is, in words, where all lives have the same; ``facts["command"]`` is how
    to make the page anew."""
    parts = (_headline(title, lives, scenario), _results(lives), _curves(lives, contexts), _matrices(lives))
    return document(title, "".join(parts) + listed(facts, AGAIN), gallery.Sheets())


def _best(lives: Sequence[Lived]) -> int:
    """The number of the one that knows most at the end."""
    return max(range(len(lives)), key=lambda i: lives[i].end.mean)


def points(value: metrics.Estimate) -> str:
    """Per cent or percentage points, with the interval where there is one."""
    told = interval(value)
    return told if math.isfinite(value.interval95) else told.partition(" ")[0]


def _headline(title: str, lives: Sequence[Lived], scenario: str) -> str:
    first = lives[_best(lives)]
    mean, half = first.end
    seeds, contexts = len(first.histories), len(first.matrix) - 1
    several = f", the best of {len(lives)} methods" if len(lives) > 1 else ""
    sure = f" <span>± {100 * half:.1f}</span>" if math.isfinite(half) else ""
    basis = (
        "Each row is a single life: how far another seed would be from it is not known here."
        if seeds == 1
        else f"Each row is the mean of {seeds} lives with its 95 % interval; differences are paired by seed."
    )
    return (
        f"<header>\n<h1>{escape(title)}</h1>\n"
        f'<p class="headline"><strong>{percent(mean)}</strong>{sure}</p>\n'
        f'<p class="lead"><b>{escape(first.name)}</b>{several}: right on average over {contexts} contexts, after the '
        f"last of them was learned.</p>\n"
        f'<p class="note">Contexts arrived one after another, and their data did not come back; {TELLS[scenario]}. '
        f"{basis}</p>\n</header>\n"
    )


def _results(lives: Sequence[Lived]) -> str:
    titles = ("method", "options", "accuracy, %", "difference", "forgetting", *COSTS)
    head = "".join(f'<th scope="col">{title}</th>' for title in titles)
    first = lives[_best(lives)]
    rows = "".join(_row(i, life, first) for i, life in enumerate(lives))
    return (
        '<section>\n<h2>Results</h2>\n<div class="scroll" tabindex="0" role="region" aria-label="Results">\n'
        f'<table class="results"><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>\n'
        '<p class="note">Accuracy is of all contexts at the end, difference to the best and forgetting (how far a '
        "context is below its best) are in percentage points; the state is all that was remembered, the examples are "
        "those stored in it.</p>\n</section>\n"
    )


def _row(i: int, life: Lived, first: Lived) -> str:
    cells = [points(life.end), "best" if life is first else points(life.against(first)), lost(life)]
    cells += [f"{life.cost(of):{form}}" for of, form in COSTS.values()]
    numbers = "".join(f'<td class="number">{cell}</td>' for cell in cells)
    name = f'<th scope="row">{charts.dot(i)} {escape(life.name)}</th>'
    return f"<tr>{name}<td>{escape(life.options)}</td>{numbers}</tr>\n"


def lost(life: Lived) -> str:
    """Its forgetting in words."""
    return "–" if life.forgetting is None else points(metrics.Estimate(life.forgetting, math.nan))


def _curves(lives: Sequence[Lived], contexts: Sequence[str]) -> str:
    so_far = {i: life.so_far for i, life in enumerate(lives)}
    ends = {i: _ends(life) for i, life in enumerate(lives)}
    keys = charts.legend({i: life.name for i, life in enumerate(lives)})
    told = "; ".join(f"{lives[i].name} from {p[0][1]:.1f} to {p[-1][1]:.1f}" for i, p in so_far.items())
    figures = (
        charts.lines(so_far, what="contexts so far, %", describe=told, exams=True, along="contexts learned"),
        charts.lines(
            ends, what="at the end, %", describe="accuracy of each context at the end", exams=True, along="context"
        ),
    )
    drawn = "".join(f"<figure>{figure}</figure>\n" for figure in figures)
    named = "".join(f"<li>{escape(name)}</li>" for name in contexts)
    named = f"<details><summary>Contexts</summary><ul>{named}</ul></details>\n" if named else ""
    return (
        "<section>\n<h2>What is still known</h2>\n<p>On the left the average accuracy of the contexts so far, after "
        "each of them; on the right that of each context after the last.</p>\n"
        f'{keys}\n<div class="pair">{drawn}</div>\n{named}</section>\n'
    )


def _ends(life: Lived) -> list[tuple[float, float]]:
    return [(j + 1.0, 100 * float(share)) for j, share in enumerate(life.matrix[-1])]


def _matrices(lives: Sequence[Lived]) -> str:
    figures = []
    for life in lives:
        drawn = heat(life.matrix, f"{life.name}: accuracy of every context after every context")
        figures.append(f"<figure><figcaption><b>{escape(life.name)}</b></figcaption>{drawn}</figure>\n")
    return (
        "<section>\n<h2>Context by context</h2>\n<p>Each row is after one more context, each column the exam of a "
        f'context, in per cent right.</p>\n<div class="many">{"".join(figures)}</div>\n</section>\n'
    )
