from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from quickstudy import batching, checks, learners, tasks, tree
from quickstudy.checks.tools import cast
from quickstudy.core import Examples
from quickstudy.learners.gradient import Gradient
from quickstudy.nets.heads import Fresh, Learned
from quickstudy.nets.mlp import mlp
from quickstudy.rules import Rule, adam, sgd
from quickstudy.train import calibrate


def small(rule=None, head=None, **options):
    """A learner of 3 classes on vectors of 4 numbers."""
    options = {"steps": 2} | options
    net = mlp((4,), widths=(5,), normalization="none")
    return Gradient(net, head or Learned(5, 3), rule or sgd(0.3), **options).double()


def by_hand(learner, support, optimizer, parts):
    """The same net and head after torch's optimizer has read these parts of the support."""
    net, head = nn.Sequential(learner.net, nn.Linear(5, 3).double()), learner.head
    net = copy.deepcopy(net)
    with torch.no_grad():
        net[1].weight.copy_(head.weight)
        net[1].bias.copy_(head.bias)
    steps = optimizer(list(net.parameters()))
    for part in parts:
        steps.zero_grad()
        F.cross_entropy(net(support.x[part]), support.y[part]).backward()
        steps.step()
    return net


@pytest.fixture
def task(make_task):
    return make_task(way=3, shot=2, query=4, shape=(4,))


class Reads(Rule[tuple[()]]):
    """Moves nothing and notes the loss of each step."""

    def __init__(self):
        super().__init__()
        self.losses = []

    def init(self, weights):
        return ()

    def update(self, grads, memory, weights, loss):
        self.losses.append(float(loss.detach()))
        return weights, ()


@pytest.mark.parametrize(
    ("rule", "optimizer"),
    [
        (sgd(0.3), lambda weights: torch.optim.SGD(weights, lr=0.3)),
        (sgd(0.1, momentum=0.9), lambda weights: torch.optim.SGD(weights, lr=0.1, momentum=0.9)),
        (adam(0.05, betas=(0.0, 0.999)), lambda weights: torch.optim.Adam(weights, lr=0.05, betas=(0.0, 0.999))),
    ],
)
@pytest.mark.parametrize(
    ("batch", "parts"), [(None, [slice(None)] * 3), (4, [[0, 1, 2, 3], [4, 5, 0, 1], [2, 3, 4, 5]])]
)
def test_it_equals_a_loop_of_torchs_optimizer(rule, optimizer, batch, parts, task):
    learner = small(rule, steps=3, batch=batch)
    expected = by_hand(learner, task.support, optimizer, parts)(task.query.x)
    torch.testing.assert_close(learner(task.support, task.query.x, 3), expected, rtol=1e-9, atol=1e-9)
    stacked = tree.map(lambda leaf: torch.stack([leaf, leaf]), task)
    both = learner.predict_all(learner.adapt_all(stacked.support, 3), stacked.query.x)
    torch.testing.assert_close(both, torch.stack([expected] * 2), rtol=1e-9, atol=1e-9)


def test_epochs_read_every_example_once_a_round_in_parts(task):
    learner = small(steps=2, batch=4, epochs=True)
    parts = [slice(0, 4), slice(4, 6)] * 2
    expected = by_hand(learner, task.support, lambda weights: torch.optim.SGD(weights, lr=0.3), parts)(task.query.x)
    torch.testing.assert_close(learner(task.support, task.query.x, 3), expected, rtol=1e-9, atol=1e-9)


def test_the_steps_of_eval_are_their_own(task):
    learner = small(Reads(), steps=2, test_steps=5)
    learner.train().adapt(learner.init(3), task.support)
    learner.eval().adapt(learner.init(3), task.support)
    assert len(learner.rule.losses) == 2 + 5


