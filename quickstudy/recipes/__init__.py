"""Published tables, one file each."""

from collections.abc import Callable, Sequence
from typing import Any

from quickstudy.recipes import intents, omniglot_fewshot, omniglot_gradient, own_examples, sinusoid
from quickstudy.recipes.cells import AnyCell

TABLES: dict[str, Sequence[AnyCell]] = {
    omniglot_fewshot.TABLE: [*omniglot_fewshot.CELLS, *omniglot_gradient.CELLS],
    sinusoid.TABLE: sinusoid.CELLS,
    own_examples.TABLE: own_examples.CELLS,
    intents.TABLE: intents.CELLS,
}
PICTURES: dict[str, Callable[..., Any]] = {sinusoid.TABLE: sinusoid.picture}  # Matplotlib figures
