from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quickstudy import rules


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    betas=st.sampled_from([(0.9, 0.999), (0.0, 0.999), (0.5, 0.0)]),
    eps=st.sampled_from([1e-8, 1e-3]),
    weight_decay=st.sampled_from([0.0, 0.1]),
    decoupled=st.booleans(),
)
def test_it_is_that_of_torch(betas, eps, weight_decay, decoupled, weights, follow):
    options = {"betas": betas, "eps": eps, "weight_decay": weight_decay}
    kind = torch.optim.AdamW if decoupled else torch.optim.Adam
    rule = rules.adam(0.03, decoupled=decoupled, **options)
    follow(rule, lambda theirs: kind(list(theirs.values()), lr=0.03, **options), weights)


@pytest.mark.parametrize("decoupled", [False, True])
def test_rates_by_layer_are_those_of_parameter_groups(decoupled, weights, follow):
    def optimizer(theirs):
        groups = [{"params": [w], "lr": 0.1 if name.startswith("embed") else 0.02} for name, w in theirs.items()]
        return (torch.optim.AdamW if decoupled else torch.optim.Adam)(groups, weight_decay=0.1)

    rule = rules.adam({"": 0.02, "embed": 0.1}, weight_decay=0.1, decoupled=decoupled)
    follow(rule, optimizer, weights)


def test_a_mean_whose_gradient_has_stopped_comes_to_nothing_and_the_weights_are_those_of_torch():
    """Left alone it stays subnormal for ever, and slow on a CPU."""
    start = torch.randn(1000)
    theirs, ours = start.clone().requires_grad_(), {"w": start.clone()}
    optimizer, rule = torch.optim.Adam([theirs], lr=1e-3, fused=True), rules.adam(1e-3)
    memory = rule.init(ours)
    for step in range(1100):
        grad = torch.randn(1000) * (step < 5 or torch.arange(1000) < 500)
        theirs.grad = grad
        optimizer.step()
        memory = rule.move({"w": grad}, memory, ours, torch.zeros(()))
    assert bool((optimizer.state[theirs]["exp_avg"][500:] != 0).all())
    assert not memory.mean["w"][500:].any()
    assert memory.mean["w"][:500].equal(optimizer.state[theirs]["exp_avg"][:500])
    assert ours["w"].equal(theirs.detach())


def test_in_single_precision_too_the_start_is_corrected_exactly():
    """The trap: 1 - 0.999^t from float32 numbers has four digits at the first step."""
    w, g = {"w": torch.zeros(5)}, {"w": torch.tensor([1e-5, 1e-3, 0.1, 1.0, 100.0])}
    rule = rules.adam(1.0, eps=0.0)
    new, _ = rule.update(g, rule.init(w), w, torch.zeros(()))
    torch.testing.assert_close(new["w"], -torch.ones(5), rtol=1e-6, atol=0)


def some_zero(theta, rule, steps=3):
    """A loss after some steps in which the first two gradients of four are exactly zero, the second in every step."""
    w = {"w": theta}
    memory = rule.init(w)
    for step in range(steps):

        def inner(weights, step=step):
            return (weights["w"] * torch.tensor([step > 0, 0.0, 1.0, 2.0], dtype=torch.float64)).square().sum()

        grads, loss = torch.func.grad_and_value(inner)(w)
        w, memory = rule.update(grads, memory, w, loss)
    return w["w"].cos().sum()


def test_meta_gradients_are_finite_where_a_gradient_is_zero():
    """Torchopt issue 26: they were nan."""
    theta = torch.randn(4, dtype=torch.float64)
    rule = rules.adam(0.1)
    grad = torch.func.grad(some_zero)(theta, rule)
    assert bool(grad.isfinite().all())
    assert grad[1] == -theta[1].sin()  # nothing moved it
    mapped = torch.func.vmap(torch.func.grad(some_zero), in_dims=(0, None))(theta.expand(2, 4), rule)
    torch.testing.assert_close(mapped, grad.expand(2, 4))
    hessian = torch.func.hessian(some_zero)(theta, rule)
    assert bool(hessian.isfinite().all())


def test_where_gradients_are_zero_the_value_is_that_of_torch():
    ours, theirs = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0], requires_grad=True)
    theirs.grad = torch.tensor([0.0, 1.0])
    torch.optim.Adam([theirs], lr=0.1).step()
    rule, w = rules.adam(0.1), {"w": ours}
    new, _ = rule.update({"w": theirs.grad}, rule.init(w), w, torch.zeros(()))
    torch.testing.assert_close(new["w"], theirs.detach())
    assert new["w"][0] == 1.0


@pytest.mark.parametrize("options", [{"eps": -1.0}, {"weight_decay": -1.0}, {"betas": (0.9, 1.0)}])
def test_wrong_options_are_refused(options):
    with pytest.raises(ValueError, match="got"):
        rules.adam(**options)
