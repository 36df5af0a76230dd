"""Matching networks (Vinyals et al., 2016): the label is the attention-weighted sum of the support's labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from quickstudy.core import mapped
from quickstudy.learners.exemplars import Exemplars, Memory
from quickstudy.learners.finetuned import FineTuned, fine_tuned
from quickstudy.nets.attention import attend, class_logsumexp, cosine, full_precision
from quickstudy.nets.conv4 import conv4
from quickstudy.nets.lstm import BiLSTM, LSTMCell
from quickstudy.nets.sizes import check_sizes


class FullContext(nn.Module):
    """Full context embeddings (the paper's appendix A): every example is embedded in the light of the whole support.

    ``g`` adds both directions of an LSTM over the support to its embedding. ``f`` reads the support ``steps`` times:
    the cell's input is the query's embedding, its recurrent state the concatenation of h and the read vector r, which
    enters as a second input so that the state does not grow, and the embedding is added to h (equations 3 to 6).
    Stacked tasks are read together, by a kernel that cannot be mapped; those of one task can.
    """

    def __init__(self, features: int, *, steps: int) -> None:
        super().__init__()
        check_sizes(steps=steps)
        self.g = BiLSTM(features, features)
        self.f = LSTMCell(2 * features, features)
        self.steps = steps

    def support(self, keys: Tensor) -> Tensor:
        """(..., n, d) to (..., n, d)."""
        forwards, backwards = self.g(keys)
        return keys + forwards + backwards

    def query(self, queries: Tensor, keys: Tensor, seen: Tensor) -> Tensor:
        """(..., q, d) to (..., q, d), reading keys (..., n, d) where ``seen`` (..., n)."""
        asks, reads = self.f.weight_ih.chunk(2, dim=1)
        asked, read = queries @ asks.mT + self.f.bias, keys @ reads.mT  # once: r is a sum of keys
        h, c = self.f.start(queries)
        for _ in range(self.steps):
            out, c = self.f.step(asked + attend(h @ keys.mT, read, seen), (h, c))
            h = out + queries
        return h


class Matching(Exemplars):
    """Slow: the embedding, the attention's scale, the context network if any. Fast: the embedded support and labels.

    The attention is a softmax of ``scale`` times the cosine; a bare cosine, in -1..1, would be nearly flat.
    """

    def __init__(
        self, embed: nn.Module, features: int, *, context: FullContext | None = None, scale: float = 10.0
    ) -> None:
        super().__init__(embed, features)
        self.context = context
        self.ordered, self.padded = context is not None, context is None
        self.log_scale = nn.Parameter(torch.tensor(scale).log())

    def predict_all(self, states: Memory, x: Tensor) -> Tensor:
        """With a context all tasks are read together (``FullContext``)."""
        if self.context is None:
            return super().predict_all(states, x)
        return self.answer(states, mapped(self.embed, x))

    def score(self, queries: Tensor, memory: Memory) -> Tensor:
        return class_logsumexp(self.similarities(queries, memory), memory.labels)

    def attention(self, state: Memory, x: Tensor) -> Tensor:
        """(q, n): how much each query looks at each example of the support; the sums over classes are the answer."""
        return self.similarities(self.embed(x), state).masked_fill(state.labels.sum(1) == 0, -torch.inf).softmax(-1)

    def similarities(self, queries: Tensor, memory: Memory) -> Tensor:
        """(..., q, n) before the softmax, of embedded queries (..., q, d)."""
        keys = memory.keys
        if self.context is not None and keys.shape[-2]:
            with full_precision(keys):
                keys = self.context.support(keys)
                queries = self.context.query(queries, keys, memory.labels.sum(-1) > 0)
        return self.log_scale.exp() * cosine(queries, keys)


def matching(
    shape: tuple[int, int, int],
    *,
    width: int = 64,
    normalization: str = "batch",
    context: bool = False,
    steps: int = 5,
    scale: float = 10.0,
    finetune_steps: int = 0,
    finetune_rate: float = 0.01,
) -> Exemplars | FineTuned:
    """The paper's net with cosine attention; ``context`` adds full context embeddings, which read ``steps`` times.
    With ``finetune_steps`` the net is fine-tuned on the support of every task that is answered."""
    net = conv4(shape, width=width, normalization=normalization)
    reader = FullContext(net.features, steps=steps) if context else None
    return fine_tuned(Matching(net, net.features, context=reader, scale=scale), finetune_steps, finetune_rate)
