"""Meta Networks (Munkhdalai & Yu, 2017): fast weights beside the slow ones, made from the gradients of the support."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from quickstudy.core import Examples, Learner, cross_entropy, mask_unseen, one_hot
from quickstudy.nets.attention import attend, cosine, full_precision
from quickstudy.nets.conv4 import conv4
from quickstudy.nets.lstm import Carry, LSTMCell
from quickstudy.nets.norm import without_statistics
from quickstudy.nets.sizes import check_sizes
from quickstudy.rules.coordinatewise import log_and_sign

P = 7.0  # of the preprocessing of gradients


class Layers(nn.Module):
    """A hidden and a last layer, with slow weights and, beside them, fast ones: layer augmentation.

    Fast weights of a layer are (..., count), its matrix with the biases; without any, the slow weights stand alone.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.slow = nn.ParameterList([_linear(inputs, hidden), _linear(hidden, outputs)])
        self.counts = [weight.numel() for weight in self.slow]

    def hidden(self, slow: Tensor, fast: Tensor | None, z: Tensor) -> Tensor:
        """(..., hidden): relu by the slow weights plus relu by the fast ones, of z (..., inputs)."""
        out = _through(slow, z).relu()
        return out if fast is None else out + _through(fast.unflatten(-1, slow.shape), z).relu()

    def last(self, slow: Tensor, fast: Tensor | None, h: Tensor) -> Tensor:
        """(..., outputs): the sum of both, of h (..., hidden)."""
        out = _through(slow, h)
        return out if fast is None else out + _through(fast.unflatten(-1, slow.shape), h)

    def slopes(self, z: Tensor, y: Tensor, count: int) -> Tensor:
        """(n, coordinates): the gradients of the loss of each example alone, by its features (n, inputs), with slow
        weights, for the first ``count`` layers. Padding has gradients of 0."""

        def loss(weights: list[Tensor], z: Tensor, y: Tensor) -> Tensor:
            whole = [*weights, *list(self.slow)[count:]]
            logits = self.last(whole[1], None, self.hidden(whole[0], None, z))
            return cross_entropy(logits[None], y[None])

        slow = list(self.slow)[:count]
        each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))(slow, z, y)
        return torch.cat([grad.flatten(1) for grad in each], 1)


class Met(NamedTuple):
    """What was made of the examples."""

    features: Tensor  # (n, features), from which the keys follow once all examples were seen
    fast: Tensor  # (n, coordinates) weights of the base learner, made by each example
    h: Tensor  # (coordinates, hidden) of the LSTM that makes the weights of the representation
    c: Tensor
    labels: Tensor  # (n, way), zeros for padding


