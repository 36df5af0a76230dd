"""The report page: what was measured, drawn and explained, in one file that loads nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor

from quickstudy import charts, files, gallery, metrics
from quickstudy.evaluate import Evaluation, compare

PAIRS = 10  # hardest pairs of classes that are shown
FEWEST = 20  # questions in which a pair met, below which its rate says little
ENOUGH = 20  # tasks from which a histogram says something

Curve = list[dict[str, float]]
Pictures = Callable[[str], Tensor | None]


def page(
    title: str,
    evaluations: Sequence[Evaluation],
    *,
    facts: Mapping[str, str],
    curves: Mapping[str, Curve] | None = None,
    pictures: Pictures | None = None,
    classes: str = "classes never seen in training",
    sections: Sequence[str] = (),
    mapped: Callable[[gallery.Sheets], str] | None = None,
) -> str:
    """One HTML page about one learner, or several on the same tasks; ``sections`` are further ones, as HTML; ``mapped``
    makes one from the page's sheets of pictures.

    ``facts`` are listed as they are; ``facts["command"]`` is how to reproduce the page. ``pictures(class)`` gives a
    (c, h, w) example for the hardest pairs; ``classes``: what the tasks' classes are to these learners.
    """
    sheets = gallery.Sheets()
    body = "".join(
        (
            _headline(title, evaluations, classes, bool(sections)),
            _results(evaluations),
            gallery.tasks(evaluations, sheets, _best(evaluations)) if evaluations else "",
            mapped(sheets) if mapped else "",
            "".join(sections),
            _curves(curves or {}, [e.name for e in evaluations]),
            _pairs(evaluations, pictures, sheets),
            _calibration(evaluations),
            _spread(evaluations),
            listed(facts),
        )
    )
    return document(title, body, sheets, gallery.choosing(evaluations))


def document(title: str, body: str, sheets: gallery.Sheets, more_style: str = "") -> str:
    """The whole of a page around its sections."""
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n<title>{escape(title)}</title>\n'
        f"<style>\n{style}{more_style}</style>\n</head>\n<body>\n{sheets.html()}<main>\n{body}</main>\n</body>\n</html>\n"
    )


def save(path: Path, html: str) -> None:
    """Writes the page. Raises FileProblem where there is no room or no permission."""
    files.write(path, html)


class Pair(NamedTuple):
    """Two classes, how often each was asked with the other among the choices, and how often it was taken for it."""

    first: str
    second: str
    first_wrong: int
    second_wrong: int
    asked: int

    @property
    def rate(self) -> float:
        return (self.first_wrong + self.second_wrong) / (2 * self.asked)

    @property
    def surely(self) -> float:
        """The lower end of the rate's 95 % interval (Wilson, 1927): few questions do not make a pair the hardest."""
        n, z = 2 * self.asked, 1.96
        spread = z * math.sqrt(self.rate * (1 - self.rate) / n + (z / (2 * n)) ** 2)
        return (self.rate + z**2 / (2 * n) - spread) / (1 + z**2 / n)


def hardest(evaluation: Evaluation) -> list[Pair]:
    """The pairs of classes most surely confused, of those that met often enough."""
    pairs = []
    for a, b in sorted({(min(pair), max(pair)) for pair in evaluation.mistakes}):
        asked = max(evaluation.meetings[a, b], evaluation.meetings[b, a])
        if a != b and 2 * asked >= FEWEST:
            ab, ba = evaluation.mistakes[a, b], evaluation.mistakes[b, a]
            pairs.append(Pair(a, b, ab, ba, asked) if ab >= ba else Pair(b, a, ba, ab, asked))
    return sorted(pairs, key=lambda pair: -pair.surely)[:PAIRS]


def percent(value: float, places: int = 1) -> str:
    """A share in percent, as in 94.1 %."""
    return f"{100 * value:.{places}f}\u202f%"


def interval(value: metrics.Estimate, places: int = 2) -> str:
    """Percent with its interval, as in 94.13 ± 0.58."""
    half = f"{100 * value.interval95:.{places}f}" if math.isfinite(value.interval95) else "unknown"
    mean = round(100 * value.mean, places) + 0.0  # no minus before a zero
    return f"{mean:.{places}f} ± {half}".replace("-", "−")


def _best(evaluations: Sequence[Evaluation]) -> int:
    return max(range(len(evaluations)), key=lambda i: evaluations[i].estimate.mean)


