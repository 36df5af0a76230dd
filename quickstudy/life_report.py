"""The page of a life: what is still known of every context, what was paid for it, and what the generator draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from torch import Tensor

from quickstudy import charts, gallery
from quickstudy.lifelong import History
from quickstudy.report import document, listed, percent

WORDS = {
    "average_accuracy": "average accuracy of all contexts at the end",
    "learning_accuracy": "accuracy of each context right after it, on average",
    "forgetting": "forgetting: how far a context is below its best",
    "backward_transfer": "backward transfer: what later contexts added to earlier ones",
    "forward_transfer": "forward transfer: what earlier contexts added before a context came",
}
AGAIN = "The seed decides everything that is drawn: on the same kind of machine, the same bits."
TELLS = {
    "task": "whoever asks says of which context a question is",
    "domain": "the contexts share their labels, and nobody says of which a question is",
    "class": "the answer is one of all classes so far, and nobody says of which context a question is",
}


def page(
    title: str,
    history: History,
    *,
    scenario: str,
    contexts: Sequence[str],
    facts: Mapping[str, str],
    samples: Tensor | None = None,
    sections: Sequence[str] = (),
) -> str:
    """One HTML page. ``contexts``: what each is, in words; ``samples`` (n, c, h, w): what a generator draws of its
    past; ``facts["command"]`` is how to make the page anew; ``sections`` are further ones, as HTML."""
    sheets = gallery.Sheets()
    parts = (
        _headline(title, history, scenario),
        _matrix(history, contexts),
        *sections,
        _measures(history),
        _drawn(samples, sheets),
    )
    return document(title, "".join(parts) + listed(facts, AGAIN), sheets)


def _headline(title: str, history: History, scenario: str) -> str:
    found = history.measures()
    mean, contexts = found["average_accuracy"] or 0.0, len(history.seconds)
    lost = found["forgetting"]
    told = "" if lost is None else f" A context is {100 * lost:.1f} points below its best by then, on average."
    return (
        f"<header>\n<h1>{escape(title)}</h1>\n"
        f'<p class="headline"><strong>{percent(mean)}</strong></p>\n'
        f'<p class="lead">right on average over {contexts} contexts, after the last of them was learned.{told}</p>\n'
        f'<p class="note">Contexts arrived one after another, and their data did not come back; {TELLS[scenario]}.'
        "</p>\n</header>\n"
    )


def _matrix(history: History, contexts: Sequence[str]) -> str:
    shares = history.matrix
    drawn = heat(shares, "Accuracy of every context after every context")
    series = {j: [(float(i), 100 * shares[i, j]) for i in range(j + 1, len(shares))] for j in range(len(contexts))}
    told = "; ".join(f"context {j + 1} from {p[0][1]:.1f} to {p[-1][1]:.1f}" for j, p in series.items())
    chart = charts.lines(
        series, what="accuracy, %", describe=f"accuracy by context: {told}", exams=True, along="contexts learned"
    )
    keys = charts.legend(dict(enumerate(contexts)))
    return (
        "<section>\n<h2>What is still known</h2>\n<p>Each row is after one more context, each column the exam of a "
        'context, in per cent right.</p>\n<div class="pair">'
        f"<figure>{drawn}</figure>\n<figure>{chart}{keys}</figure></div>\n</section>\n"
    )


def heat(shares: np.ndarray, describe: str) -> str:
    """The accuracy matrix (contexts + 1, contexts)."""
    columns = [f"{j + 1}" for j in range(shares.shape[1])]
    return charts.matrix(shares, ["at first", *(f"after {name}" for name in columns)], columns, describe)


def _measures(history: History) -> str:
    found = history.measures()
    rows = {words: _points(found[name]) for name, words in WORDS.items()}
    rows["state, in bytes"] = f"{history.nbytes[-1]:,}"
    rows["examples in the state"] = f"{history.examples[-1]:,}"
    rows["seconds of learning"] = f"{sum(history.seconds):,.1f}"
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>\n" for name, value in rows.items())
    told = f'<dl class="facts measures">\n{items}</dl>\n'
    return f"<section>\n<h2>What it is worth, and what it costs</h2>\n{told}</section>\n"


def _points(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f} %".replace("-", "−")


def _drawn(samples: Tensor | None, sheets: gallery.Sheets) -> str:
    if samples is None:
        return ""
    sheet = sheets.add(list(samples))
    drawn = "".join(sheet.picture(i, f"sample {i + 1}") for i in range(len(samples)))
    return (
        "<section>\n<h2>What the generator draws</h2>\n<p>Samples of everything so far, from which the past is learned "
        f'again with the next context.</p>\n<div class="asked">{drawn}</div>\n</section>\n'
    )
