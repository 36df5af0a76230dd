"""Truncated backpropagation and persistent evolution: their gradients, their carry, what training makes of them."""

from __future__ import annotations

import pytest
import torch

from quickstudy import rules, tree
from quickstudy.outer import Evolution, Truncated, Unroll
from quickstudy.outer.sweep import swept
from quickstudy.outer.truncated import constant, exact, sampled, strata
from quickstudy.storage import Run
from quickstudy.tasks import quadratics
from quickstudy.tasks.losses import Descent, begin, curves
from quickstudy.train import train

LOSSES = quadratics(4)


class Killed(BaseException):
    pass


class Mortal:
    def __init__(self, last):
        self.last = last

    def batch(self, indices):
        if indices[0] >= self.last:
            raise Killed
        return LOSSES.batch(indices)


def double(problems):
    return tree.map(torch.Tensor.double, problems)


def along(estimator, rule, count, segments):
    """The sum over segments of losses and gradients."""
    carry, problems, total = estimator.init(rule), LOSSES.batch(range(count)), None
    for _ in range(segments):
        loss, grads, carry = estimator.step(rule, problems, estimator.objective, carry)
        total = grads if total is None else [a + b for a, b in zip(total, grads, strict=True)]
    return loss, total, carry


def same(a, b, **tolerance):
    for one, other in zip(a, b, strict=True):
        torch.testing.assert_close(one, other, **tolerance)


