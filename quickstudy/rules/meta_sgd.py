"""Meta-SGD (Li, Zhou, Chen & Li, 2017): the direction and the length of the step are learned."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from quickstudy.rules.rule import Rate, Rule, Weights, check_rate, per_weight


class MetaSGD(Rule[tuple[()]]):
    """w - α ∘ gradient (equation 2 of the paper): a learned rate, of either sign, for every element of every weight.

    The rate of "head.weight" is the parameter "rate/head/weight": torch allows no dots in a parameter's name.
    """

    def __init__(self, rates: Weights) -> None:
        super().__init__()
        for name, rate in rates.items():
            self.register_parameter(_key(name), nn.Parameter(rate))

    def init(self, weights: Weights) -> tuple[()]:
        """No memory. Raises ValueError unless the weights have the names and shapes that the rates have."""
        rates = {key: tuple(rate.shape) for key, rate in self.named_parameters()}
        given = {_key(name): tuple(w.shape) for name, w in weights.items()}
        wrong = sorted(key for key in rates.keys() | given.keys() if rates.get(key) != given.get(key))
        if wrong:
            pairs = [f"{key} of shape {rates.get(key)} for a weight of {given.get(key)}" for key in wrong[:3]]
            raise ValueError(
                f"{len(wrong)} learned rates do not fit the weights (None: there is none): {', '.join(pairs)}; "
                "make meta_sgd from the weights that adapt"
            )
        return ()

    def update(self, grads: Weights, memory: tuple[()], weights: Weights, loss: Tensor) -> tuple[Weights, tuple[()]]:
        return {name: w - getattr(self, _key(name)) * grads[name] for name, w in weights.items()}, ()


def meta_sgd(like: Mapping[str, Tensor], rate: Rate = 0.01) -> MetaSGD:
    """One rate for each element of these weights, which start at ``rate``: one for all, or a mapping from prefixes of
    names to rates. (The paper draws one from [0.005, 0.1] at random.)

    Raises ValueError for a negative rate, and for a weight that no prefix fits.
    """
    each = per_weight(check_rate(rate), like)
    return MetaSGD({name: torch.full_like(w.detach(), each[name]) for name, w in like.items()})


def _key(name: str) -> str:
    return f"rate/{name}".replace(".", "/")
