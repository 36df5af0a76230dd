"""Outer estimators: how an objective becomes gradients of the slow weights."""

from collections.abc import Callable
from typing import Any

from quickstudy.outer.base import Estimator
from quickstudy.outer.evolution import Evolution
from quickstudy.outer.first_order import FirstOrder
from quickstudy.outer.implicit import Implicit
from quickstudy.outer.reptile import Reptile
from quickstudy.outer.truncated import Truncated
from quickstudy.outer.unroll import Unroll

__all__ = ["CHOICES", "Estimator", "Evolution", "FirstOrder", "Implicit", "Reptile", "Truncated", "Unroll", "estimator"]

CHOICES: dict[str, Callable[..., Estimator]] = {
    "unroll": Unroll,
    "first_order": FirstOrder,
    "reptile": Reptile,
    "implicit": Implicit,
}


def estimator(name: str, **options: Any) -> Estimator:
    """The estimator of that name. Raises ValueError where there is none, or it has no such option."""
    if name not in CHOICES:
        raise ValueError(f"no outer estimator is called {name!r}; there are {', '.join(CHOICES)}")
    try:
        return CHOICES[name](**options)
    except TypeError as error:
        raise ValueError(f"{name} does not take these options: {error}") from error
