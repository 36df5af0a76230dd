"""Penalties in a training loop of one's own."""

import copy

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

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


MAKES_OF_A_LOOP = {
    "ewc": lambda net, optimizer: penalties.ewc(net, strength=1e3),
    "drawn": lambda net, optimizer: penalties.ewc(net, strength=1e3, fisher="sample", online=True, decay=0.9),
    "mas": lambda net, optimizer: penalties.mas(net, strength=50),
    "si": lambda net, optimizer: penalties.si(net, optimizer, strength=300),
}


def looped(net, optimizer, penalty, which):
    """Some tasks, each in two halves, after one of which a loop may be killed."""
    for number in which:
        x, y = task(number // 2)
        for _ in range(10):
            optimizer.zero_grad()
            (F.cross_entropy(net(x), y) + penalty()).backward()
            optimizer.step()
        if number % 2:
            penalty.consolidate(*() if isinstance(penalty, penalties.SIPenalty) else (x,))


@pytest.mark.parametrize("make", MAKES_OF_A_LOOP.values(), ids=MAKES_OF_A_LOOP)
def test_a_loop_that_was_killed_goes_on_to_the_same_weights(make, tmp_path):
    def begun():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))
        optimizer = torch.optim.Adam(net.parameters(), 0.02)
        return net, optimizer, make(net, optimizer)

    whole = begun()
    looped(*whole, range(6))
    before = begun()
    looped(*before, range(3))
    save_file(before[2].state_dict(), tmp_path / "penalty.safetensors")
    after = begun()
    after[0].load_state_dict(before[0].state_dict())
    after[1].load_state_dict(copy.deepcopy(before[1].state_dict()))
    after[2].load_state_dict(load_file(tmp_path / "penalty.safetensors"))
    looped(*after, range(3, 6))
    for path, tensor in whole[2].state_dict().items():
        assert torch.equal(tensor, after[2].state_dict()[path]), path
    assert all(torch.equal(a, b) for a, b in zip(whole[0].parameters(), after[0].parameters(), strict=True))
    assert whole[2].quadratic.importance["0.weight"].any()


def test_what_was_loaded_is_no_longer_shared():
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    first, second = penalties.si(net, optimizer), penalties.si(net, optimizer)
    second.load_state_dict(first.state_dict())
    shared = {id(tensor) for tensor in first.state_dict().values()} & {id(t) for t in second.state_dict().values()}
    assert not shared


def test_the_state_of_another_penalty_is_refused():
    net, small = model(), nn.Linear(6, 4)
    held, of_small = penalties.mas(net, strength=1.0), penalties.mas(small, strength=1.0)
    with pytest.raises(ValueError, match=r"importance\.4\.bias is of another model"):
        of_small.load_state_dict({name: t for name, t in held.state_dict().items() if name == "importance.4.bias"})
    with pytest.raises(ValueError, match="rng is of another model, or of another penalty, than MASPenalty"):
        held.load_state_dict({"rng": torch.zeros(1)})
    with pytest.raises(ValueError, match="rng is missing: this is not the state of a EWCPenalty"):
        penalties.ewc(net, strength=1.0).load_state_dict(held.state_dict())
    with pytest.raises(ValueError, match=r"0\.weight is \(8, 6\), and was \(8, 5\)"):
        held.load_state_dict(held.state_dict() | {"anchor.0.weight": torch.zeros(8, 5)})


class Heads(nn.Module):
    """A head for each task, made when it comes."""

    def __init__(self):
        super().__init__()
        self.body, self.heads = nn.Linear(6, 8), nn.ModuleList([nn.Linear(8, 4)])

    def forward(self, x):
        return self.heads[-1](self.body(x).relu())


@pytest.mark.parametrize("make", MAKES_OF_A_LOOP.values(), ids=MAKES_OF_A_LOOP)
def test_a_model_may_grow_heads(make):
    torch.manual_seed(0)
    net = Heads()
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    penalty = make(net, optimizer)
    looped(net, optimizer, penalty, range(2))
    of_first = penalty.quadratic.importance["heads.0.weight"].clone()
    net.heads.append(nn.Linear(8, 4))
    optimizer.add_param_group({"params": list(net.heads[1].parameters())})
    assert penalty().item() == 0
    with torch.no_grad():
        net.heads[1].weight += 1
    assert penalty().item() == 0  # nothing is known of it
    looped(net, optimizer, penalty, range(2, 4))
    assert penalty.quadratic.importance["heads.1.weight"].any()
    decayed = 0.9 if getattr(penalty, "online", False) else 1
    torch.testing.assert_close(penalty.quadratic.importance["heads.0.weight"], decayed * of_first)
    known = penalty().item()  # of tasks with an anchor each, not 0
    net.heads.append(nn.Linear(8, 4))
    assert penalty().item() == known
    penalty.consolidate(*() if isinstance(penalty, penalties.SIPenalty) else (task(0)[0],))  # no step was made
    assert torch.equal(penalty.quadratic.anchor["heads.2.weight"], net.heads[2].weight)
    net.heads[0] = nn.Linear(8, 6)
    with pytest.raises(ValueError, match=r"heads\.0\.weight is \(6, 8\), and was \(4, 8\) .* a head of its own"):
        penalty()


@pytest.mark.parametrize("make", MAKES_OF_A_LOOP.values(), ids=MAKES_OF_A_LOOP)
def test_what_was_frozen_for_a_while_is_held_again(make):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    penalty = make(net, optimizer)
    looped(net, optimizer, penalty, range(2))
    before = {path: tensor.clone() for path, tensor in penalty.state_dict().items() if ".0." in path}
    net[0].requires_grad_(False)
    optimizer.zero_grad(set_to_none=True)
    looped(net, optimizer, penalty, range(2, 4))
    for path in ("importance.0.weight", "anchor.0.weight"):
        assert torch.equal(penalty.state_dict()[path], before[path])
    net[0].requires_grad_(True)
    at_anchor = penalty().item()
    with torch.no_grad():
        net[0].weight += 1
    assert penalty().item() > at_anchor


@pytest.mark.parametrize("kind", ["exact", "empirical"])
def test_importances_are_measured_on_batches_as_on_all(kind):
    torch.manual_seed(0)
    net = model().double()
    x, y = task(0)
    together, in_batches = (penalties.ewc(net, strength=1.0, fisher=kind) for _ in range(2))
    together.consolidate(x.double(), y)
    in_batches.consolidate(DataLoader(TensorDataset(x.double(), y), batch_size=25))  # 25, 25 and 10
    torch.testing.assert_close(in_batches.quadratic, together.quadratic)
    blind = penalties.mas(net, strength=1.0)
    blind.consolidate(part for part in x.double().split(7))
    known = penalties.mas(net, strength=1.0)
    known.consolidate(x.double())
    torch.testing.assert_close(blind.quadratic, known.quadratic)
    with pytest.raises(ValueError, match="at least one example"):
        blind.consolidate([])
    with pytest.raises(ValueError, match=r"a batch is x, or \(x, y\); got 3 parts"):
        blind.consolidate([(x.double(), y, y)])
    blind.consolidate([(x.double(),)])  # as a DataLoader of a TensorDataset(x) gives


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