@pytest.mark.parametrize("name", ["lstm", "rnnprop", "mlp"])
def test_a_segment_that_is_the_whole_descent_is_the_exact_gradient(name):
    rule = getattr(rules, name)(5)
    loss, grads, _ = along(Truncated(LOSSES, horizons=(6,), segment=6), rule, 3, 1)
    whole, exactly, _ = Unroll(chunk=1).step(rule, LOSSES.batch(range(3)), Descent(LOSSES, 6), ())
    torch.testing.assert_close(loss, whole)
    same(grads, exactly, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("logarithm", [False, True])
@pytest.mark.parametrize("name", ["lstm", "rnnprop", "mlp"])
def test_no_way_back_through_the_losses_is_needed(name, logarithm):
    rule = getattr(rules, name)(5).double()
    problems = double(LOSSES.batch(range(3)))
    none = torch.zeros((), dtype=torch.int64)
    carry = Truncated(LOSSES).init(rule)._replace(problems=problems, stand=begin(rule, LOSSES, problems), step=none)
    descent = Descent(LOSSES, 100, logarithm=logarithm)
    ours, theirs = constant(rule, descent, carry, range(5)), exact(rule, descent, carry, range(5))
    torch.testing.assert_close(ours[0], theirs[0])
    same(ours[1], theirs[1])
    everywhere = sampled(rule, descent, carry, range(5), torch.randperm(12), torch.ones(12, dtype=torch.float64))
    same(everywhere[1], theirs[1])
    same(tree.leaves(everywhere[2]), tree.leaves(theirs[2]))
    parts = [
        sampled(rule, descent, carry, range(5), torch.tensor(part), torch.full((4,), 3.0, dtype=torch.float64))[1]
        for part in ([3, 1, 8, 0], [2, 4, 5, 6], [7, 9, 10, 11])
    ]
    same([sum(grads) / 3 for grads in zip(*parts, strict=True)], theirs[1])


@pytest.mark.parametrize("logarithm", [False, True])
@pytest.mark.parametrize("detached", [False, True])
@pytest.mark.parametrize("p", [None, 5.0, 10.0])
def test_the_way_back_that_is_written_out_is_that_of_autograd(p, detached, logarithm):
    rule = rules.lstm(5, p=p, detached=detached).double()
    problems = double(LOSSES.batch(range(3)))
    descent = Descent(LOSSES, 100, logarithm=logarithm)
    stand = begin(rule, LOSSES, problems)
    for steps in (range(4), range(4, 9)):
        carry = Truncated(LOSSES).init(rule)._replace(problems=problems, stand=stand)
        loss, grads, after = swept(rule, descent, stand, problems, steps)
        expected = exact(rule, descent, carry, steps)
        torch.testing.assert_close(loss, expected[0])
        same(grads, expected[1])
        same(tree.leaves(after), [leaf.detach() for leaf in tree.leaves(expected[2])])
        stand = after


def test_a_loss_that_is_linear_or_flat_in_some_weights_is_gone_back_through():
    class Linear(type(LOSSES)):
        def loss(self, weights, problems, step):
            return super().loss({"theta": weights["theta"]}, problems, step) + weights["straight"].sum(-1)

        def start(self, problems):
            return super().start(problems) | {"straight": torch.zeros(len(problems["start"]), 2).double()}

    losses = Linear(4, drawing="gaussian", seed=0)
    rule, problems = rules.lstm(5, p=5.0, detached=False).double(), double(losses.batch(range(3)))
    descent, stand = Descent(losses, 100), begin(rule, losses, problems)
    carry = Truncated(losses).init(rule)._replace(problems=problems, stand=stand)
    same(swept(rule, descent, stand, problems, range(4))[1], exact(rule, descent, carry, range(4))[1])


def test_every_weight_is_asked_and_its_places_stand_for_all_it_has():
    weights = {"first": torch.zeros(3, 50), "bias": torch.zeros(3, 1), "last": torch.zeros(3, 7)}
    places, stands = strata(weights, 30)
    assert [int(((places >= a) & (places < b)).sum()) for a, b in ((0, 150), (150, 153), (153, 174))] == [10, 3, 10]
    assert len(places.unique()) == 23
    for a, b in ((0, 150), (150, 153), (153, 174)):
        assert stands[(places >= a) & (places < b)].sum() == pytest.approx(b - a)


def test_a_rule_whose_gradients_are_no_constants_is_gone_back_through():
    rule = rules.meta_sgd({"theta": torch.full((1, 4), 0.1)})
    _, grads, _ = along(Truncated(LOSSES, horizons=(3,), segment=3), rule, 1, 1)
    rate = rule.get_parameter("rate/theta")
    found = []
    for sign in (1, -1):
        with torch.no_grad():
            rate[0, 1] += sign * 1e-2
            found.append(curves(rule, LOSSES, [0], 3)[:, 1:].mean())
            rate[0, 1] -= sign * 1e-2
    assert float(grads[0][0, 1]) == pytest.approx(float(found[0] - found[1]) / 2e-2, rel=0.02)


@pytest.mark.parametrize("name", ["lstm", "rnnprop", "mlp"])
def test_a_learned_rule_that_is_not_detached_has_the_gradient_of_the_whole_descent(name):
    rule = getattr(rules, name)(4, detached=False).double()
    problems = double(LOSSES.batch(range(2)))
    estimator = Truncated(LOSSES, horizons=(5,), segment=5, sample=3)  # a sample is of gradients that are constants
    carry = estimator.init(rule)._replace(problems=problems, stand=begin(rule, LOSSES, problems))
    grads = exact(rule, estimator.objective, carry, range(5))[1]
    torch.manual_seed(0)
    along_it = [torch.randn_like(p) for p in rule.parameters()]

    def loss(by):
        with torch.no_grad():
            for p, d in zip(rule.parameters(), along_it, strict=True):
                p += by * d
            found = exact(rule, estimator.objective, carry, range(5))[0]
            for p, d in zip(rule.parameters(), along_it, strict=True):
                p -= by * d
        return float(found)

    slope = sum(float((g * d).sum()) for g, d in zip(grads, along_it, strict=True))
    assert slope == pytest.approx((loss(1e-6) - loss(-1e-6)) / 2e-6, rel=1e-4)
    detached = getattr(rules, name)(4).double()
    detached.load_state_dict(rule.state_dict())
    short = exact(detached, estimator.objective, carry, range(5))[1]
    assert any(not torch.allclose(a, b, rtol=1e-3) for a, b in zip(grads, short, strict=True))


def test_segments_follow_each_other_and_problems_change_at_the_horizon():
    rule = rules.sgd(0.05)
    estimator = Truncated(LOSSES, horizons=(7,), segment=3)
    rule.register_parameter("idle", torch.nn.Parameter(torch.zeros(())))
    carry, seen, steps = estimator.init(rule), [], []
    for i in range(5):
        loss, _, carry = estimator.step(rule, LOSSES.batch([i]), estimator.objective, carry)
        seen.append(float(loss))
        steps.append(int(carry.step))
    assert steps == [3, 6, 0, 3, 6]
    first, second = (curves(rules.sgd(0.05), LOSSES, [i], 7)[0, 1:] for i in (0, 3))
    expected = [first[:3].mean(), first[3:6].mean(), first[6], second[:3].mean(), second[3:6].mean()]
    assert seen == pytest.approx([float(x) for x in expected], rel=1e-5)


@pytest.mark.parametrize("make", [Truncated, Evolution])
def test_a_curriculum_lengthens_descents(make):
    rule = rules.lstm(4)
    estimator, steps = make(LOSSES, horizons=(4, 8), each=2, segment=4), []
    carry = estimator.init(rule)
    for i in range(6):
        _, _, carry = estimator.step(rule, LOSSES.batch([i]), estimator.objective, carry)
        steps.append(int(carry.step))
    assert steps == [0, 0, 4, 0, 4, 0]


def test_evolution_estimates_the_gradient():
    """On average over many pairs, of the whole of a descent in one segment."""
    rule = rules.lstm(2, layers=1)
    pairs = 4000
    torch.manual_seed(0)
    estimator = Evolution(LOSSES, horizons=(5,), segment=5, spread=0.01)
    problems = tree.map(lambda leaf: leaf[:1].expand(pairs, *leaf.shape[1:]), LOSSES.batch([0]))
    _, grads, _ = estimator.step(rule, problems, estimator.objective, estimator.init(rule))
    _, exactly, _ = Unroll().step(rule, LOSSES.batch([0]), Descent(LOSSES, 5), ())
    ours, theirs = (torch.cat([g.flatten() for g in part]) for part in (grads, exactly))
    assert float(torch.cosine_similarity(ours, theirs, dim=0)) > 0.9


def test_evolution_is_persistent():
    """Of a rule that acts in the first segment alone, later losses tell nothing to plain evolution; this one knows."""

    class Early(rules.Rule):
        detached = True

        def __init__(self):
            super().__init__()
            self.push = torch.nn.Parameter(torch.zeros(()))

        def init(self, weights):
            return next(iter(weights.values())).new_zeros(())

        def update(self, grads, memory, weights, loss):
            step = torch.where(memory < 2, self.push, 0.0)
            return {name: w + step for name, w in weights.items()}, memory + 1

    torch.manual_seed(0)
    estimator = Evolution(LOSSES, horizons=(4,), segment=2, spread=0.01)
    rule, pairs = Early(), 2000
    problems = tree.map(lambda leaf: leaf[:1].expand(pairs, *leaf.shape[1:]), LOSSES.batch([0]))
    carry = estimator.init(rule)
    _, early, carry = estimator.step(rule, problems, estimator.objective, carry)
    _, late, carry = estimator.step(rule, problems, estimator.objective, carry)
    loss = Descent(LOSSES, 4)(rule, LOSSES[0])
    (whole,) = torch.autograd.grad(loss, [rule.push])
    assert float(early[0] + late[0]) / 2 == pytest.approx(float(whole), rel=0.1)
    assert abs(float(late[0])) > abs(float(early[0]))


@pytest.mark.parametrize("make", [Truncated, Evolution])
def test_a_killed_training_ends_with_the_same_bits(make, tmp_path):
    def trained(tasks, run=None):
        torch.manual_seed(3)
        rule, how = rules.rnnprop(4), make(LOSSES, horizons=(6,), segment=2)
        options = {"steps": 10, "batch": 2, "objective": how.objective, "estimator": how, "run": run}
        train(rule, tasks, validate=lambda r: -float(curves(r, LOSSES, range(3), 6)[:, -1].mean()), **options)
        return rule

    whole = trained(LOSSES)
    with pytest.raises(Killed):
        trained(Mortal(14), Run(tmp_path))
    assert 0 < Run(tmp_path).load_checkpoint()[1]["step"] <= 7
    resumed = trained(LOSSES, Run(tmp_path))
    assert all(torch.equal(value, resumed.state_dict()[key]) for key, value in whole.state_dict().items())


@pytest.mark.parametrize("make", [Truncated, Evolution])
def test_training_learns(make):
    rule, how, exam = rules.lstm(8), make(LOSSES, horizons=(20,), segment=10), quadratics(4, seed=1)
    before = float(curves(rule, exam, range(50), 20)[:, -1].mean())
    train(rule, LOSSES, steps=60, batch=16, rate=1e-2, objective=how.objective, estimator=how)
    assert float(curves(rule, exam, range(50), 20)[:, -1].mean()) < 0.8 * before


def test_what_is_no_rule_is_refused():
    with pytest.raises(ValueError, match="descents are made by a rule, got Linear"):
        Truncated(LOSSES).init(torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match="at least 1"):
        Truncated(LOSSES, segment=0)
    with pytest.raises(ValueError, match="spread is positive"):
        Evolution(LOSSES, spread=0.0)
    with pytest.raises(ValueError, match="no learner and has no objective"):
        train(rules.lstm(2), LOSSES, steps=1)
