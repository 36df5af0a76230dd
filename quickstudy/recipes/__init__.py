"""Published tables, one file each."""

from collections.abc import Callable, Sequence
from typing import Any

from quickstudy.recipes import (
    mini_imagenet,
    omniglot_fewshot,
    omniglot_gradient,
    permuted_mnist,
    sinusoid,
    split_mnist,
)
from quickstudy.recipes.cells import AnyCell

TABLES: dict[str, Sequence[AnyCell]] = {
    omniglot_fewshot.TABLE: [*omniglot_fewshot.CELLS, *omniglot_gradient.CELLS],
    mini_imagenet.TABLE: mini_imagenet.CELLS,
    sinusoid.TABLE: sinusoid.CELLS,
    split_mnist.TABLE: split_mnist.CELLS,
    permuted_mnist.TABLE: permuted_mnist.CELLS,
}
PICTURES: dict[str, Callable[..., Any]] = {sinusoid.TABLE: sinusoid.picture}  # Matplotlib figures
