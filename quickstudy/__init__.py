"""quickstudy: learning to learn on one small core.

``from quickstudy import data, learners, tasks`` and so on; ``core`` has the idea on one page. Modules are loaded when
they are first used, so that ``import quickstudy`` and ``quickstudy --help`` are instant.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quickstudy.estimator import FewShotClassifier as FewShotClassifier
    from quickstudy.estimator import FewShotRegressor as FewShotRegressor

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The modules, and ``FewShotClassifier`` and ``FewShotRegressor``, which need scikit-learn and torch."""
    if name in ("FewShotClassifier", "FewShotRegressor"):
        return getattr(importlib.import_module("quickstudy.estimator"), name)
    try:
        return importlib.import_module(f"quickstudy.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"quickstudy.{name}":
            raise
        raise AttributeError(f"module 'quickstudy' has no attribute {name!r}") from None
