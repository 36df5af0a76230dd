"""Commands for pictures of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from quickstudy.arguments.usual import Options


def fit(
    folder: Annotated[Positional[Path], arg(metavar="FOLDER")],
    out: Path = Path("model.qs"),
    learner: str | None = None,
    embedding: str | None = None,
    options: Options = (),
    size: int | None = None,
    reject: float | None = None,
) -> None:
    """Teach a learner your own pictures: a folder with a folder of pictures for each class, one picture is enough.

    Says at once how well it would do, one picture of each class left out in turn, and which ones look mislabelled.

    Examples: quickstudy fit my-letters --out letters.qs --reject 0.05
              quickstudy fit my-birds --embedding timm:resnet18 --out birds.qs

    Args:
        out: the model file to write.
        learner: shipped weights (quickstudy models), a run folder of quickstudy train, or neighbours; with an embedding
            prototypes, neighbours, matching, density or linear. The shipped weights omniglot unless given.
        embedding: timm:NAME or hf:NAME, a model of these libraries.
        size: side of the pictures in pixels, where nothing else says it.
        reject: share of pictures of known classes that may be turned away so that others are: 0.05, say.
    """
    from quickstudy.commands.teaching import fit

    fit(folder, out, learner, embedding, options, size, reject)


def teach(
    model: Annotated[Positional[Path], arg(metavar="MODEL")],
    folder: Annotated[Positional[Path], arg(metavar="FOLDER")],
    out: Path | None = None,
) -> None:
    """Teach a model file more pictures, of classes old and new; those it was taught before are not needed.

    Example: quickstudy teach letters.qs new-letters

    Args:
        out: where to write it; the model file itself unless given.
    """
    from quickstudy.commands.teaching import teach

    teach(model, folder, out)


def predict(
    model: Annotated[Positional[Path], arg(metavar="MODEL")],
    pictures: Annotated[Positional[tuple[Path, ...]], arg(metavar="PICTURES ...")],
    csv: bool = False,
    json: bool = False,
) -> None:
    """Say what pictures are: name, answer and probability, one picture a line.

    Examples: quickstudy predict letters.qs a.png b.png
              quickstudy predict letters.qs inbox --csv

    Args:
        csv: print a table with a header.
        json: print one JSON array, with the probability of every class.
    """
    from quickstudy.commands.teaching import predict

    predict(model, pictures, csv, json)


def inspect(model: Annotated[Positional[Path], arg(metavar="MODEL")], json: bool = False) -> None:
    """Show what a model file holds: classes, preprocessing, versions, accuracy, pictures that look mislabelled.

    Example: quickstudy inspect letters.qs

    Args:
        json: print one JSON object.
    """
    from quickstudy.commands.teaching import inspect

    inspect(model, json)


def export(
    model: Annotated[Positional[Path], arg(metavar="MODEL")], out: Annotated[Positional[Path], arg(metavar="OUT")]
) -> None:
    """Write a model file as one graph that other programs run: ONNX (.onnx) or torch.export (.pt2).

    Example: quickstudy export letters.qs letters.onnx

    Args:
        out: the file to write; its ending says which.
    """
    from quickstudy.commands.teaching import export

    export(model, out)


def models() -> None:
    """List the weights that come with quickstudy, what they reach, and the command that made them.

    Example: quickstudy models
    """
    from quickstudy.commands.teaching import models

    models()
