"""Published tables, one file each."""

from quickstudy.recipes import omniglot_fewshot
from quickstudy.recipes.cells import Cell

TABLES: dict[str, list[Cell]] = {omniglot_fewshot.TABLE: omniglot_fewshot.CELLS}
