"""Published tables, one file each."""

from collections.abc import Callable, Sequence
from typing import Any

from quickstudy.recipes import mini_imagenet, omniglot_fewshot, omniglot_gradient, omniglot_instances, sinusoid
from quickstudy.recipes.cells import AnyCell

TABLES: dict[str, Sequence[AnyCell]] = {
    omniglot_fewshot.TABLE: [*omniglot_fewshot.CELLS, *omniglot_gradient.CELLS],
    mini_imagenet.TABLE: mini_imagenet.CELLS,
    omniglot_instances.TABLE: omniglot_instances.CELLS,
    sinusoid.TABLE: sinusoid.CELLS,
}
PICTURES: dict[str, Callable[..., Any]] = {sinusoid.TABLE: sinusoid.picture}  # Matplotlib figures
