"""The command that draws maps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg


def map(
    subject: Annotated[Positional[str], arg(metavar="RUN|WEIGHTS|FOLDER|FEATURES.npz")],
    out: Path | None = None,
    layout: str | None = None,
    options: Annotated[tuple[str, ...], arg(help="options of the layout, as KEY=VALUE: --options perplexity=50")] = (),
    data: str | None = None,
    layer: str | None = None,
    embedding: str | None = None,
    color: str | None = None,
    grid: bool = False,
    limit: int | None = None,
    seed: int | None = None,
) -> None:
    """Draw a map of what a network has learned: a page that opens offline, or a picture for a paper.

    A run is shown by its embedding of test classes it has never seen. Prints how much of the features the map keeps.

    Examples: quickstudy map runs/demo --out letters.html
              quickstudy map omniglot --data mnist --out digits.html
              quickstudy map my-pictures --embedding timm:resnet18 --layout umap
              quickstudy map features.npz --color price --out map.png
              quickstudy map runs/demo --grid --out wall.pdf

    Args:
        subject: a run folder; shipped weights (quickstudy models); a folder of pictures, in class folders or not; a
            file with an array x (n, d) of features and, where there are any, y, thumbnails (n, h, w) or (n, h, w, 3)
            of bytes, ids, and other columns of n.
        out: the file: .html; .png, .svg or .pdf; .npz to go on with in Python, or to give to this command again.
            SUBJECT-map.html unless given.
        layout: tsne, umap, pca, parametric-tsne, parametric-umap or tailored; tsne unless given.
        data: a data set to show to a run or to shipped weights; the test classes of their own unless given.
        layer: a layer of the embedding; its last one unless given.
        embedding: of a folder of pictures: shipped weights (quickstudy models), a run folder, timm:NAME, or pixels;
            omniglot for drawings and pixels for photographs unless given.
        color: the column that colours mean; the classes unless given.
        grid: begin with the grid, or draw it.
        limit: at most so many, drawn at random; 10,000 unless given.
        seed: of that draw; 0 unless given.
    """
    from quickstudy.commands.map import run

    run(subject, out, layout, options, data, layer, embedding, color, grid, limit, seed)
