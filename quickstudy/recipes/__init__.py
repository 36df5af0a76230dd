"""Published tables, one file each."""

from collections.abc import Callable, Sequence
from typing import Any

from quickstudy.recipes import (
    data_weights,
    fast_weights,
    fisher_batch,
    in_context,
    intents,
    learned_optimizer,
    maps,
    maps_grid,
    maps_tailored,
    mas_demo,
    mini_imagenet,
    omniglot_alphabets,
    omniglot_fewshot,
    omniglot_gradient,
    omniglot_instances,
    omniglot_models,
    optimizer_practice,
    own_examples,
    permuted_mnist,
    sinusoid,
    split_mnist,
    step_size,
)
from quickstudy.recipes.cells import AnyCell

TABLES: dict[str, Sequence[AnyCell]] = {
    omniglot_fewshot.TABLE: [*omniglot_fewshot.CELLS, *omniglot_gradient.CELLS, *omniglot_models.CELLS],
    mini_imagenet.TABLE: mini_imagenet.CELLS,
    omniglot_instances.TABLE: omniglot_instances.CELLS,
    sinusoid.TABLE: sinusoid.CELLS,
    split_mnist.TABLE: [*split_mnist.CELLS, *mas_demo.CELLS],
    permuted_mnist.TABLE: permuted_mnist.CELLS,
    omniglot_alphabets.TABLE: omniglot_alphabets.CELLS,
    fisher_batch.TABLE: fisher_batch.CELLS,
    own_examples.TABLE: own_examples.CELLS,
    intents.TABLE: intents.CELLS,
    in_context.TABLE: in_context.CELLS,
    fast_weights.TABLE: fast_weights.CELLS,
    maps.TABLE: [*maps.CELLS, *maps_tailored.CELLS, *maps_grid.CELLS],
    data_weights.TABLE: data_weights.CELLS,
    learned_optimizer.TABLE: [*learned_optimizer.CELLS, *step_size.CELLS],
    optimizer_practice.TABLE: optimizer_practice.CELLS,
}
PICTURES: dict[str, Callable[..., Any]] = {  # Matplotlib figures
    sinusoid.TABLE: sinusoid.picture,
    in_context.TABLE: in_context.picture,
    fast_weights.TABLE: fast_weights.picture,
    fisher_batch.TABLE: fisher_batch.picture,
    maps.TABLE: maps_tailored.picture,
    data_weights.TABLE: data_weights.picture,
    learned_optimizer.TABLE: learned_optimizer.picture,
    optimizer_practice.TABLE: optimizer_practice.picture,
}