class MetaNetworks(Learner[Met]):
    """Slow: the base learner, the representation, and what makes fast weights of gradients: an LSTM d over the examples
    for the representation u, shared by its coordinates, and a net m, shared likewise, for the base learner b.

    Fast: the weights of b that each example made, the LSTM's memory. A query's representation is compared with those of
    the support, by cosine, and answered by b with the sum of their fast weights. The paper augments the last
    convolution, the hidden layer and the softmax; here the convolutions are slow and the layers after them augmented.
    The fast weights of a layer are centred, and cosines have a learned scale.
    """

    ordered = True
    padded = False

    def __init__(
        self, base: nn.Module, represent: nn.Module, features: int, *, way: int, hidden: int, size: int
    ) -> None:
        super().__init__()
        check_sizes(hidden=hidden, size=size)
        self.base, self.represent = without_statistics(base), without_statistics(represent)
        self.b, self.u = Layers(features, hidden, way), Layers(features, hidden, way)
        self.d, self.d_out = LSTMCell(2, size), nn.Linear(size, 1, bias=False)
        units = nn.Linear(2, size), nn.ReLU(), nn.Linear(size, size), nn.ReLU()
        self.m = nn.Sequential(*units, nn.Linear(size, 1, bias=False))
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())
        self.way, self.features = way, features

    def init(self, way: int) -> Met:
        if way != self.way:
            raise ValueError(
                f"this learner has a learned output for each of {self.way} classes and cannot start with {way}; train "
                f"it with way {way}"
            )
        zeros, coordinates = self.log_scale.new_zeros, self.u.counts[0]
        h, c = (zeros(coordinates, self.d.hidden) for _ in range(2))
        return Met(zeros(0, self.features), zeros(0, sum(self.b.counts)), h, c, zeros(0, way))

    def adapt(self, state: Met, support: Examples) -> Met:
        z = self.represent(support.x)
        made = self._made(self.base(support.x), support.y)
        h, c = self._remembered(z, support.y, (state.h.to(z), state.c.to(z)))
        labels = one_hot(support.y, self.way, z.dtype)
        pairs = ((state.features, z), (state.fast, made), (state.labels, labels))
        features, fast, labels = (torch.cat([old.to(new), new]) for old, new in pairs)
        return Met(features, fast, h, c, labels)

    def predict(self, state: Met, x: Tensor) -> Tensor:
        z = self.base(x)
        with full_precision(z):
            first, last = self._fast(state, self.represent(x)).split(self.b.counts, -1)  # (q, coordinates) each
            h = self.b.hidden(self.b.slow[0], first, z)
            return mask_unseen(self.b.last(self.b.slow[1], last, h), state.labels.to(z).sum(0))

    def attention(self, state: Met, x: Tensor) -> Tensor:
        """(q, n): how much of the weights that each example made is in the answer to a query."""
        every = torch.eye(len(state.labels)).to(x)
        return attend(self._scores(state, self.represent(x)), every, state.labels.sum(1) > 0)

    def _fast(self, state: Met, z: Tensor) -> Tensor:
        return attend(self._scores(state, z), state.fast.to(z), state.labels.sum(1) > 0)

    def _scores(self, state: Met, z: Tensor) -> Tensor:
        """(q, n) scaled cosines of the representations of queries (q, features) and of the support."""
        fast = _centred(self.d_out(state.h.to(z)).squeeze(-1))  # of the task
        queries, keys = (self.u.hidden(self.u.slow[0], fast, part) for part in (z, state.features.to(z)))
        return self.log_scale.exp() * cosine(queries, keys)

    def _made(self, z: Tensor, y: Tensor) -> Tensor:
        """(n, coordinates) of the base learner: by each example's own loss."""
        with full_precision(z):
            slopes = self.b.slopes(z, y, 2)
            made = self.m(_seen(slopes)).view(slopes.shape)
            return torch.cat([_centred(part) for part in made.split(self.b.counts, -1)], -1)

    def _remembered(self, z: Tensor, y: Tensor, carry: Carry) -> Carry:
        """The memory after the losses of the representation on every example, one after the other."""
        with full_precision(z):
            for slope in self.u.slopes(z, y, 1):
                carry = self.d(_seen(slope), carry)
        return carry


def _seen(slopes: Tensor) -> Tensor:
    """(..., 2): what the networks that read gradients see of each."""
    return torch.stack(log_and_sign(slopes, P), -1)


def _linear(inputs: int, outputs: int) -> nn.Parameter:
    """(outputs, inputs + 1): a linear layer's weights and, last, its biases."""
    made = nn.Linear(inputs, outputs)
    return nn.Parameter(torch.cat([made.weight, made.bias[:, None]], 1).detach())


def _centred(weights: Tensor) -> Tensor:
    """Without what all weights of a layer have in common: most have hardly a gradient, so that they are made alike, and
    were they all below 0, a relu would leave nothing of them."""
    return weights - weights.mean(-1, keepdim=True)


def _through(weight: Tensor, z: Tensor) -> Tensor:
    """(..., outputs) of z (..., inputs) by a layer for all, or by one for each."""
    return (weight[..., :-1] @ z.unsqueeze(-1)).squeeze(-1) + weight[..., -1]


def meta_networks(
    shape: tuple[int, int, int],
    *,
    way: int,
    width: int = 64,
    normalization: str = "batch",
    hidden: int = 64,
    size: int = 20,
) -> MetaNetworks:
    """The paper's for Omniglot: two nets of convolutions with 64 filters, here of four blocks, an LSTM and a net of
    three layers with 20 units."""
    base, represent = (conv4(shape, width=width, normalization=normalization) for _ in range(2))
    return MetaNetworks(base, represent, base.features, way=way, hidden=hidden, size=size)
