"""Siamese networks (Koch, Zemel & Salakhutdinov, 2015): learn whether two pictures are of one class, then compare."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from quickstudy.core import Objective, QueryLoss, Task
from quickstudy.learners.exemplars import Exemplars, Memory
from quickstudy.learners.finetuned import FineTuned, fine_tuned
from quickstudy.nets.attention import class_logsumexp
from quickstudy.nets.conv4 import conv4


class Siamese(Exemplars):
    """Slow: the embedding, and a weight for each feature's absolute difference. Fast: the embedded support.

    The logit of "same class" is a weighted sum of ``|sigmoid(a) - sigmoid(b)|`` and a bias; a class scores the mean
    odds of its examples. Meta-training is verification of ``"pairs"``, as published, or of the answers to whole
    ``"episodes"``.
    """

    def __init__(self, embed: nn.Module, features: int, *, objective: str = "pairs") -> None:
        super().__init__(embed, features)
        if objective not in ("pairs", "episodes"):
            raise ValueError(f"a siamese net is trained on pairs or on episodes, got {objective!r}")
        self.trained_on = objective
        self.compare = nn.Linear(features, 1)
        nn.init.constant_(self.compare.weight, -10 / features)
        nn.init.constant_(self.compare.bias, 2.0)

    def same(self, a: Tensor, b: Tensor) -> Tensor:
        """(q, n) logits that a (q, d) and b (n, d) are of one class."""
        difference = (a.sigmoid()[:, None] - b.sigmoid()).abs()  # (q, n, d)
        return (difference * self.compare.weight[0]).sum(-1) + self.compare.bias

    def score(self, queries: Tensor, memory: Memory) -> Tensor:
        return class_logsumexp(self.same(queries, memory.keys), memory.labels) - memory.labels.sum(0).log()

    def objective(self, way: int) -> Objective:
        return pairs if self.trained_on == "pairs" else QueryLoss(way)


def pairs(learner: Siamese, task: Task) -> Tensor:
    """Binary cross-entropy of "same class" over every (query, support) pair of an episode, as much weight on the
    pairs that are the same as on those that differ."""
    logits = learner.same(learner.embed(task.query.x), learner.embed(task.support.x))  # (q, n)
    real = (task.query.y[:, None] >= 0) & (task.support.y >= 0)  # no padding
    same = task.query.y[:, None] == task.support.y
    loss = F.binary_cross_entropy_with_logits(logits, same.to(logits), reduction="none")
    return (_mean(loss, real & same) + _mean(loss, real & ~same)) / 2


def _mean(values: Tensor, where: Tensor) -> Tensor:
    """0 where there are none."""
    return (values * where).sum() / where.sum().clamp_min(1)


def siamese(
    shape: tuple[int, int, int],
    *,
    width: int = 64,
    normalization: str = "batch",
    objective: str = "pairs",
    finetune_steps: int = 0,
    finetune_rate: float = 0.01,
) -> Exemplars | FineTuned:
    """The verification net on the four-block embedding of the few-shot tables, fine-tuned on the support of every task
    that is answered if there are ``finetune_steps``."""
    net = conv4(shape, width=width, normalization=normalization)
    return fine_tuned(Siamese(net, net.features, objective=objective), finetune_steps, finetune_rate)
