"""How the nets of layouts are fitted: Adam on batches that a seed draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from quickstudy import batching, devices
from quickstudy.files import FileProblem
from quickstudy.maps.layout import Floats
from quickstudy.nets.mlp import mlp
from quickstudy.rules.applied import Applied

N = TypeVar("N", bound=nn.Module)
AT_ONCE = 4096  # examples


def dense(inputs: int, widths: Sequence[int], outputs: int) -> nn.Sequential:
    """Blocks of linear and ReLU, and a last linear layer: (n, inputs) to (n, outputs)."""
    body = mlp((inputs,), widths=widths)
    return nn.Sequential(body, nn.Linear(body.features, outputs))


class Scaled(nn.Module):
    """(n, d) to the same with a mean of 0, and a variance that is 1 on average over the columns."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.spread: Tensor
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("spread", torch.ones(1))

    def learn(self, x: Tensor) -> None:
        """The numbers of (n, d); a number that is not there (nan) does not count."""
        self.mean.copy_(x.nanmean(0))
        self.spread.copy_((x - self.mean).square().nanmean().sqrt().clamp_min(1e-12))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.spread

    def back(self, x: Tensor) -> Tensor:
        """The inverse."""
        return x * self.spread + self.mean


def descend(net: nn.Module, loss: Callable[[], Tensor], *, steps: int, rate: float, progress: bool) -> None:
    """Adam on a loss that draws its own batch; the rate falls to 0 along a half cosine. Leaves the net in ``eval()``.

    Raises ValueError for no steps, and ArithmeticError where the loss is no number.
    """
    if steps < 1 or rate <= 0:
        raise ValueError(f"a net is fitted in at least one step, at a positive rate, got {steps} steps at {rate}")
    devices.prepare()
    net.train()
    adam, weights = Applied(net, rate=rate), batching.trainable(net)
    for step in tqdm(range(steps), "fitting", disable=not progress, unit="step"):
        found = loss()
        adam.step(torch.autograd.grad(found, weights), step / steps, found)
        if (step % 100 == 0 or step == steps - 1) and not bool(found.isfinite()):
            lost = float(found.detach())
            raise ArithmeticError(f"the loss is {lost} after {step} steps; use a smaller rate than {rate}")
    net.eval()
    if not all(bool(w.isfinite().all()) for w in weights):
        raise ArithmeticError(f"the weights are no numbers after {steps} steps; use a smaller rate than {rate}")


def applied(net: nn.Module, x: Floats) -> Floats:
    """What the net makes of (n, d), many at once."""
    with torch.inference_mode():
        parts = [net(part) for part in tensor(x).split(AT_ONCE)]
    return torch.cat(parts).numpy()


def tensor(x: Floats) -> Tensor:
    """Single precision, as the nets have."""
    return torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))


def arrays(net: nn.Module) -> dict[str, Floats]:
    """Weights and buffers by name."""
    return {name: part.detach().numpy() for name, part in net.state_dict().items()}


def filled(net: N, kept: Mapping[str, Floats], prefix: str) -> N:
    """The net with those weights whose names begin with ``prefix``, in ``eval()``."""
    own = {name.removeprefix(prefix): torch.from_numpy(part) for name, part in kept.items() if name.startswith(prefix)}
    try:
        net.load_state_dict(own)
    except RuntimeError as error:
        raise FileProblem(f"these are the weights of another net; pass yours to load as net=... ({error})") from error
    return net.eval()
