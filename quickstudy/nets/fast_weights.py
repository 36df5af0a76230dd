"""Fast weights: a matrix that keys write values into and queries read them from (Schmidhuber, 1992).

The sum rule, W + value keyᵀ, is causal linear attention, and the delta rule, W + strength (value - W key) keyᵀ, takes
back what a key had before (Schlag, Irie & Schmidhuber, 2021). Keys and queries pass a feature map first. Whole
sequences are written at once; leading axes are of many matrices.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from quickstudy.nets.attention import full_precision

FeatureMap = Callable[[Tensor], Tensor]  # (..., d) to (..., features), none of them negative


def elu_plus_one(x: Tensor) -> Tensor:
    """(..., d) from (..., d) (Katharopoulos et al., 2020)."""
    return F.elu(x) + 1


def dpfp(x: Tensor, nu: int) -> Tensor:
    """(..., 2 d nu) from (..., d): products of neighbours in relu([x, -x]), one to nu places apart, without parameters
    (Schlag et al., 2021, equation 37)."""
    parts = torch.cat([x, -x], -1).relu()
    return torch.cat([parts * parts.roll(i, -1) for i in range(1, nu + 1)], -1)


FEATURE_MAPS: dict[str, FeatureMap] = {
    "elu": elu_plus_one,
    "dpfp-1": lambda x: dpfp(x, 1),
    "dpfp-2": lambda x: dpfp(x, 2),
    "dpfp-3": lambda x: dpfp(x, 3),
}


def feature_map(name: str) -> FeatureMap:
    """The map of that name, to unit length, so that a key alone reads back what it wrote. Raises ValueError for
    another."""
    if name not in FEATURE_MAPS:
        raise ValueError(f"no feature map is called {name!r}; choose one of {', '.join(FEATURE_MAPS)}")
    plain = FEATURE_MAPS[name]

    def unit(x: Tensor) -> Tensor:
        found = plain(x)
        return found * (found.square().sum(-1, keepdim=True) + 1e-12).rsqrt()

    return unit


def corrections(w: Tensor, keys: Tensor, values: Tensor, strength: Tensor) -> Tensor:
    """(..., n, k): what the delta rule adds along each key (..., n, features) of a sequence, one after the other, with
    values (..., n, k) and strengths (..., n) from 0 to 1, onto w (..., k, features).

    Each depends on those before it: together they solve one triangular system.
    """
    with full_precision(keys):
        before = strength.unsqueeze(-1) * (keys @ keys.mT).tril(-1)
        wanted = strength.unsqueeze(-1) * (values - keys @ w.mT)
        return torch.linalg.solve_triangular(before, wanted, upper=False, unitriangular=True)


def write(w: Tensor, keys: Tensor, added: Tensor) -> Tensor:
    """(..., k, features): w with a sequence of ``added`` (..., n, k) along its keys: the values themselves (the sum
    rule) or their ``corrections`` (the delta rule)."""
    with full_precision(keys):
        return w + added.mT @ keys


def read(w: Tensor, queries: Tensor) -> Tensor:
    """(..., q, k) from w (..., k, features) and queries (..., q, features)."""
    with full_precision(queries):
        return queries @ w.mT
