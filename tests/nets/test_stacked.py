from __future__ import annotations

import pytest
import torch
from torch import nn

from quickstudy.nets import stacked
from quickstudy.nets.conv4 import conv4
from quickstudy.nets.mlp import mlp

TASKS = 3
NETS = {
    "conv4": lambda norm: conv4((1, 16, 16), width=8, normalization=norm),
    "conv4 in colour": lambda norm: conv4((3, 16, 16), width=8, normalization=norm),
    "conv4 by strides": lambda norm: conv4((1, 16, 16), width=8, normalization=norm, stride=True),
    "mlp of pictures": lambda norm: mlp((1, 16, 16), widths=(9, 5), normalization=norm),
}


def weights_of(net):
    return {name: torch.randn(TASKS, *w.shape).to(w) * 0.3 for name, w in net.named_parameters()}


def alone(net, weights, x):
    return torch.stack(
        [torch.func.functional_call(net, {k: w[i] for k, w in weights.items()}, (x[i],)) for i in range(TASKS)]
    )


@pytest.mark.parametrize("norm", ["batch", "group", "layer", "none"])
@pytest.mark.parametrize("name", NETS)
def test_equals_the_net_task_by_task_in_values_and_gradients(name, norm):
    net = NETS[name](norm).double()
    x = torch.rand(TASKS, 4, 3 if "colour" in name else 1, 16, 16, dtype=torch.float64)
    weights = {name: w.requires_grad_() for name, w in weights_of(net).items()}
    assert stacked.stackable(net)
    together, singly = stacked.run(net, weights, x), alone(net, weights, x)
    assert together.shape == (TASKS, 4, net.features)
    torch.testing.assert_close(together, singly, rtol=1e-9, atol=1e-9)
    ours, theirs = (torch.autograd.grad(z.tanh().sum(), list(weights.values())) for z in (together, singly))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9)


def test_what_is_not_given_is_the_nets_own():
    net = conv4((1, 16, 16), width=4).double()
    x = torch.rand(TASKS, 4, 1, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(stacked.run(net, {}, x), torch.stack([net(one) for one in x]))


def test_calibrated_statistics_hold_for_every_task():
    net = conv4((1, 16, 16), width=4).double()
    for part in net.modules():
        if hasattr(part, "calibrated"):
            part.calibrated = True
            part.mean.normal_()
    net.eval()
    x, weights = torch.rand(TASKS, 4, 1, 16, 16, dtype=torch.float64), weights_of(net)
    torch.testing.assert_close(stacked.run(net, weights, x), alone(net, weights, x))


@pytest.mark.parametrize(
    "net",
    [
        nn.Sequential(nn.Conv2d(1, 4, 3, dilation=2)),
        nn.Sequential(nn.Conv2d(1, 4, 3, padding="same")),
        nn.Sequential(nn.Conv2d(1, 4, 3, padding="valid")),
        nn.Sequential(nn.Linear(4, 4), relu := nn.ReLU(), nn.Linear(4, 4), relu),
        nn.Sequential(linear := nn.Linear(4, 4), nn.ReLU(), linear),
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(2)),
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)),
        conv4((1, 16, 16), width=4, normalization="support"),
    ],
    ids=[
        "dilation",
        "same",
        "valid",
        "a layer twice",
        "weights twice",
        "flattened elsewhere",
        "torch's batch norm",
        "statistics of the support",
    ],
)
def test_what_is_not_known_is_left_to_vmap(net):
    assert not stacked.stackable(net)
