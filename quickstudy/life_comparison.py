"""The page of several lives on one stream: what each method still knows, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from quickstudy import charts, gallery
from quickstudy.life_report import TELLS
from quickstudy.lifelong import History
from quickstudy.report import document, listed, percent

AGAIN = "The page is made of what the folders of the lives hold."


class Lived(NamedTuple):
    """A life that has ended."""

    name: str
    options: str  # in words: those given, and what else was asked of it and not of all
    history: History

    @property
    def end(self) -> float:
        """The average accuracy of all contexts."""
        return float(self.history.measures()["average_accuracy"] or 0.0)

    @property
    def so_far(self) -> list[tuple[float, float]]:
        """(contexts learned, their average accuracy in per cent) after each."""
        shares = self.history.matrix
        return [(float(i), 100 * float(shares[i, :i].mean())) for i in range(1, len(shares))]


def page(
    title: str, lives: Sequence[Lived], *, scenario: str, contexts: Sequence[str], facts: Mapping[str, str]
) -> str:
    """One HTML page. ``contexts``: what each is, in words; ``facts["command"]`` is how to make the page anew."""
    parts = (_headline(title, lives, scenario), _results(lives), _curves(lives, contexts), _matrices(lives))
    return document(title, "".join(parts) + listed(facts, AGAIN), gallery.Sheets())


def best(lives: Sequence[Lived]) -> int:
    """The number of the one that knows most at the end."""
    return max(range(len(lives)), key=lambda i: lives[i].end)


def _headline(title: str, lives: Sequence[Lived], scenario: str) -> str:
    first = lives[best(lives)]
    several = f", the best of {len(lives)} lives" if len(lives) > 1 else ""
    return (
        f"<header>\n<h1>{escape(title)}</h1>\n"
        f'<p class="headline"><strong>{percent(first.end)}</strong></p>\n'
        f'<p class="lead"><b>{escape(first.name)}</b>{several}: right on average over '
        f"{len(first.history.seconds)} contexts, after the last of them was learned.</p>\n"
        f'<p class="note">Contexts arrived one after another, and their data did not come back; {TELLS[scenario]}. '
        "Each row is a single life: how far another seed would be from it is not known here.</p>\n</header>\n"
    )


def _results(lives: Sequence[Lived]) -> str:
    titles = ("life", "options", "accuracy, %", "difference", "forgetting", "state, MB", "examples", "seconds")
    head = "".join(f'<th scope="col">{title}</th>' for title in titles)
    rows = "".join(_row(i, life, lives[best(lives)]) for i, life in enumerate(lives))
    return (
        '<section>\n<h2>Results</h2>\n<div class="scroll" tabindex="0" role="region" aria-label="Results">\n'
        f'<table class="results"><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>\n'
        '<p class="note">Accuracy is of all contexts at the end, difference to the best and forgetting (how far a '
        "context is below its best) are in percentage points; the state is all that was remembered, the examples are "
        "those stored in it.</p>\n</section>\n"
    )


def _row(i: int, life: Lived, first: Lived) -> str:
    lost = life.history.measures()["forgetting"]
    cells = (
        f"{100 * life.end:.2f}",
        "best" if life is first else points(life.end - first.end),
        "–" if lost is None else points(lost),
        f"{life.history.nbytes[-1] / 1e6:,.1f}",
        f"{life.history.examples[-1]:,}",
        f"{sum(life.history.seconds):,.1f}",
    )
    numbers = "".join(f'<td class="number">{cell}</td>' for cell in cells)
    name = f'<th scope="row">{charts.dot(i)} {escape(life.name)}</th>'
    return f"<tr>{name}<td>{escape(life.options)}</td>{numbers}</tr>\n"


def points(share: float) -> str:
    """Percentage points, with a minus sign that is one."""
    return f"{round(100 * share, 2) + 0.0:.2f}".replace("-", "−")


def _curves(lives: Sequence[Lived], contexts: Sequence[str]) -> str:
    so_far = {i: life.so_far for i, life in enumerate(lives)}
    ends = {i: _ends(life) for i, life in enumerate(lives)}
    keys = "".join(f"<li>{charts.key(i)} {escape(life.name)}</li>" for i, life in enumerate(lives))
    told = "; ".join(f"{lives[i].name} from {p[0][1]:.1f} to {p[-1][1]:.1f}" for i, p in so_far.items())
    figures = (
        charts.lines(so_far, what="contexts so far, %", describe=told, exams=True, along="contexts learned"),
        charts.lines(
            ends, what="at the end, %", describe="accuracy of each context at the end", exams=True, along="context"
        ),
    )
    drawn = "".join(f"<figure>{figure}</figure>\n" for figure in figures)
    named = "".join(f"<li>{escape(name)}</li>" for name in contexts)
    return (
        "<section>\n<h2>What is still known</h2>\n<p>On the left the average accuracy of the contexts so far, after "
        "each of them; on the right that of each context after the last.</p>\n"
        f'<ul class="legend">{keys}</ul>\n<div class="pair">{drawn}</div>\n'
        f"<details><summary>Contexts</summary><ul>{named}</ul></details>\n</section>\n"
    )


def _ends(life: Lived) -> list[tuple[float, float]]:
    return [(j + 1.0, 100 * share) for j, share in enumerate(life.history.accuracy[-1])]


def _matrices(lives: Sequence[Lived]) -> str:
    figures = []
    for life in lives:
        shares = life.history.matrix
        columns = [f"{j + 1}" for j in range(shares.shape[1])]
        rows = ["at first", *(f"after {name}" for name in columns)]
        heat = charts.matrix(shares, rows, columns, f"{life.name}: accuracy of every context after every context")
        figures.append(f"<figure><figcaption><b>{escape(life.name)}</b></figcaption>{heat}</figure>\n")
    return (
        "<section>\n<h2>Context by context</h2>\n<p>Each row is after one more context, each column the exam of a "
        f'context, in per cent right.</p>\n<div class="many">{"".join(figures)}</div>\n</section>\n'
    )