def _headline(title: str, evaluations: Sequence[Evaluation], classes: str, more: bool) -> str:
    head = f"<header>\n<h1>{escape(title)}</h1>\n"
    if not evaluations:
        return f"{head}{'' if more else '<p>Nothing was evaluated.</p>'}</header>\n"
    best = evaluations[_best(evaluations)]
    mean, half = best.estimate
    sure = f" <span>± {100 * half:.1f}</span>" if math.isfinite(half) else ""
    several = f", the best of {len(evaluations)} methods," if len(evaluations) > 1 else ""
    tasks, asked = best.right.shape
    basis = f"Mean and 95 % interval over {tasks:,} tasks of {asked:,} questions each."
    basis = basis if tasks > 1 else f"One task of {asked:,} questions: how far others differ from it is unknown."
    return (
        f'{head}<p class="headline"><strong>{percent(mean)}</strong>{sure}</p>\n'
        f'<p class="lead"><b>{escape(best.name)}</b>{several} on {best.way}-way {best.shot}-shot tasks of {classes}. '
        f"Guessing would be right {percent(1 / best.way)} of the time.</p>\n"
        f'<p class="note">{basis} In a task, the learner is shown {_plural(best.shot, "example")} of each of '
        f"{best.way} classes, then asked which class other examples belong to.</p>\n</header>\n"
    )


def _results(evaluations: Sequence[Evaluation]) -> str:
    if not evaluations:
        return ""
    best, span = _best(evaluations), charts.scale([e.estimate for e in evaluations])
    several = len(evaluations) > 1
    difference = f'<th scope="col">difference to {escape(evaluations[best].name)}<sup>3</sup></th>' if several else ""
    rows = "".join(_row(i, e, evaluations[best], span, several) for i, e in enumerate(evaluations))
    notes = (
        "<br><sup>3</sup> In percentage points on the same tasks, task by task, with its 95 % interval. Where the "
        "interval includes 0, these tasks do not tell the two apart."
    )
    ends = "".join(f"<span>{100 * end:.0f}</span>" for end in span)
    return (
        '<section>\n<h2>Results</h2>\n<div class="scroll" tabindex="0" role="region" aria-label="Results">\n'
        '<table class="results"><thead><tr><th scope="col">method</th><th scope="col">accuracy, %</th>'
        f'<th scope="col" class="ends">{ends}</th>{difference}'
        '<th scope="col">trans&shy;ductive<sup>1</sup></th><th scope="col">calibration error<sup>2</sup></th>'
        f'<th scope="col">seconds</th></tr></thead>\n<tbody>{rows}</tbody></table></div>\n'
        '<p class="note"><sup>1</sup> A transductive method answers a query with the other queries of its task in '
        "view, for instance by batch statistics. That often helps; compare such a figure with others of its kind only."
        "<br><sup>2</sup> Expected calibration error: how far stated confidence is from the share right, on average, "
        f"in percentage points.{notes if several else ''}</p>\n</section>\n"
    )


def _row(i: int, e: Evaluation, best: Evaluation, span: tuple[float, float], several: bool) -> str:
    difference = f"<td>{_difference(e, best)}</td>" if several else ""
    return (
        f'<tr><th scope="row">{charts.dot(i)} {escape(e.name)}</th><td class="number">{interval(e.estimate)}</td>'
        f"<td>{charts.whisker(e.estimate, span, i, 1 / e.way)}</td>{difference}"
        f'<td>{"yes" if e.transductive else "no"}</td><td class="number">{100 * e.calibration_error:.1f}</td>'
        f'<td class="number">{e.seconds:,.1f}</td></tr>\n'
    )


def _difference(e: Evaluation, best: Evaluation) -> str:
    """The paired difference in words, where there is one."""
    if e is best:
        return "best"
    try:
        value = compare(e, best)
    except ValueError:
        return "other tasks"
    told = f'<span class="number">{interval(value)}</span>'
    if not math.isfinite(value.interval95):
        return told
    return told + (' <span class="tag">includes 0</span>' if abs(value.mean) <= value.interval95 else "")


def _curves(curves: Mapping[str, Curve], names: Sequence[str]) -> str:
    order = list(dict.fromkeys([*names, *curves]))
    figures = []
    for field, what, factor in (("loss", "training loss", 1), ("score", "validation accuracy, %", 100)):
        series = {order.index(name): _points(curve, field, factor) for name, curve in curves.items()}
        series = {i: points for i, points in series.items() if points}
        if series:
            told = "; ".join(f"{order[i]} from {p[0][1]:.3g} to {p[-1][1]:.3g}" for i, p in series.items())
            chart = charts.lines(series, what=what, describe=f"{what} by step: {told}", exams=field == "score")
            figures.append(f"<figure>{chart}</figure>\n")
    if not figures:
        return ""
    legend = charts.legend({order.index(name): name for name in curves}) + "\n"
    return f'<section>\n<h2>Learning</h2>\n{legend}<div class="pair">{"".join(figures)}</div>\n</section>\n'


def _points(curve: Curve, field: str, factor: float) -> list[tuple[float, float]]:
    return [(p["step"], factor * p[field]) for p in curve if math.isfinite(p.get(field, math.nan))]


