"""SNAIL (Mishra et al., 2018): labelled examples as a sequence, read by convolutions in time and by attention."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from quickstudy.core import BatchDependent, Examples, Learner, mapped, mask_unseen, one_hot
from quickstudy.nets.attention import full_precision
from quickstudy.nets.causal import CausalAttention, Past
from quickstudy.nets.conv4 import conv4
from quickstudy.nets.norm import without_statistics
from quickstudy.nets.temporal import Snail

ALIKE, LABELLED, SURE = 2.0, 16.0, 10.0  # first weights: of features, for steps with a label, from labels to answers


class Read(NamedTuple):
    """The examples so far, as what each layer keeps of them."""

    past: Past  # (n, ...) of every layer
    seen: Tensor  # (way,) examples of each class


class SNAIL(Learner[Read]):
    """Slow: the embedding, the net over the sequence, a linear layer for so many classes. Fast: what the net's layers
    keep of the embedded examples and their labels.

    A query is the last step of its own sequence, n + 1 steps long, and has no label: the support is run once, and no
    query sees another. Classes not seen are not answered.
    """

    ordered = True
    padded = False

    def __init__(self, embed: nn.Module, net: Snail, *, way: int) -> None:
        super().__init__()
        self.embed, self.net = without_statistics(embed), net
        self.head = nn.Linear(net.features, way)
        self.way = way
        self.apart = any(isinstance(part, BatchDependent) for part in embed.modules())

    def init(self, way: int) -> Read:
        if way != self.way:
            raise ValueError(
                f"this learner reads labels of {self.way} classes and has an output for each, not {way}; train it with "
                f"way {way}"
            )
        like = self.head.weight
        return Read(self.net.start(like), like.new_zeros(way))

    def adapt(self, state: Read, support: Examples) -> Read:
        return self._read(state, self._features(support.x), support.y)

    def predict(self, state: Read, x: Tensor) -> Tensor:
        return self._answer(state, self._features(x))

    def trace(self, support: Examples, way: int) -> Tensor:
        if self.apart:  # as the fold embeds them
            return self._trace(mapped(lambda one: self._features(one[None])[0], support.x), support.y, way)
        return self._trace(self._features(support.x), support.y, way)

    def adapt_all(self, support: Examples, way: int) -> Read:
        z = self._embedded(support.x)
        start = Read(self.net.start(z), self.init(way).seen.expand(len(z), way))
        return self._read(start, z, support.y)

    def predict_all(self, states: Read, x: Tensor) -> Tensor:
        return self._answer(states, self._embedded(x))

    def trace_all(self, support: Examples, way: int) -> Tensor:
        if self.apart:
            return super().trace_all(support, way)
        return self._trace(self._embedded(support.x), support.y, way)

    def attention(self, state: Read, x: Tensor) -> list[Tensor]:
        """(q, n + 1) of every attention: how much of each example, and of itself, is in the answer to a query."""
        found, steps = [], self._steps(self._features(x), None)
        for layer, past in zip(self.net.layers, state.past, strict=True):
            if isinstance(layer, CausalAttention):
                found.append(layer.attention(steps, past).mean(-3))
            steps = layer.ask(steps, past)
        return found

    def _embedded(self, x: Tensor) -> Tensor:
        """(t, n, d) of the examples of many tasks, by statistics of their own where the embedding uses any."""
        if self.apart:
            return mapped(self._features, x)
        return self._features(x.flatten(0, 1)).unflatten(0, x.shape[:2])

    def _features(self, x: Tensor) -> Tensor:
        """(n, d), in the precision of the pictures."""
        return self.embed(x).to(x.dtype)

    def _read(self, state: Read, z: Tensor, y: Tensor) -> Read:
        with full_precision(z):
            past = self.net.read(self._steps(z, y), state.past)[1]
        return Read(past, state.seen.to(z) + one_hot(y, self.way, z.dtype).sum(-2))

    def _answer(self, state: Read, z: Tensor) -> Tensor:
        with full_precision(z):
            return mask_unseen(self.head(self.net.ask(self._steps(z, None), state.past)), state.seen.to(z))

    def _trace(self, z: Tensor, y: Tensor, way: int) -> Tensor:
        """(..., n, way): every example asked after those before it, all at once."""
        self.init(way)  # refuses another way
        steps = self._steps(z, y)
        at = torch.arange(z.shape[-2], device=z.device)
        labels = one_hot(y, way, z.dtype)
        seen = labels.cumsum(-2) - labels  # (..., n, way)
        with full_precision(z):
            _, past = self.net.read(steps, self.net.start(steps))
            logits = self.head(self.net.ask(self._steps(z, None), past, at))
        return mask_unseen(logits.unsqueeze(-2), seen).squeeze(-2)

    def _steps(self, z: Tensor, y: Tensor | None) -> Tensor:
        """(..., n, d + way): embedded examples beside their labels, or beside zeros."""
        blank = z.new_zeros(*z.shape[:-1], self.way)
        return torch.cat([z, blank if y is None else one_hot(y, self.way, z.dtype)], -1)


def begin_as_matching(learner: SNAIL) -> SNAIL:
    """With first weights by which it answers as a matching network does (Vinyals et al., 2016): the first attention
    looks for steps that have a label and features like those of the query, and the head passes on their labels and
    little else.

    The paper leaves the first weights open. With PyTorch's usual ones a step attends to all before it alike, and
    answers hardly depend on the support for long.
    """
    first = next(iter(learner.net.layers))
    assert isinstance(first, CausalAttention)
    keys, _, values = first.sizes
    features = first.project.in_features - learner.way
    alike = nn.init.orthogonal_(torch.empty(keys - 1, features)) * ALIKE
    codes = nn.init.orthogonal_(torch.empty(values, learner.way))  # of labels
    with torch.no_grad():
        query, key, value = first.project.weight.split(first.sizes)
        bias = first.project.bias[: 2 * keys].zero_()
        for part in (query, key):
            part.zero_()[:-1, :features] = alike
        bias[keys - 1] = key[-1, features:] = math.sqrt(LABELLED * math.sqrt(keys))
        value.zero_()[:, features:] = codes
        at = first.project.in_features  # where the first attention's values stand in what the head is given
        learner.head.weight.mul_(0.1)[:, at : at + values] = SURE * codes.T
    return learner


def snail(
    shape: tuple[int, int, int],
    *,
    way: int,
    width: int = 64,
    normalization: str = "batch",
    length: int = 0,
    filters: int = 32,
    start: Literal["matching", "random"] = "matching",
) -> SNAIL:
    """The paper's for Omniglot: four blocks of 64 filters, a linear layer to 64 features, the net of ``Snail``.

    ``length`` is the number of steps that the convolutions reach over, the query's included; unless given, that of one
    example a class. ``filters`` is the 32 of the attention's first value. ``start``: the first weights are those of
    ``begin_as_matching``, or PyTorch's. Raises ValueError for another.
    """
    if start not in ("matching", "random"):
        raise ValueError(f"first weights are of a matching network or random, got start {start!r}")
    net = conv4(shape, width=width, normalization=normalization)
    embed = nn.Sequential(net, nn.Linear(net.features, width))
    learner = SNAIL(embed, Snail(width + way, length or way + 1, filters=filters), way=way)
    return begin_as_matching(learner) if start == "matching" else learner
