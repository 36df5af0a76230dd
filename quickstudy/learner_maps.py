"""Maps of learners: an episode in the embedding, and how the map moves as a lifelong learner goes on.

Both are of principal components: they are linear, so that the mean of a class lies at the mean of its points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from quickstudy import charts, gallery
from quickstudy.core import Learner
from quickstudy.embedding import embedding
from quickstudy.evaluate import Shown
from quickstudy.files import FileProblem
from quickstudy.learners.stepwise import Stepwise
from quickstudy.maps import colours
from quickstudy.storage import read_json, write_json
from quickstudy.tasks import Stream

WIDE, TALL = 720, 520  # of the picture of an episode
SIDE = 26  # of a thumbnail in it
EACH = 300  # questions of a life's exams whose places are kept
PANEL = 220


class Plane(NamedTuple):
    """Places of examples, and the share of their variance that the plane has."""

    places: np.ndarray  # (n, 2)
    share: float


def principal(features: np.ndarray) -> Plane:
    """The plane in which (n, d) features vary most."""
    centred = features - features.mean(0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    places = np.zeros((len(features), 2))
    places[:, : len(sizes[:2])] = (left * sizes)[:, :2]
    total = float((sizes**2).sum())
    return Plane(places, float((sizes[:2] ** 2).sum()) / total if total else 1.0)


def aligned(places: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Places (n, 2), turned and mirrored onto those before as nearly as may be (Schönemann, 1966)."""
    left, _, right = np.linalg.svd(places.T @ before)
    return places @ left @ right


def seen(learner: Learner, x: Tensor, state: Any = None) -> np.ndarray:
    """(n, d) features of x by the learner's embedding, with the weights that ``state`` has of it, if any.

    Raises ValueError for a learner without an embedding.
    """
    net = embedding(learner)
    weights = {} if state is None or not isinstance(learner, Stepwise) else learner.weights(state)
    own = {name.removeprefix("net."): w for name, w in weights.items() if name.startswith("net.")}
    pictures = x.float() / 255 if x.dtype == torch.uint8 else x
    with torch.no_grad():
        found = functional_call(net, own, (pictures,))
    return found.flatten(1).double().cpu().numpy()


def episode(learner: Learner, shown: Shown, sheets: gallery.Sheets, name: str) -> str:
    """A section: the support, the queries and the means of the classes of one task, in the embedding, as it is after
    adapting to the support; nothing for a learner without one."""
    state = None
    if isinstance(learner, Stepwise):
        state = learner.adapt(learner.init(len(shown.classes)), shown.task.support)
    try:
        plane = principal(np.concatenate([seen(learner, part.x, state) for part in shown.task]))
    except ValueError:
        return ""
    when = "" if state is None else ", after adapting to the support"
    keys = "".join(f"<li>{_key(label)} {label + 1} {escape(one)}</li>" for label, one in enumerate(shown.classes))
    return (
        f"<section>\n<h2>An episode as {escape(name)} sees it</h2>\n<p>Task {shown.index} in the embedding{when}: "
        "pictures lie close where their features are alike. Broad frames are what was shown of each class, narrow ones "
        "what was asked, in the colour of the class; a numbered disc is the mean of what was shown of a class, its "
        "prototype. A dashed line leads from a query that was answered wrongly to the class it was taken for. "
        f"The plane has {100 * plane.share:.0f} % of the variance: what lies together here may lie apart in the other "
        f"directions.</p>\n<figure>{_drawn(shown, plane.places, sheets, name)}</figure>\n"
        f'<ul class="legend">{keys}</ul>\n</section>\n'
    )


def _drawn(shown: Shown, places: np.ndarray, sheets: gallery.Sheets, name: str) -> str:
    """The picture: what was asked, over it what was shown, over that the means."""
    learned, asked = (np.asarray(part.y) for part in shown.task)
    known, questions = places[: len(learned)], places[len(learned) :]
    means = np.stack([known[learned == label].mean(0) for label in range(len(shown.classes))])
    sheet, axes = sheets.add([*shown.task.support.x, *shown.task.query.x]), _square(places)
    parts = _misses(axes, questions, means, asked, shown.answers)
    parts += [_thumb(axes, sheet, len(known) + i, at, int(asked[i]), 1.2) for i, at in enumerate(questions)]
    parts += [_thumb(axes, sheet, i, at, int(learned[i]), 3.5) for i, at in enumerate(known)]
    parts += [_mean(axes, at, label, int((learned == label).sum())) for label, at in enumerate(means)]
    right = int((shown.answers == asked).sum())
    return axes.svg(f"Task {shown.index} in the embedding of {name}: {right} of {len(asked)} queries right", *parts)


def _square(places: np.ndarray, *, width: int = WIDE, height: int = TALL, margin: int = SIDE) -> charts.Axes:
    """A frame around the places in which a unit is as long upwards as it is across."""
    middle, half = (places.max(0) + places.min(0)) / 2, np.maximum(np.ptp(places, axis=0) / 2, 1e-9)
    unit = max(half[0] / (width - 2 * margin), half[1] / (height - 2 * margin))
    across, up = unit * (width - 2 * margin), unit * (height - 2 * margin)
    x, y = (middle[0] - across, middle[0] + across), (middle[1] - up, middle[1] + up)
    return charts.Axes(x, y, width, height, left=margin, right=margin, top=margin, bottom=margin)


def _thumb(axes: charts.Axes, sheet: gallery.Sheet, i: int, at: np.ndarray, label: int, frame: float) -> str:
    """A picture in a frame of its class's colour."""
    x, y = axes.across(at[0]) - SIDE / 2, axes.up(at[1]) - SIDE / 2
    box = f'x="{x:.1f}" y="{y:.1f}" width="{SIDE}" height="{SIDE}"'
    drawn = sheet.picture(i, f"class {label + 1}").replace('<svg class="pic"', f"<svg {box}", 1)
    return f'{drawn}<rect {box} fill="none" stroke="{colours.category(label)}" stroke-width="{frame}"/>'