def test_what_begins_with_none_of_only_stays(task):
    learner = small(only=("head", "net.blocks.1.0.bias"))
    state = learner.adapt(learner.init(3), task.support)
    assert not [name for name in state.weights if name == "net.blocks.1.0.weight"]
    small_net = small(only=("net",))
    state = small_net.adapt(small_net.init(3), task.support)
    assert {name.split(".")[0] for name in state.weights} == {"net"}
    assert small_net.predict(state, task.query.x).shape == (12, 3)


def test_a_part_of_the_head_adapts_alone(task):
    learner = small(only=("head.bias",))
    stacked = tree.map(lambda leaf: torch.stack([leaf, leaf]), task)
    state, states = learner.adapt(learner.init(3), task.support), learner.adapt_all(stacked.support, 3)
    assert set(state.weights) == {"head.bias"}
    assert state.weights["head.bias"].any()
    z = learner.features(state, task.query.x)
    expected = z @ learner.head.start(3, z)["weight"].T + state.weights["head.bias"]
    torch.testing.assert_close(learner.predict(state, task.query.x), expected)
    torch.testing.assert_close(learner.predict_all(states, stacked.query.x)[1], expected)


def test_a_prefix_ends_at_a_dot():
    assert not small(only=("head", "net.block")).init(3).weights.keys() - {"head.weight", "head.bias"}


def test_features_of_a_net_that_stays_are_computed_once(task):
    learner, calls = small(only=("head",), steps=5), []
    learner.net.register_forward_hook(lambda *_: calls.append(1))
    learner.adapt(learner.init(3), task.support)
    assert len(calls) == 1
    assert learner.together
    assert not small().together


def test_adapting_on_goes_on_from_where_it_was(task):
    learner = small(sgd(0.1, momentum=0.9), steps=2)
    twice = learner.adapt(learner.adapt(learner.init(3), task.support), task.support)
    longer = small(sgd(0.1, momentum=0.9), steps=4)
    longer.load_state_dict(learner.state_dict())
    once = longer.adapt(longer.init(3), task.support)
    for (_, a), (_, b) in zip(tree.items(twice.weights), tree.items(once.weights), strict=True):
        torch.testing.assert_close(a, b)


def test_the_classes_seen_so_far_share_the_loss(task):
    """A class that was not seen has no part in the softmax, and its outputs stay as they were."""
    learner = small()
    some = tree.index(task.support, task.support.y < 2)
    state = learner.adapt(learner.init(3), some)
    torch.testing.assert_close(state.weights["head.weight"][2], learner.head.weight[2])
    assert state.seen.tolist() == [2, 2, 0]


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"test_steps": 0}, {"batch": 0}])
def test_no_steps_are_refused(wrong):
    with pytest.raises(ValueError, match="at least 1"):
        small(**wrong)


def test_nothing_to_adapt_is_refused():
    with pytest.raises(ValueError, match="no weight is called nte; nothing would adapt"):
        small(only=("nte",))


def test_another_way_than_that_of_the_learned_head_is_refused(task):
    with pytest.raises(ValueError, match="each of 3 classes and cannot start with 5"):
        small().init(5)
    assert small(head=Fresh(5)).init(5).seen.shape == (5,)


@pytest.mark.parametrize("stacked", [True, False])
def test_regression_is_gradient_descent_on_the_squared_error(stacked, make_task):
    x = make_task(shape=(4,)).support.x
    support = Examples(x, x[:, :2].sin())
    learner = Gradient(mlp((4,), widths=(5,)), Learned(5, 2), sgd(0.1), steps=1, values=True).double()
    weights = [*learner.net.parameters(), learner.head.weight, learner.head.bias]
    grads = torch.autograd.grad(
        (learner.head(learner.net(x), learner.head.start(2, x)) - support.y).square().mean(), weights
    )
    several = tree.map(lambda leaf: torch.stack([leaf] * 2), support)
    state = tree.index(learner.adapt_all(several, 2), 1) if stacked else learner.adapt(learner.init(2), support)
    for moved, w, grad in zip(state.weights.values(), weights, grads, strict=True):
        torch.testing.assert_close(moved, w - 0.1 * grad)


