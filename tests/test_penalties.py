"""Penalties in a training loop of one's own."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from quickstudy import penalties
from quickstudy.learners.ewc import fisher


def model():
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 4))


def task(seed):
    chance = torch.Generator().manual_seed(seed)
    middle = torch.randn(4, 6, generator=chance)
    y = torch.arange(60) % 4
    return middle[y] + 0.3 * torch.randn(60, 6, generator=chance), y


def trained(net, penalty, x, y, steps=60):
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    for _ in range(steps):
        loss = F.cross_entropy(net(x), y) + penalty()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net


def right(net, x, y):
    net.eval()
    share = float((net(x).argmax(1) == y).float().mean())
    net.train()
    return share


MAKES = {
    "ewc": lambda net: penalties.ewc(net, strength=1e4),
    "mas": lambda net: penalties.mas(net, strength=50),
}


@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
def test_two_lines_hold_what_was_learned(make):
    held = []
    for strong in (True, False):
        torch.manual_seed(0)
        net = model()
        penalty = make(net)
        assert penalty().item() == 0
        trained(net, penalty, *task(0))
        penalty.consolidate(*task(0))
        assert penalty().item() == 0
        penalty.strength *= strong
        trained(net, penalty, *task(1))
        assert not strong or penalty().item() > 0
        held.append(right(net, *task(0)))
    assert held[0] > held[1] + 0.2


def test_consolidating_changes_nothing_but_the_penalty():
    net = model()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    penalties.mas(net, strength=1.0).consolidate(task(0)[0])
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())


def test_its_value_and_slope_are_those_of_the_formula():
    net = model().double()
    x, y = task(0)
    penalty = penalties.ewc(net, strength=3.0, fisher="empirical")
    penalty.consolidate(x.double(), y)
    anchor = {name: p.detach().clone() for name, p in net.named_parameters()}
    importance = fisher(net, anchor, x.double(), y, kind="empirical")
    for p in net.parameters():
        p.data += torch.randn_like(p)
    value = penalty()
    value.backward()
    apart = {name: p.detach() - anchor[name] for name, p in net.named_parameters()}
    torch.testing.assert_close(value.detach(), 1.5 * sum((importance[n] * a.square()).sum() for n, a in apart.items()))
    for name, p in net.named_parameters():
        torch.testing.assert_close(p.grad, 3 * importance[name] * apart[name])


def test_the_way_of_the_weights_is_known_from_the_optimizer_alone():
    """After two tasks, with the penalty's own pull taken out: -gradient of the loss · step, added up, over way²."""
    net = nn.Linear(6, 4).double()
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.5)
    penalty = penalties.si(net, optimizer, strength=3.0)
    wanted = {name: torch.zeros_like(p) for name, p in net.named_parameters()}
    for number in range(2):
        x, y = task(number)
        start = {name: p.detach().clone() for name, p in net.named_parameters()}
        work = {name: torch.zeros_like(p) for name, p in net.named_parameters()}
        for _ in range(5):
            before = {name: p.detach().clone() for name, p in net.named_parameters()}
            loss = F.cross_entropy(net(x.double()), y)
            alone = dict(zip(before, torch.autograd.grad(loss, list(net.parameters()), retain_graph=True), strict=True))
            optimizer.zero_grad()
            (loss + penalty()).backward()
            optimizer.step()
            for name, p in net.named_parameters():
                work[name] -= alone[name] * (p.detach() - before[name])
        penalty.consolidate()
        for name, p in net.named_parameters():
            wanted[name] += work[name].clamp_min(0) / ((p.detach() - start[name]).square() + 0.1)
            torch.testing.assert_close(penalty.quadratic.importance[name], wanted[name])
    assert penalty().item() == 0


def test_the_way_is_held():
    held = []
    for strength in (300.0, 0.0):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))
        optimizer = torch.optim.Adam(net.parameters(), 0.02)
        penalty = penalties.si(net, optimizer, strength=strength)
        for number in range(2):
            x, y = task(number)
            for _ in range(60):
                optimizer.zero_grad()
                (F.cross_entropy(net(x), y) + penalty()).backward()
                optimizer.step()
            penalty.consolidate()
        held.append(right(net, *task(0)))
    assert held[0] > held[1] + 0.2


def test_frozen_parameters_are_left_out():
    net = model()
    net[0].requires_grad_(False)
    penalty = penalties.mas(net, strength=1.0)
    penalty.consolidate(task(0)[0])
    assert not any(name.startswith("0.") for name in penalty.quadratic.importance)
    assert penalty.quadratic.importance["4.weight"].any()


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="strength"):
        penalties.mas(model(), strength=-1)
    with pytest.raises(ValueError, match="exact, sample, empirical, predicted"):
        penalties.ewc(model(), strength=1, fisher="batched")
    for decay, online in ((0.3, False), (-7.0, True)):
        with pytest.raises(ValueError, match="decay is from 0 to 1"):
            penalties.ewc(model(), strength=1, online=online, decay=decay)
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with pytest.raises(ValueError, match="damping"):
        penalties.si(net, optimizer, damping=0)
    penalties.si(net, optimizer)
    with pytest.raises(ValueError, match="closure"):
        optimizer.step(lambda: 0.0)