def _mean(axes: charts.Axes, at: np.ndarray, label: int, shots: int) -> str:
    """A numbered disc; of one example at the corner of its picture, which it would cover."""
    beside = SIDE / 2 if shots == 1 else 0
    x, y = axes.across(at[0]) - beside, axes.up(at[1]) - beside
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="10" fill="{colours.category(label)}" stroke="var(--ground)" '
        f'stroke-width="2"/><text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle" style="fill:#fff;font-weight:700">'
        f"{label + 1}</text>"
    )


def _misses(
    axes: charts.Axes, questions: np.ndarray, means: np.ndarray, asked: np.ndarray, answers: np.ndarray
) -> list[str]:
    """Lines from queries to the classes they were wrongly taken for."""
    return [
        f'<path class="axis" d="M{axes.across(questions[i, 0]):.1f} {axes.up(questions[i, 1]):.1f}'
        f'L{axes.across(means[said, 0]):.1f} {axes.up(means[said, 1]):.1f}" stroke-dasharray="3 3"/>'
        for i, said in enumerate(answers)
        if said != asked[i]
    ]


class Watched:
    """Where some questions of all contexts lie in a learner's embedding, after every context of its life: kept in a
    file of the life's folder, so that a life that was killed goes on with it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, learner: Learner, stream: Stream, number: int, state: Any) -> None:
        """Keeps the places after ``number`` contexts, turned onto those before; nothing of a learner without an
        embedding."""
        kept = {after: plane for after, plane in self.kept()[1].items() if after < number}
        x, context = questions(stream)
        try:
            places, share = principal(seen(learner, x, state))
        except ValueError:
            return
        if kept:
            places = aligned(places, kept[max(kept)].places)
        planes = kept | {number: Plane(np.round(places, 4), share)}
        told = [{"after": after, "share": one.share, "places": one.places.tolist()} for after, one in planes.items()]
        write_json(self.path, {"context": context, "planes": told})

    def kept(self) -> tuple[np.ndarray, dict[int, Plane]]:
        """(n,) the contexts of the questions, and the planes by the number of contexts before them. Raises FileProblem
        where the file is damaged."""
        if not self.path.exists():
            return np.zeros(0, dtype=int), {}
        held = read_json(self.path)
        try:
            context = np.array(held["context"], dtype=int)
            return context, {int(one["after"]): _plane(one, len(context)) for one in held["planes"]}
        except (KeyError, TypeError, ValueError) as error:
            raise FileProblem(
                f"{self.path} is damaged ({error!r}); delete it, and the map begins where the life goes on"
            ) from error


def _plane(told: Mapping[str, Any], examples: int) -> Plane:
    """Raises KeyError, TypeError or ValueError for what is none of so many examples."""
    places = np.array(told["places"], dtype=float).reshape(examples, 2)
    if not np.isfinite(places).all():
        raise ValueError("places that are no numbers")
    return Plane(places, float(told["share"]))


def questions(stream: Stream) -> tuple[Tensor, list[int]]:
    """Some questions of every context's exam, as many of each, and the context of each."""
    each = max(1, EACH // len(stream))
    parts = []
    for number in range(len(stream)):
        exam = stream.exam(number)
        rows = torch.linspace(0, len(exam.y) - 1, min(each, len(exam.y))).long()
        parts.append(exam.x[rows])
    return torch.cat(parts), [number for number, part in enumerate(parts) for _ in part]


def life(watched: Watched, contexts: Sequence[str]) -> str:
    """A section of small multiples: a panel after each context; nothing where nothing was kept. ``contexts``: what each
    is, in words."""
    context, planes = watched.kept()
    if not planes:
        return ""
    figures = "".join(_panel(places, context, after, share) for after, (places, share) in planes.items())
    keys = "".join(f"<li>{_key(number)} {escape(name)}</li>" for number, name in enumerate(contexts))
    return (
        "<section>\n<h2>How the map moves</h2>\n<p>The same questions of all contexts in the learner's embedding, at "
        "first and after each context, in the plane in which they vary most then, turned onto the one before. Contexts "
        "that have not come yet are pale. Where a context's points run into those of others after it was learned, "
        "what told them apart was lost.</p>\n"
        f'<ul class="legend">{keys}</ul>\n<div class="panels">{figures}</div>\n</section>\n'
    )


def _key(number: int) -> str:
    disc = f'<circle cx="5" cy="5" r="5" fill="{colours.category(number)}"/>'
    return f'<svg class="dot" viewBox="0 0 10 10" aria-hidden="true">{disc}</svg>'


def _panel(places: np.ndarray, context: np.ndarray, learned: int, share: float) -> str:
    """The plane after so many contexts."""
    axes = _square(places, width=PANEL, height=PANEL, margin=8)
    told = f"after context {learned}" if learned else "at first"
    order: Sequence[int] = np.argsort(context < learned, kind="stable").tolist()  # what is pale lies below
    dots = "".join(
        f'<circle cx="{axes.across(places[i, 0]):.1f}" cy="{axes.up(places[i, 1]):.1f}" r="2.6" '
        f'fill="{colours.category(int(context[i]))}" fill-opacity="{0.85 if context[i] < learned else 0.18}"/>'
        for i in order
    )
    caption = f"<figcaption><b>{told}</b>, {100 * share:.0f} % of the variance</figcaption>"
    return f"<figure>{caption}{axes.svg(f'questions of all contexts in the embedding {told}', dots)}</figure>\n"
