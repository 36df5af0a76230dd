"""Relative entropy policy search (Peters, Mülling & Altün, 2010), episodic: a normal distribution of policies moves
towards those that did well, no farther than a bound on the relative entropy. Learns the step-size controllers of
``rules.step_size`` (Daniel, Taylor & Nowozin, 2016) on loss functions."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from torch import Tensor
from tqdm import tqdm

from quickstudy.rules.rule import Rule, Weights
from quickstudy.rules.step_size import INPUTS, StepSize
from quickstudy.storage import Run
from quickstudy.tasks.losses import Losses, curves
from quickstudy.train import Progress

WORST = -5.0  # reward of what diverged, and the least there is
FIRST = (2.0, 1.0)  # deviations of the first policies: of the constant, of the others
LEAST = 1e-3  # of a deviation


class Search(NamedTuple):
    """A normal distribution of policies."""

    mean: Tensor  # (k,)
    covariance: Tensor  # (k, k)

    def draw(self, count: int, chance: torch.Generator) -> Tensor:
        """(count, k)."""
        noise = torch.randn(count, len(self.mean), generator=chance, dtype=self.mean.dtype)
        return self.mean + noise @ torch.linalg.cholesky(self.covariance).mT


def importances(rewards: np.ndarray, epsilon: float) -> np.ndarray:
    """(n,) adding up to 1, from rewards (n,): proportional to exp(reward / η), with the η > 0 that minimizes the dual
    η ε + η log mean exp(reward / η), so that the relative entropy to equal weights is ε, or as large as it can be.

    Raises ValueError for a bound that is not positive, and for rewards that are not finite.
    """
    if not epsilon > 0 or not np.isfinite(rewards).all():
        raise ValueError(f"needs a bound above 0 and finite rewards, got {epsilon} and {rewards}")
    above = rewards - rewards.max()
    if not above.any():
        return np.full(len(rewards), 1 / len(rewards))
    scaled = above / -above.min()

    def dual(log_eta: float) -> float:
        eta = math.exp(log_eta)
        return eta * epsilon + eta * float(logsumexp(scaled / eta) - math.log(len(scaled)))

    eta = math.exp(minimize_scalar(dual, bounds=(-8, 8), method="bounded", options={"xatol": 1e-6}).x)
    return np.exp(scaled / eta - logsumexp(scaled / eta))


def moved(search: Search, policies: Tensor, rewards: Tensor, epsilon: float) -> Search:
    """The distribution fitted to policies (n, k), each as important as ``importances`` has it."""
    share = torch.from_numpy(importances(rewards.double().numpy(), epsilon)).to(policies)
    mean = share @ policies
    away = policies - mean
    covariance = (share[:, None] * away).mT @ away / (1 - share.square().sum()).clamp_min(1e-3)
    return Search(mean, covariance + LEAST**2 * torch.eye(len(mean), dtype=mean.dtype))


class Each(Rule[Any]):
    """A step-size rule over problems that are stacked along the first axis, each with a rate of its own; ``policies``
    (p, k), one for each problem, or (k,), one for all."""

    def __init__(self, rule: StepSize, policies: Tensor) -> None:
        super().__init__()
        self.rule, self.policies = rule, policies

    def init(self, weights: Weights) -> Any:
        return torch.func.vmap(self.rule.init)(weights)

    def update(self, grads: Weights, memory: Any, weights: Weights, loss: Tensor) -> tuple[Weights, Any]:
        own = 0 if self.policies.dim() == 2 else None
        return torch.func.vmap(self.rule.controlled, in_dims=(own, 0, 0, 0))(self.policies, grads, memory, weights)


def rewards(rule: StepSize, policies: Tensor, losses: Losses, indices: Sequence[int], steps: int) -> Tensor:
    """(n,) of policies (n, k): how far the log loss is below that of the start, the mean over so many steps. The loss
    is the mean over the numbered problems, which are the same for all: a policy that loses one of them has lost."""
    several = policies.repeat_interleave(len(indices), dim=0)
    numbers = [*indices] * len(policies)
    found = curves(Each(rule, several), losses, numbers, steps, chunk=len(numbers))  # (n · problems, steps + 1)
    height = found.view(len(policies), len(indices), -1).mean(1).log()
    fall = (height[:, :1] - height[:, 1:]).mean(1)
    return torch.where(fall.isfinite(), fall, WORST).clamp_min(WORST)


def learn(
    rule: StepSize,
    losses: Losses,
    exam: Losses,
    *,
    updates: int,
    samples: int = 32,
    problems: int = 4,
    steps: int = 100,
    examined: int = 16,
    epsilon: float = 1.0,
    seed: int = 0,
    run: Run | None = None,
    progress: bool = False,
) -> Progress:
    """Learns the rule's policy in place: ``samples`` policies an update, all judged on the same new ``problems``. After
    every update the mean policy is examined on ``examined`` problems of ``exam``; the best one is kept.

    With a ``run``, a killed search goes on from its folder to the same policy.
    """
    saved = run.load_checkpoint() if run is not None else None
    search, best, state = _begun(rule) if saved is None else _saved(*saved)
    begun = time.monotonic() - state.seconds
    for update in tqdm(range(state.step, updates), disable=not progress, unit="update", desc="policy search"):
        chance = torch.Generator().manual_seed(seed * 1_000_003 + update)
        policies = search.draw(samples, chance)
        found = rewards(rule, policies.float(), losses, range(update * problems, (update + 1) * problems), steps)
        search = moved(search, policies, found, epsilon)
        score = float(rewards(rule, search.mean.float()[None], exam, range(examined), steps))
        state.step, state.seconds = update + 1, time.monotonic() - begun
        state.curve.append({"step": update + 1, "loss": -float(found.mean()), "score": score})
        if state.best is None or score >= state.best["score"]:
            state.best, best = {"step": update + 1, "score": score}, search.mean
        if run is not None:
            tensors = {"mean": search.mean, "covariance": search.covariance, "best": best.clone()}
            run.save_checkpoint(tensors, state.__dict__)
    with torch.no_grad():
        rule.policy.copy_(best)
    if run is not None:
        run.finish(rule.state_dict(), {"steps": updates, "seconds": state.seconds, "curve": state.curve})
    return state


def _begun(rule: StepSize) -> tuple[Search, Tensor, Progress]:
    deviation = torch.full((INPUTS,), FIRST[1], dtype=torch.float64)
    deviation[-1] = FIRST[0]
    mean = rule.policy.detach().double()
    return Search(mean, deviation.square().diag()), mean, Progress()


def _saved(tensors: dict[str, Tensor], meta: dict[str, Any]) -> tuple[Search, Tensor, Progress]:
    return Search(tensors["mean"], tensors["covariance"]), tensors["best"], Progress(**meta)
