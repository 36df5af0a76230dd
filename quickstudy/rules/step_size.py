"""A step-size controller (Daniel, Taylor & Nowozin, 2016): the rate of a hand-designed rule is a learned policy."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from quickstudy.rules.rule import Rule, Weights, count, root

DIRECTIONS = ("sgd", "rmsprop")
OBSERVED = 3  # numbers observed; with the spread of each, and 1, the policy's inputs
INPUTS = 2 * OBSERVED + 1
DECAY = 0.9  # of the running means of what is observed, as published
ALPHA, EPS = 0.99, 1e-8  # of RMSprop, as elsewhere
DIGITS = 10.0  # logarithms are divided by it, so that inputs are about 1
LOWEST, HIGHEST = -14.0, 3.5  # logarithms of the rates there are: 0.000001 to 33


class Observed(NamedTuple):
    """What is kept from step to step."""

    step: Tensor  # ()
    mean: Weights  # running mean of the gradients
    square: Weights  # and of their squares
    last: Weights  # the last step
    features: Tensor  # (OBSERVED,) running means
    spread: Tensor  # (OBSERVED,) running squared distances from them


class StepSize(Rule[Observed]):
    """w - rate · d with log rate = policy · (features, their spreads, 1), one rate for all weights of a problem.

    d is the gradient, or the gradient over the root of the running mean of its square. The features are running means
    of three numbers: the log of the predicted change of the loss by a step of rate 1, ⟨gradient, d⟩; the log of the
    variance of the gradients; and how far this gradient agrees with the last step, the cosine of their angle, which is
    positive where that went too far. The paper takes the first two from the gradients of single examples, which a
    rule does not see: the variance here is that from step to step, and what the paper reads off the disagreement of
    examples is read off the spreads.

    Gradients enter as constants. The policy is not learned by gradients but by search (``policy_search``).
    """

    detached = True

    def __init__(self, direction: str, rate: float) -> None:
        super().__init__()
        self.direction = direction
        self.policy = nn.Parameter(torch.zeros(INPUTS))
        nn.init.constant_(self.policy[-1:], math.log(rate))

    def init(self, weights: Weights) -> Observed:
        mean, square, last = ({name: torch.zeros_like(w) for name, w in weights.items()} for _ in range(3))
        step = count(weights)
        return Observed(step, mean, square, last, step.new_zeros(OBSERVED), step.new_zeros(OBSERVED))

    def update(self, grads: Weights, memory: Observed, weights: Weights, loss: Tensor) -> tuple[Weights, Observed]:
        return self.controlled(self.policy, grads, memory, weights)

    def controlled(
        self, policy: Tensor, grads: Weights, memory: Observed, weights: Weights
    ) -> tuple[Weights, Observed]:
        """The update by this policy (INPUTS,), so that many can be tried at once."""
        grads = {name: grad.detach() for name, grad in grads.items()}
        step = memory.step + 1
        mean = _running(memory.mean, grads, DECAY)
        square = _running(memory.square, {name: grad.square() for name, grad in grads.items()}, ALPHA)
        along = self._direction(grads, square)
        seen = self._seen(grads, along, mean, square, memory.last, step)
        features = torch.where(step == 1, seen, DECAY * memory.features + (1 - DECAY) * seen)
        spread = DECAY * memory.spread + (1 - DECAY) * (seen - features).square()
        inputs = torch.cat([features, spread, torch.ones_like(features[:1])])
        rate = (policy @ inputs).clamp(LOWEST, HIGHEST).exp()
        last = {name: -rate.detach() * d for name, d in along.items()}
        new = {name: w - rate * along[name] for name, w in weights.items()}
        return new, Observed(step, mean, square, last, features, spread)

    def _direction(self, grads: Weights, square: Weights) -> Weights:
        if self.direction == "sgd":
            return grads
        return {name: grad / (root(square[name]) + EPS) for name, grad in grads.items()}

    def _seen(
        self, grads: Weights, along: Weights, mean: Weights, square: Weights, last: Weights, step: Tensor
    ) -> Tensor:
        """(OBSERVED,) of this step."""
        one, two = 1 - DECAY**step, 1 - ALPHA**step
        middle = {name: m / one for name, m in mean.items()}
        change = _inner(grads, along)
        variance = (_total(square) / two - _inner(middle, middle)).clamp_min(0)
        sizes = _inner(grads, grads) * _inner(last, last)
        agreed = _inner(grads, last) / torch.where(sizes > 0, sizes, 1.0).sqrt()
        return torch.stack([_log(change), _log(variance), agreed])


def step_size(direction: str = "sgd", *, rate: float = 0.01) -> StepSize:
    """Steps along the gradient ("sgd") or as RMSprop's, with this constant ``rate`` until a policy was learned.

    Raises ValueError for another direction, and for a rate that is not positive.
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"steps are those of {' or '.join(DIRECTIONS)}, got {direction!r}")
    if not rate > 0:
        raise ValueError(f"the rate of the first policy is above 0, got {rate}")
    return StepSize(direction, rate)


def _running(kept: Weights, new: Weights, decay: float) -> Weights:
    return {name: decay * old + (1 - decay) * new[name] for name, old in kept.items()}


def _inner(a: Weights, b: Weights) -> Tensor:
    return torch.stack([(a[name] * b[name]).sum() for name in a]).sum()


def _total(a: Weights) -> Tensor:
    return torch.stack([w.sum() for w in a.values()]).sum()


def _log(x: Tensor) -> Tensor:
    """From -2 up, over ``DIGITS``."""
    return x.clamp_min(math.exp(-2 * DIGITS)).log() / DIGITS