def test_calibrated_statistics_are_kept_by_what_stays_and_by_what_says_so(pool):
    """A net that adapts reads the support by its batch; one that stays, or says so, as it reads queries."""
    episodes = tasks.episodes(pool, 3, 2, 3)
    task = cast(episodes[0])
    for options, alone in (({"only": ("head",)}, True), ({"frozen_norm": True}, True), ({}, False)):
        net = learners.maml(pool.shape, way=3, width=4).net
        learner = Gradient(net, Fresh(4), sgd(0.5), steps=3, **options)
        calibrate(learner, episodes, range(3)).double().eval()
        padded = tree.cat([task.support, Examples(task.query.x, torch.full_like(task.query.y, -1))])
        said, other = (learner(support, task.query.x, 3) for support in (task.support, padded))
        assert torch.allclose(said, other, rtol=1e-9, atol=1e-9) == alone
        assert learner.padded == alone


@pytest.mark.parametrize("batch", [None, 3])
def test_statistics_of_the_support_are_those_under_the_adapted_weights(batch, pool):
    learner = learners.reptile(
        pool.shape, way=3, width=4, normalization="support", batch=batch or 6, inner="sgd"
    ).double()
    task = cast(tasks.episodes(pool, 3, 2, 3)[0])
    state = learner.adapt(learner.init(3), task.support)
    (name, convolution), *_ = ((n, m) for n, m in learner.net.named_modules() if isinstance(m, nn.Conv2d))
    own = {part: state.weights[f"net.{name}.{part}"] for part, _ in convolution.named_parameters()}
    z = torch.func.functional_call(convolution, own, (task.support.x,))
    mean, variance = list(state.statistics.values())[:2]
    torch.testing.assert_close(mean, z.mean((0, 2, 3)))
    torch.testing.assert_close(variance, z.var((0, 2, 3), correction=0))
    checks.check_independence(learner, task, 3)


def test_meta_gradients_of_both_ways_equal_plain_autograd(pool):
    """One step of MAML, in value and meta-gradient, by a loop over tasks with nothing but autograd."""
    learner = learners.maml(pool.shape, way=3, width=4, steps=1, rate=0.1, normalization="group").double().train()
    items = cast(tasks.episodes(pool, 3, 2, 3).batch(range(3)))
    weights = dict(nn.ModuleDict({"net": learner.net, "head": learner.head}).named_parameters())

    def logits(weights, x):
        net = {name[4:]: w for name, w in weights.items() if name.startswith("net.")}
        return F.linear(
            torch.func.functional_call(learner.net, net, (x,)), weights["head.weight"], weights["head.bias"]
        )

    total = 0
    for i in range(3):
        support, query = tree.index(items, i)
        grads = torch.autograd.grad(
            F.cross_entropy(logits(weights, support.x), support.y), list(weights.values()), create_graph=True
        )
        moved = {name: w - 0.1 * g for (name, w), g in zip(weights.items(), grads, strict=True)}
        total = total + F.cross_entropy(logits(moved, query.x), query.y) / 3
    expected = torch.autograd.grad(total, list(weights.values()), retain_graph=True)
    for chunk in (1, 3):  # through adapt, and through adapt_all side by side
        loss, found = batching.gradients(learner, learner.objective(3), items, chunk=chunk)
        torch.testing.assert_close(loss, total.detach(), rtol=1e-9, atol=1e-9)
        for a, b in zip(found, expected, strict=True):
            assert float((a - b).abs().max()) < 1e-9 * max(float(g.abs().max()) for g in expected)
    mapped = batching.over_tasks(lambda one: learner.objective(3)(learner, one), items, chunk=3)  # adapt, under vmap
    torch.testing.assert_close(mapped.mean(), total, rtol=1e-9, atol=1e-9)
    for a, b in zip(torch.autograd.grad(mapped.mean(), list(weights.values())), expected, strict=True):
        assert float((a - b).abs().max()) < 1e-9 * max(float(g.abs().max()) for g in expected)
