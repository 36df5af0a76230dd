"""One virtual step of gradient descent, and how the loss on clean examples after it depends on what was learned from.

With weights w_i of the examples, θ' = θ - rate · ∇ Σ w_i l_i(θ), and

    d l_clean(θ') / d w_i = -rate · ⟨∇ l_i(θ), ∇ l_clean(θ')⟩.

The products with the gradients of single examples are the derivative of the vector of losses in one direction. Forward
mode has it in one pass, for any module and also where examples depend on each other, as in batch normalization; no
gradient of an example is ever made. ``exact`` differentiates through the step instead, in reverse, to the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.func import functional_call, jvp
from torch.nn.attention import SDPBackend, sdpa_kernel

from quickstudy.nets.importance import evaluating

Weights = dict[str, Tensor]
Batch = Sequence[Any]  # what ``losses`` takes beside the model: usually x (n, *shape) and y (n,)
Losses = Callable[..., Tensor]  # (model, *batch) -> (n,), a loss for each example
FORMS = ("products", "exact")
MODES = ("same", "eval")


class Judged(NamedTuple):
    """What one virtual step says of the examples in it."""

    losses: Tensor  # (n,)
    slopes: Tensor  # (n,), of the clean loss after the step by the weight of each example


class Virtual:
    """The losses of a model as functions of the weights that are trained. Neither its weights, nor its gradients, nor
    its buffers (the running statistics of batch normalization) are changed by anything here.

    ``valid`` are the clean examples, as ``losses`` takes them; ``draw`` of them at a time, at random, or all. In
    ``valid_mode`` "eval" the model is in ``eval()`` for them: no dropout, and batch normalization by the running
    statistics; in "same" it is as it is.
    """

    def __init__(
        self,
        model: nn.Module,
        valid: Sequence[Tensor],
        *,
        losses: Losses | None,
        rate: float,
        draw: int | None,
        form: str,
        valid_mode: str,
        seed: int,
    ) -> None:
        if form not in FORMS or valid_mode not in MODES:
            raise ValueError(f"form is {' or '.join(FORMS)}, valid_mode {' or '.join(MODES)}, got {form}, {valid_mode}")
        if not rate > 0:
            raise ValueError(f"the rate of the virtual step is above 0, got {rate}")
        count = len(valid[0]) if valid else 0
        if not count or any(len(part) != count for part in valid) or not 1 <= (draw or count) <= count:
            lengths = [len(part) for part in valid]
            raise ValueError(f"needs at least one clean example, draws of at most all; got lengths {lengths}, {draw}")
        self.model, self.valid, self.rate, self.draw = model, tuple(valid), rate, draw
        self.form, self.valid_mode = form, valid_mode
        self.measured = _Measured(model, losses or cross_entropies)
        self.rng = Generator().manual_seed(seed)

    def weights(self) -> Weights:
        """Those that are trained, live, by name. Raises ValueError for none."""
        found: Weights = {name: w for name, w in self.measured.named_parameters() if w.requires_grad}
        if not found:
            raise ValueError("no parameter of the model is trained (requires_grad is False in all)")
        return found

    def losses(self, weights: Weights, batch: Batch) -> Tensor:
        """(n,) with these weights; buffers are copies."""
        buffers = {name: value.clone() for name, value in self.measured.named_buffers()}
        found = functional_call(self.measured, weights | buffers, tuple(batch))
        if found.dim() != 1:
            raise ValueError(
                f"losses makes a number for each example, (n,), got a tensor of {tuple(found.shape)}; "
                'give reduction="none" to the loss'
            )
        return found

    def clean_batch(self) -> Batch:
        """The next clean examples."""
        if self.draw is None:
            return self.valid
        rows = torch.randperm(len(self.valid[0]), generator=self.rng)[: self.draw]
        return [part[rows.to(part.device)] for part in self.valid]

    def clean_loss(self, weights: Weights, clean: Batch) -> Tensor:
        """The mean loss on clean examples, a scalar."""
        mode: AbstractContextManager[None] = evaluating(self.model) if self.valid_mode == "eval" else nullcontext()
        with mode:
            return self.losses(weights, clean).mean()

    def stepped(self, weights: Weights, loss: Tensor, *, differentiable: bool) -> Weights:
        """The weights after a step on this loss."""
        grads = torch.autograd.grad(loss, list(weights.values()), create_graph=differentiable, materialize_grads=True)
        return {name: w - self.rate * g for (name, w), g in zip(weights.items(), grads, strict=True)}

    def judge(self, batch: Batch, start: Callable[[Tensor], Tensor] | None = None) -> Judged:
        """The losses of the examples, and the slopes of the clean loss after the virtual step by their weights, at
        those that ``start`` makes of the losses; unless given, at 0, where the step leads nowhere."""
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):  # attention whose derivative has a derivative
            return (self._exactly if self.form == "exact" else self._by_products)(batch, start, self.clean_batch())

    def _exactly(self, batch: Batch, start: Callable[[Tensor], Tensor] | None, clean: Batch) -> Judged:
        weights = self.weights()
        losses = self.losses(weights, batch)
        each = (torch.zeros_like(losses) if start is None else start(losses.detach())).detach().requires_grad_()
        after = self.stepped(weights, (each * losses).sum(), differentiable=True)
        (slopes,) = torch.autograd.grad(self.clean_loss(after, clean), [each], materialize_grads=True)
        return Judged(losses.detach(), slopes)

    def _by_products(self, batch: Batch, start: Callable[[Tensor], Tensor] | None, clean: Batch) -> Judged:
        live = self.weights()
        fixed = {name: w.detach() for name, w in live.items()}
        after = fixed
        if start is not None:
            losses = self.losses(live, batch)
            after = self.stepped(live, (start(losses.detach()).detach() * losses).sum(), differentiable=False)
        after = {name: w.detach().requires_grad_() for name, w in after.items()}
        found = torch.autograd.grad(self.clean_loss(after, clean), list(after.values()), materialize_grads=True)
        along = dict(zip(after, found, strict=True))
        try:
            with torch.no_grad():
                pair: Any = jvp(lambda weights: self.losses(weights, batch), (fixed,), (along,))
        except NotImplementedError as error:
            raise NotImplementedError(
                f'a part of the model has no forward-mode derivative ({error}); choose form="exact" (or, for attention '
                "in eval(), torch.backends.mha.set_fastpath_enabled(False))"
            ) from error
        return Judged(pair[0], -self.rate * pair[1])


class _Measured(nn.Module):
    """A model together with its losses, so that its weights can be swapped for one call."""

    def __init__(self, model: nn.Module, losses: Losses) -> None:
        super().__init__()
        self.model, self.made = model, losses

    def forward(self, *batch: Any) -> Tensor:
        return self.made(self.model, *batch)


def cross_entropies(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """(n,) of a classifier that makes (n, classes) logits."""
    return F.cross_entropy(model(x), y, reduction="none")
