"""Pictures of the report page: each is stored once, in a sheet; a drawn task is windows into its sheet."""

from __future__ import annotations

import base64
import hashlib
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from quickstudy.evaluate import Evaluation, Shown

ROW = 12  # pictures beside each other in a sheet
SIDES = (96, 56)  # pixels that a picture keeps, in sheets of few and of many
FEW = 60
GRID = 16  # cells are whole blocks of a JPEG, so that no picture bleeds into the next


@dataclass(frozen=True)
class Sheet:
    """Where the pictures of one sheet are."""

    name: str
    cell: tuple[int, int]  # height, width
    size: tuple[int, int]  # height, width of a picture in its cell

    def picture(self, i: int, title: str) -> str:
        """The i-th picture, with the words for who cannot see it."""
        top, left = i // ROW * self.cell[0], i % ROW * self.cell[1]
        words = escape(title)
        return (
            f'<svg class="pic" viewBox="{left} {top} {self.size[1]} {self.size[0]}" role="img" aria-label="{words}">'
            f'<title>{words}</title><use href="#{self.name}"/></svg>'
        )


class Sheets:
    """The sheets of a page. Methods that saw the same task share its sheet."""

    def __init__(self) -> None:
        self._images: dict[str, str] = {}

    def add(self, pictures: Sequence[Tensor]) -> Sheet:
        """A sheet of (c, h, w) pictures of one size."""
        arrays = [_small(pixels(picture), SIDES[len(pictures) > FEW]) for picture in pictures]
        height, width = arrays[0].shape[:2]
        cell = (-(-(height + 1) // GRID) * GRID, -(-(width + 1) // GRID) * GRID)
        canvas = _tiled(arrays, cell)
        name = "s" + hashlib.sha256(canvas.tobytes()).hexdigest()[:12]
        if name not in self._images:
            self._images[name] = _image(name, canvas)
        return Sheet(name, cell, (height, width))

    def html(self) -> str:
        """The hidden drawing that holds the picture data; it comes before the first use."""
        images = "".join(self._images.values())
        return f'<svg class="sheets" width="0" height="0" aria-hidden="true"><defs>{images}</defs></svg>'


def pixels(picture: Tensor) -> np.ndarray:
    """(h, w) or (h, w, 3) uint8 from (c, h, w), uint8 or 0..1. One channel: bright ink, comes out dark on white."""
    values = picture.detach().cpu()
    values = values.float() / 255 if values.dtype == torch.uint8 else values.float()
    scaled = (values.nan_to_num().clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    if len(scaled) == 3:
        return np.ascontiguousarray(scaled.transpose(1, 2, 0))
    return 255 - scaled[0]


def tasks(evaluations: Sequence[Evaluation], sheets: Sheets, best: int) -> str:
    """The shown tasks as each method answered them, one at a time to choose from; first what the best one said."""
    drawn, count = _shown(evaluations)
    if not count:
        return ""
    panels = []
    for m in drawn:
        for t, shown in enumerate(evaluations[m].shown[:count]):
            right = int((shown.answers == np.asarray(shown.task.query.y)).sum())
            told = f"<b>{escape(evaluations[m].name)}</b>, task {shown.index}: {right} of {len(shown.answers)} right"
            body = f'<p class="told">{told}</p>{task(shown, sheets)}'
            panels.append(f'<div class="panel p{m}-{t}">{body}</div>\n')
    first = best if best in drawn else drawn[0]
    indices = [str(shown.index) for shown in evaluations[first].shown[:count]]
    methods = _choice("method", "m", {m: evaluations[m].name for m in drawn}, first) if len(drawn) > 1 else ""
    choices = methods + (_choice("task", "t", dict(enumerate(indices)), 0) if count > 1 else "")
    choices = f'<div class="choices">{choices}</div>\n' if choices else ""
    return (
        '<section class="drawn">\n<h2>What it was shown and what it said</h2>\n<p>Each box is a class: first what '
        "the learner was shown of it; then, framed, what it was asked about. "
        '<span class="yes-word">✓ right</span>, <span class="no-word">✗ wrong</span> with the number of the class it '
        f"was taken for.</p>\n{choices}{''.join(panels)}</section>\n"
    )


def _shown(evaluations: Sequence[Evaluation]) -> tuple[list[int], int]:
    """Which evaluations have tasks to draw, and how many tasks all of them have."""
    drawn = [i for i, e in enumerate(evaluations) if e.shown]
    return drawn, min((len(evaluations[i].shown) for i in drawn), default=0)


def _choice(what: str, letter: str, names: Mapping[int, str], chosen: int) -> str:
    options = "".join(
        f'<label><input type="radio" name="{what}" id="{letter}{i}"{" checked" if i == chosen else ""}>'
        f"<span>{escape(name)}</span></label>"
        for i, name in names.items()
    )
    return f"<fieldset><legend>{what}</legend>{options}</fieldset>"


def choosing(evaluations: Sequence[Evaluation]) -> str:
    """Style that shows the chosen panel; a browser that cannot choose shows them all."""
    drawn, count = _shown(evaluations)
    rules = []
    for m in drawn:
        for t in range(count):
            asked = (f":has(#m{m}:checked)" if len(drawn) > 1 else "") + (f":has(#t{t}:checked)" if count > 1 else "")
            rules.append(f".drawn{asked} .p{m}-{t}")
    if not rules:
        return ""
    shown = ",\n".join(rules)
    return f"@supports selector(:has(a)) {{\n.panel {{ display: none }}\n{shown} {{ display: block }}\n}}\n"


def task(shown: Shown, sheets: Sheets) -> str:
    """The classes of a task: what was shown of each, what was asked, and what was answered."""
    support, query = shown.task
    sheet = sheets.add([*support.x, *query.x])
    learned, asked = np.asarray(support.y), np.asarray(query.y)
    several = " several" if len(learned) > len(shown.classes) else ""
    cards = []
    for label, name in enumerate(shown.classes):
        examples = [sheet.picture(int(i), name) for i in np.flatnonzero(learned == label)]
        rows = np.flatnonzero(asked == label)
        answers = [_answer(shown, sheet, int(i), len(support.x)) for i in rows]
        cards.append(
            f'<li class="class"><p class="name" title="{escape(name)}"><b>{label + 1}</b> {escape(name)}</p>'
            f'<div class="row{several}"><div class="support">{"".join(examples)}</div>'
            f'<div class="asked">{"".join(answers)}</div></div>{_said(shown, rows)}</li>'
        )
    photos = " photos" if support.x.shape[1] == 3 else ""
    return f'<ol class="classes{photos}">{"".join(cards)}</ol>'


def _answer(shown: Shown, sheet: Sheet, i: int, offset: int) -> str:
    true, said = int(shown.task.query.y[i]), int(shown.answers[i])
    if said == true:
        return f'<span class="q yes">{sheet.picture(offset + i, "right")}<i aria-hidden="true">✓</i></span>'
    title = f"wrong: taken for {shown.classes[said]}"
    return f'<span class="q no">{sheet.picture(offset + i, title)}<i aria-hidden="true">✗ {said + 1}</i></span>'


def _said(shown: Shown, rows: np.ndarray) -> str:
    """What the wrong answers about one class were, in words."""
    wrong = Counter(int(shown.answers[i]) for i in rows if shown.answers[i] != int(shown.task.query.y[i]))
    told = [
        f"<b>{said + 1}</b>&nbsp;{escape(shown.classes[said])}" + (f" ({count}×)" if count > 1 else "")
        for said, count in wrong.most_common()
    ]
    return f'<p class="said">✗ taken for {", ".join(told)}</p>' if told else ""


def _small(array: np.ndarray, side: int) -> np.ndarray:
    if max(array.shape[:2]) <= side:
        return array
    image = Image.fromarray(array)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _tiled(arrays: Sequence[np.ndarray], cell: tuple[int, int]) -> np.ndarray:
    """The pictures in rows, their edges drawn out to the ends of the cells."""
    margins = [(0, cell[0] - arrays[0].shape[0]), (0, cell[1] - arrays[0].shape[1])]
    margins += [(0, 0)] * (arrays[0].ndim - 2)
    padded = [np.pad(array, margins, mode="edge") for array in arrays]
    padded += [np.full_like(padded[0], 255)] * (-len(padded) % ROW)
    return np.concatenate([np.concatenate(padded[i : i + ROW], axis=1) for i in range(0, len(padded), ROW)])


def _image(name: str, canvas: np.ndarray) -> str:
    """Drawings as PNG, whose pixels stay crisp; photographs as JPEG, a tenth of the size."""
    photo, file = canvas.ndim == 3, io.BytesIO()
    if photo:
        Image.fromarray(canvas).save(file, "JPEG", quality=80, optimize=True)
    else:
        Image.fromarray(canvas).save(file, "PNG", optimize=True)
    data = base64.b64encode(file.getvalue()).decode()
    height, width = canvas.shape[:2]
    kind = "jpeg" if photo else "png"
    crisp = "" if photo else ' class="crisp"'
    return f'<image id="{name}"{crisp} width="{width}" height="{height}" href="data:image/{kind};base64,{data}"/>'
