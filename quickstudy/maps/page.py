"""The map page: one HTML file with its data, pictures, style and code, which loads nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from quickstudy import files
from quickstudy.maps import colours
from quickstudy.maps.picture import Picture
from quickstudy.maps.sheets import Sheets, sheets

PARTS = ("data", "colour", "space", "view", "scene", "gl", "flat", "words", "chosen", "sift", "hands", "main")


def page(picture: Picture, *, grid: bool = False, seed: int = 0) -> str:
    """The map as one HTML page, which begins with the ``grid`` where that is asked for and there.

    Points are drawn in an order that comes from ``seed``, so that no category lies on top of all others; the page knows
    the row of each.
    """
    order = np.random.Generator(np.random.Philox(seed)).permutation(len(picture))
    drawn = None if picture.thumbnails is None else sheets(picture.thumbnails[order])
    style, code = _text("page.css"), "\n".join(_text(f"{part}.js") for part in PARTS)
    filled = {
        "TITLE": escape(picture.title.encode("utf-8", "replace").decode()),
        "POLICY": _policy(style, code),
        "STYLE": style,
        "GIVEN": _json(_given(picture, order, drawn) | {"grid": grid and picture.cells is not None}),
        "SHEETS": _sheets(drawn),
        "CODE": code,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: filled[match[1]], _text("page.html"))


def save(path: Path | str, picture: Picture, *, grid: bool = False) -> None:
    """Writes the page. Raises FileProblem where there is no room or no permission."""
    files.write(Path(path), page(picture, grid=grid))


def _text(name: str) -> str:
    return (resources.files("quickstudy.maps") / "web" / name).read_text(encoding="utf-8")


def _policy(style: str, code: str) -> str:
    """What a browser lets the page do: this style, this code and the pictures inside it; nothing from anywhere else."""
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, code)]
    return (
        f"default-src 'none'; style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[1]}'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _given(picture: Picture, order: np.ndarray, drawn: Sheets | None) -> dict[str, Any]:
    """Everything but the sheets, as plain values; arrays in base64, little endian."""
    names = picture.names()
    cells = None if picture.cells is None else _base64(picture.cells[order].astype("<u2"))
    return {
        "count": len(picture),
        "title": picture.title,
        "quality": list(picture.quality),
        "rows": _base64(order.astype("<u4")),
        "points": _base64(picture.points[order].astype("<f4")),
        "cells": cells,
        "shape": picture.shape,
        "ids": [names[i] for i in order],
        "columns": [_column(name, values[order]) for name, values in picture.columns.items()],
        "sheets": None if drawn is None else _layout(drawn),
        "palette": list(colours.CATEGORIES),
        "ramp": list(colours.RAMP),
        "unknown": colours.UNKNOWN,
    }


def _column(name: str, values: np.ndarray) -> dict[str, Any]:
    """A number's values, or a category's names in their natural order and the number of the one each point has."""
    if values.dtype.kind == "f":
        return {"name": name, "values": _base64(values.astype("<f4"))}
    names = colours.ordered(values)
    kind = "<u2" if len(names) <= 2**16 else "<u4"
    place = {name: i for i, name in enumerate(names)}
    codes = np.array([place[value] for value in values.tolist()], dtype=kind)
    return {"name": name, "names": names, "codes": _base64(codes), "bits": 8 * codes.itemsize}


def _layout(drawn: Sheets) -> dict[str, Any]:
    return {
        "size": drawn.size,
        "cell": drawn.cell,
        "across": drawn.across,
        "each": drawn.each,
        "colour": drawn.colour,
        "count": len(drawn.files),
    }


def _sheets(drawn: Sheets | None) -> str:
    """A block of data for each sheet, decoded when it is needed."""
    if drawn is None:
        return ""
    blocks = (base64.b64encode(file).decode() for file in drawn.files)
    return "\n".join(f'<script type="text/plain" id="sheet{i}">{block}</script>' for i, block in enumerate(blocks))


def _json(value: Any) -> str:
    """JSON that ends no script element, whatever texts are in it."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _base64(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
