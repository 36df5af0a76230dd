"""The optimizer is the rule, whatever the parameters are cut into; it is one of torch; and it has a guard."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import nn

from quickstudy import rules
from quickstudy.files import FileProblem
from quickstudy.optim import LearnedOptimizer, learned
from quickstudy.storage import save_tensors


def net():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))


X, Y = torch.randn(16, 5, generator=torch.Generator().manual_seed(2)), torch.arange(16) % 3


def loss_of(model):
    return nn.functional.cross_entropy(model(X), Y)


def descend(model, optimizer, steps, scheduler=None):
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        optimizer.observe(loss)
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        losses.append(float(loss.detach()))
    return losses


@pytest.fixture(params=["lstm", "rnnprop", "mlp"])
def rule(request):
    return getattr(rules, request.param)(8)


@pytest.mark.parametrize("chunk", [1, 7, 10_000])
def test_it_is_the_rule(rule, chunk, monkeypatch):
    monkeypatch.setattr(learned, "CHUNK", chunk)
    model = net()
    optimizer = LearnedOptimizer(model.parameters(), rule)
    weights = {name: p.detach().clone() for name, p in model.named_parameters()}
    memory = rule.init(weights)
    for _ in range(5):
        optimizer.zero_grad()
        loss_of(model).backward()
        grads = {name: p.grad for name, p in model.named_parameters()}
        with torch.no_grad():
            weights, memory = rule.update(grads, memory, weights, torch.zeros(()))
        optimizer.step()
        for name, p in model.named_parameters():
            torch.testing.assert_close(p.detach(), weights[name])


def test_an_untrained_rule_learns(rule):
    model = net()
    losses = descend(model, LearnedOptimizer(model.parameters(), rule), 60)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("guarded", [True, False])
def test_a_state_that_was_saved_goes_on_with_the_same_bits(rule, guarded, tmp_path):
    def made():
        model = net()
        groups = [{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": 0.5}]
        optimizer = LearnedOptimizer(groups, rule, guard=guarded)
        return model, optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 4, 0.5)

    model, optimizer, scheduler = made()
    descend(model, optimizer, 13, scheduler)
    torch.save([part.state_dict() for part in (model, optimizer, scheduler)], tmp_path / "state.pt")
    whole = descend(model, optimizer, 13, scheduler)
    other = made()
    for part, state in zip(other, torch.load(tmp_path / "state.pt", weights_only=True), strict=True):
        part.load_state_dict(state)
    assert descend(other[0], other[1], 13, other[2]) == whole
    for a, b in zip(model.parameters(), other[0].parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_rate_scales_a_step(rule):
    steps = []
    for lr in (1.0, 0.5):
        model = net()
        before = [p.detach().clone() for p in model.parameters()]
        descend(model, LearnedOptimizer(model.parameters(), rule, lr=lr), 1)
        steps.append([p.detach() - old for p, old in zip(model.parameters(), before, strict=True)])
    for one, half in zip(*steps, strict=True):
        torch.testing.assert_close(half, 0.5 * one)


def test_a_closure_is_called_once_and_its_loss_given_back(rule):
    model = net()
    optimizer, calls = LearnedOptimizer(model.parameters(), rule), []

    def closure():
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        calls.append(float(loss))
        return loss

    assert float(optimizer.step(closure)) == calls[0]
    assert len(calls) == 1
    assert optimizer.param_groups[0]["watch"]["seen"] == 1


def test_a_parameter_without_a_gradient_stays_with_its_memory(rule):
    model = net()
    optimizer = LearnedOptimizer(model.parameters(), rule)
    descend(model, optimizer, 2)
    still = model[0].weight
    kept, count = still.detach().clone(), still.numel()
    memory = {k: v.clone() for k, v in optimizer.state[still].items() if k.startswith("memory.") and v.dim()}
    loss_of(model).backward()
    still.grad = None
    optimizer.step()
    assert torch.equal(still, kept)
    for key, before in memory.items():
        after = optimizer.state[still][key]
        assert torch.equal(after[..., :count], before[..., :count])
        assert not torch.equal(after[..., count:], before[..., count:])


@pytest.mark.filterwarnings("ignore:the learned optimizer")
def test_it_falls_back_where_a_rule_climbs():
    """A rule whose steps are against all descent, from the tenth step on."""
    model, rule = net(), rules.rnnprop(8)
    optimizer = LearnedOptimizer(model.parameters(), rule, fallback=0.01)
    before = descend(model, optimizer, 40)
    with torch.no_grad():
        rule.weight.mul_(-20)
    descend(model, optimizer, 60)
    assert optimizer.param_groups[0]["fallen"]
    after = descend(model, optimizer, 40)
    assert after[-1] < min(before)
    twin = net()
    with pytest.warns(UserWarning, match="lost its way"):
        descend(twin, LearnedOptimizer(twin.parameters(), rule), 60)


def test_a_gradient_that_is_no_number_does_not_reach_the_weights(rule):
    model = net()
    optimizer = LearnedOptimizer(model.parameters(), rule)
    descend(model, optimizer, 3)
    kept = copy.deepcopy(model.state_dict())
    for p in model.parameters():
        p.grad = torch.full_like(p, torch.nan)
    with pytest.warns(UserWarning, match="goes on from the best weights kept, as Adam"):
        optimizer.step()
    assert all(torch.isfinite(p).all() for p in model.parameters())
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it says so once
        losses = descend(model, optimizer, 5)
    assert losses[-1] < losses[0]
    assert kept.keys() == model.state_dict().keys()


def test_what_it_cannot_move_is_refused(rule):
    with pytest.raises(ValueError, match="float32 or float64"):
        LearnedOptimizer([torch.zeros(2, dtype=torch.bfloat16, requires_grad=True)], rule)
    with pytest.raises(ValueError, match="fallback positive"):
        LearnedOptimizer(net().parameters(), rule, fallback=0.0)


def test_double_precision_is_moved_in_double_precision(rule):
    model, twin = net().double(), net()
    optimizers = [LearnedOptimizer(one.parameters(), rule) for one in (model, twin)]
    for _ in range(3):
        for one, optimizer, x in zip((model, twin), optimizers, (X.double(), X), strict=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(one(x), Y).backward()
            optimizer.step()
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert ours.dtype == torch.float64
        torch.testing.assert_close(ours.float(), theirs, rtol=1e-4, atol=1e-5)
    assert next(rule.parameters()).dtype == torch.float32


def test_a_copy_goes_on(rule):
    model = net()
    optimizer = LearnedOptimizer(model.parameters(), rule)
    descend(model, optimizer, 3)
    twin, copied = copy.deepcopy((model, optimizer))
    assert descend(model, optimizer, 3) == descend(twin, copied, 3)


def test_making_one_leaves_the_random_numbers_of_others_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    LearnedOptimizer(net_without_a_seed())
    assert torch.equal(torch.rand(3), expected)


def net_without_a_seed():
    return [nn.Parameter(torch.zeros(3))]


def test_what_holds_no_learned_optimizer_is_named(tmp_path, monkeypatch):
    save_tensors(tmp_path / "weights.safetensors", {"a": torch.ones(2)}, {})
    with pytest.raises(FileProblem, match="holds no learned optimizer"):
        LearnedOptimizer(net_without_a_seed(), tmp_path / "weights.safetensors")
    (tmp_path / "rnnprop").mkdir()
    monkeypatch.chdir(tmp_path)
    LearnedOptimizer(net_without_a_seed())  # the package's, whatever lies here
