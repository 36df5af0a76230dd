"""The layouts by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quickstudy.files import FileProblem
from quickstudy.maps.layout import Layout, opened
from quickstudy.maps.parametric import ParametricTSNE, ParametricUMAP
from quickstudy.maps.pca import PCA
from quickstudy.maps.tailored import Tailored
from quickstudy.maps.tsne import TSNE
from quickstudy.maps.umap import UMAP

LAYOUTS: dict[str, type[Layout]] = {
    "pca": PCA,
    "tsne": TSNE,
    "umap": UMAP,
    "parametric-tsne": ParametricTSNE,
    "parametric-umap": ParametricUMAP,
    "tailored": Tailored,
}


def load(path: Path | str, **given: Any) -> Layout:
    """A saved layout of any kind; ``given``: what a file cannot hold, such as ``net``, a module of your own.

    Raises FileProblem for a file that is missing, damaged, no layout, or of a newer version.
    """
    name = opened(Path(path))[1]["layout"]
    for layout in LAYOUTS.values():
        if layout.__name__ == name:
            return layout.load(path, **given)
    raise FileProblem(
        f"{path} holds a layout of {name!r}, which this version does not know; pip install --upgrade quickstudy"
    )
