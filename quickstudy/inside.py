"""Sections of the page that look inside learners: accuracy by instance, a memory's use, attention over the support."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import torch
from torch import Tensor

from quickstudy import charts, tree
from quickstudy.core import Examples, Learner, Task
from quickstudy.instances import Instances
from quickstudy.learners.mann import MANN
from quickstudy.learners.matching import Matching
from quickstudy.learners.meta_networks import MetaNetworks
from quickstudy.learners.snail import SNAIL

ATTENTIVE = (Matching, MetaNetworks, SNAIL)  # have weights over the support
TOUCHED = 0.05  # a weight from which a row counts as used


def by_instance(results: Sequence[Instances], most: int, classes: str = "classes never seen in training") -> str:
    """A chart and a table: how often a class is named rightly when it is met the k-th time; ``classes``: what they are
    to these learners."""
    first = results[0]
    found = [one.estimates(most) for one in results]
    count, length = first.right.shape
    told = "; ".join(
        f"{one.name} from {100 * e[0].mean:.1f} to {100 * e[-1].mean:.1f} %"
        for one, e in zip(results, found, strict=True)
    )
    chart = charts.by_instance(dict(enumerate(found)), 1 / first.labels, f"accuracy by instance: {told}")
    keys = charts.legend({i: one.name for i, one in enumerate(results)})
    head = "".join(f'<th scope="col">{charts.dot(i)} {escape(one.name)}</th>' for i, one in enumerate(results))
    rows = "".join(
        f'<tr><th scope="row">{k}</th>{"".join(map(_number, each))}</tr>'
        for k, each in enumerate(zip(*found, strict=True), 1)
    )
    return (
        "<section>\n<h2>Accuracy by instance</h2>\n<p>How often a class is named rightly when it is met the first "
        f"time, the second, and so on: mean and 95 % interval over {count:,} streams of {length} examples of "
        f"{first.way} {classes}. Each example is named before its label is told; the class of each step is "
        f"drawn independently of the steps before.</p>\n{keys}\n"
        f'<div class="pair"><figure>{chart}</figure>\n<div class="scroll" tabindex="0" role="region" '
        'aria-label="Accuracy by instance"><table class="instances"><thead><tr><th scope="col">instance</th>'
        f"{head}</tr></thead>\n<tbody>{rows}</tbody></table></div></div>\n</section>\n"
    )


def section(learner: Learner, stream: Examples, way: int, name: str) -> str:
    """What the learner does along a stream, for learners that can be looked into; else nothing. Attention is that of
    the later half over the first."""
    if isinstance(learner, MANN):
        return memory(learner, stream, way, name)
    if isinstance(learner, ATTENTIVE) and len(stream.y) > 1:
        half = len(stream.y) // 2
        parts = (tree.index(stream, part) for part in (slice(half), slice(half, None)))
        return attention(learner, Task(*parts), way, name)
    return ""


def memory(learner: MANN, stream: Examples, way: int, name: str) -> str:
    """Where a net with a memory wrote and read at every step of one stream, and how used each row then was."""
    with torch.no_grad():
        done = learner.accesses(stream, way)
    classes = stream.y.tolist()
    write, read = (weights.amax(1).mT.cpu().numpy() for weights in (done.write, done.read))  # (rows, n) over the heads
    usage = done.usage.mT.cpu().numpy()
    rows = used(write, read)
    parts = [
        ("write weights", write[:rows], "where it wrote"),
        ("read weights", read[:rows], "where it read"),
        ("usage", usage[:rows] / max(float(usage.max()), 1e-9), "how lately each row was used"),
    ]
    figures = "".join(
        f"<figure><figcaption><b>{what}</b><br>{words}</figcaption>"
        f"{_steps(values, classes, f'{what} of {name} by row and step')}</figure>\n"
        for what, values, words in parts
    )
    return (
        f"<section>\n<h2>Inside the memory of {escape(name)}</h2>\n<p>One stream: a column is a step, with the number "
        "of its class below; a row is a place of the memory; the stronger the colour, the more it was used, by that of "
        "its heads which used it most. An example's label is told with the next example. "
        f"Shown are the {rows} of {len(write)} places that were used.</p>\n"
        f'<div class="pair">{figures}</div>\n</section>\n'
    )


def attention(learner: Any, task: Task, way: int, name: str) -> str:
    """How much each query looks at each example of the support, both in the order of their classes."""
    support, query = (_sorted(examples) for examples in task)
    with torch.no_grad():
        state = learner.adapt(learner.init(way), support)
        found = learner.attention(state, query.x)
    layers = found if isinstance(found, list) else [found]
    figures = "".join(f"<figure>{_over(weights[:, : len(support.y)], support, name)}</figure>" for weights in layers)
    return (
        f"<section>\n<h2>Where {escape(name)} looks</h2>\n<p>The attention of one task: a row is a query, a column an "
        "example of the support, with the number of its class below. Both are in the order of their classes: what lies "
        f'on the diagonal of blocks is right.</p>\n<div class="pair">{figures}</div>\n</section>\n'
    )


def _over(weights: Tensor, support: Examples, name: str) -> str:
    classes, describe = support.y.tolist(), f"attention of {name}: each query over the support"
    return charts.heatmap(weights.cpu().numpy(), xlabel="support", ylabel="query", classes=classes, describe=describe)


def used(*weights: np.ndarray) -> int:
    """How many rows there are up to the last one that was used."""
    touched = np.flatnonzero(np.maximum.reduce(list(weights)).max(1) > TOUCHED)
    return int(touched[-1]) + 1 if touched.size else 1


def _steps(values: np.ndarray, classes: Sequence[int], describe: str) -> str:
    return charts.heatmap(values, xlabel="step", ylabel="row of the memory", classes=classes, describe=describe)


def _sorted(examples: Examples) -> Examples:
    order = examples.y.argsort(stable=True)
    return Examples(examples.x[order], examples.y[order])


def _number(found: tuple[float, float]) -> str:
    mean, half = (100 * value for value in found)
    return f'<td class="number">{mean:.1f} ± {half:.1f}</td>' if mean == mean else "<td>–</td>"
