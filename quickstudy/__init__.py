"""quickstudy: learning to learn on one small core.

Everything is loaded when it is first used, so that ``import quickstudy`` and ``quickstudy --help`` are instant.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quickstudy.core import Examples, Learner, Objective, Task, Tasks, query_loss, widen
    from quickstudy.evaluate import compare, evaluate
    from quickstudy.train import calibrate, train

__version__ = "0.1.0"

_HOMES = {
    "core": ("Examples", "Learner", "Objective", "Task", "Tasks", "query_loss", "widen"),
    "evaluate": ("compare", "evaluate"),
    "train": ("calibrate", "train"),
}
_MODULES = ("batching", "checks", "data", "learners", "nets", "outer", "storage", "tasks", "tree")
__all__ = [name for names in _HOMES.values() for name in names] + list(_MODULES)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"quickstudy.{name}")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"quickstudy.{home}"), name)
    raise AttributeError(f"module 'quickstudy' has no attribute {name!r}")