def _pairs(evaluations: Sequence[Evaluation], pictures: Pictures | None, sheets: gallery.Sheets) -> str:
    if not evaluations:
        return ""
    best = evaluations[_best(evaluations)]
    pairs, examples = hardest(best), _examples(best)
    if not pairs:
        return ""
    items = []
    for pair in pairs:
        drawn = []
        for name in pair[:2]:
            example = pictures(name) if pictures else None
            example = examples.get(name) if example is None else example
            missing = '<span class="pic none"></span>'
            drawn.append(missing if example is None else sheets.add([example]).picture(0, name))
        items.append(_pair(pair, drawn))
    return (
        f"<section>\n<h2>Hardest pairs</h2>\n<p>Classes that {escape(best.name)} took for each other most often, of "
        f"those that were among the choices together in at least {FEWEST} questions.</p>\n"
        f'<ol class="pairs">{"".join(items)}</ol>\n</section>\n'
    )


def _pair(pair: Pair, drawn: Sequence[str]) -> str:
    first, second = escape(pair.first), escape(pair.second)
    rate = f"<b>{percent(pair.rate, 0)}</b> of {2 * pair.asked:,} questions"
    return (
        f'<li>{drawn[0]}{drawn[1]}<div><p class="rate">{rate}</p>'
        f"<p><b>{first}</b> taken for <b>{second}</b> <span>{pair.first_wrong:,} of {pair.asked:,} times</span></p>"
        f"<p>the other way round <span>{pair.second_wrong:,} of {pair.asked:,} times</span></p></div></li>\n"
    )


def _examples(evaluation: Evaluation) -> dict[str, Tensor]:
    """A picture of every class in the shown tasks."""
    return {
        shown.classes[label]: x
        for shown in evaluation.shown
        for x, label in zip(shown.task.support.x, np.asarray(shown.task.support.y), strict=True)
        if label >= 0
    }


def _calibration(evaluations: Sequence[Evaluation]) -> str:
    if not evaluations:
        return ""
    figures = "".join(
        f"<figure><figcaption><b>{escape(e.name)}</b><br>calibration error {percent(e.calibration_error)}</figcaption>"
        f"{charts.reliability(e.confidence, e.right, i, e.name)}{_bins(e)}</figure>\n"
        for i, e in enumerate(evaluations)
    )
    return (
        "<section>\n<h2>Does it know when it is wrong?</h2>\n<p>Answers sorted by how sure the learner was. On the "
        "dashed line, 80 % sure means right 80 % of the time; below the line it is too sure of itself. The grey bars "
        f'show how many answers there are.</p>\n<div class="many">{figures}</div>\n</section>\n'
    )


def _bins(e: Evaluation) -> str:
    """The reliability diagram in numbers."""
    rows = "".join(
        f"<tr><td>{100 * mean:.1f}</td><td>{100 * share:.1f}</td><td>{count:,}</td></tr>"
        for mean, share, count in zip(*metrics.reliability(e.confidence, e.right, bins=charts.BINS), strict=True)
        if count
    )
    head = "<tr><th>sure, %</th><th>right, %</th><th>answers</th></tr>"
    table = f'<table class="bins"><thead>{head}</thead><tbody>{rows}</tbody></table>'
    return f"<details><summary>Numbers</summary>{table}</details>"


def _spread(evaluations: Sequence[Evaluation]) -> str:
    if not evaluations or min(len(e.right) for e in evaluations) < ENOUGH:
        return ""
    totals = [e.right.sum(axis=1) for e in evaluations]
    shares = [total / e.right.shape[1] for total, e in zip(totals, evaluations, strict=True)]
    low, high = min(share.min() for share in shares), max(share.max() for share in shares)
    figures = []
    for i, (e, total) in enumerate(zip(evaluations, totals, strict=True)):
        asked = e.right.shape[1]
        chart = charts.histogram(total, asked, (math.floor(low * asked), math.ceil(high * asked)), i, e.name)
        figures.append(f"<figure><figcaption><b>{escape(e.name)}</b></figcaption>{chart}</figure>\n")
    return (
        "<section>\n<h2>Task by task</h2>\n<p>Some draws of classes are harder than others: the accuracy of every "
        f'single task.</p>\n<div class="many">{"".join(figures)}</div>\n</section>\n'
    )


def listed(
    facts: Mapping[str, str],
    again: str = "Tasks are numbered: the same command draws the same tasks on every machine.",
) -> str:
    """The setting, and the command that makes the page anew, with what it makes ``again``."""
    plain = {name: value for name, value in facts.items() if name != "command"}
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>\n" for name, value in plain.items())
    section = f'<section>\n<h2>Setting</h2>\n<dl class="facts">\n{items}</dl>\n</section>\n' if items else ""
    if "command" not in facts:
        return section
    return (
        f"{section}<section>\n<h2>Reproduce it</h2>\n<p>{escape(again)}</p>\n"
        f'<pre tabindex="0"><code>{escape(facts["command"])}</code></pre>\n</section>\n'
    )


def _plural(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")
