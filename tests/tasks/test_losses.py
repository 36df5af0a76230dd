"""Loss functions as tasks: functions of integers, equal to their definitions."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from quickstudy import rules, tree
from quickstudy.outer import Truncated
from quickstudy.tasks import quadratics
from quickstudy.tasks.losses import Descent, curves, normal, uniform
from quickstudy.tasks.networks import networks, perceptron
from quickstudy.tasks.problems import problem
from quickstudy.tasks.scaled import Scaled


@pytest.fixture
def small(make_pool):
    return perceptron(make_pool([10] * 4), widths=(5,))


def kinds(small):
    return [quadratics(3), quadratics(3, drawing="uniform"), small, Scaled(small, 1.0), Scaled(quadratics(3), 2.0)]


@pytest.mark.parametrize("kind", range(5))
def test_a_problem_is_a_function_of_an_integer(kind, small):
    losses = kinds(small)[kind]
    together, alone = losses.batch([4, 7]), losses.batch([7])
    weights, own = losses.start(together), losses.start(alone)
    for name, w in weights.items():
        assert torch.equal(w[1], own[name][0])
    for step in (0, 5):
        both, single = losses.loss(weights, together, step), losses.loss(own, alone, step)
        torch.testing.assert_close(both[1], single[0])
    assert not torch.equal(*(tree.leaves(losses.start(losses.batch([i])))[0] for i in (0, 1))) or kind in (0, 4)


@pytest.mark.parametrize("drawing", ["gaussian", "uniform"])
def test_quadratics_are_their_definition(drawing):
    losses = quadratics(6, drawing=drawing)
    problems = losses.batch([3])
    w, y, theta = problems["matrix"][0], problems["target"][0], torch.randn(6)
    expected = sum((w @ theta - y)[i] ** 2 for i in range(6)) / 6
    torch.testing.assert_close(losses.loss({"theta": theta[None]}, problems, 0)[0], expected)
    drawn = losses.batch(range(400))["matrix"]
    if drawing == "uniform":
        assert 0 < float(drawn.min()) < float(drawn.max()) < 1
        assert float(drawn.mean()) == pytest.approx(0.5, abs=0.01)
        assert float(losses.start(losses.batch(range(400)))["theta"].std()) == pytest.approx(0.01, rel=0.1)
    else:
        assert float(drawn.mean()) == pytest.approx(0, abs=0.03)
        assert float(drawn.std()) == pytest.approx(1, abs=0.03)
        assert not losses.start(problems)["theta"].any()


def test_draws_depend_on_seed_and_index_alone():
    assert (uniform(1, [2, 3], 4)[1] == uniform(1, [3], 4)[0]).all()
    assert (normal(1, [3], 4) != normal(2, [3], 4)).all()


def test_minibatches_are_of_the_step_and_the_problem(small):
    draw = small.batches.draw
    x, y = draw([0, 1], 3)
    assert x.shape[:2] == y.shape == (2, 128)
    assert torch.equal(draw([1], 3)[0][0], x[1])
    assert not torch.equal(draw([1], 4)[0][0], x[1])
    pool = small.batches.pool
    rows = [int((pool.images.div(255) == one).flatten(1).all(1).nonzero()[0]) for one in x[0, :5]]
    assert pool.labels[rows].tolist() == y[0, :5].tolist()


@pytest.mark.parametrize("normalized", [False, True])
def test_any_module_is_trained_without_being_rewritten(normalized):
    """A step of SGD equals that of torch's optimizer on the module itself."""
    after = [nn.BatchNorm1d(6, track_running_stats=False)] if normalized else []
    net = nn.Sequential(nn.Linear(4, 6), *after, nn.ReLU(), nn.Linear(6, 3))
    before = {name: p.clone() for name, p in net.state_dict().items()}
    batches = [(torch.randn(8, 4), torch.randint(3, (8,))) for _ in range(5)]
    losses = networks(net, batches, seed=1)
    problems = losses.batch([2])
    start = losses.start(problems)
    found = curves(rules.sgd(0.1), losses, [2], 3)[0]
    own = nn.Sequential(*[type(layer)(*_asked(layer)) for layer in net])
    own.load_state_dict({name: w[0] for name, w in start.items()})
    optimizer, expected = torch.optim.SGD(own.parameters(), 0.1), []
    for step in range(4):
        x, y = losses.batches.draw([2], step)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(own(x[0]), y[0])
        loss.backward()
        optimizer.step()
        expected.append(float(loss.detach()))
    assert found.tolist() == pytest.approx(expected, rel=1e-5)
    assert all(torch.equal(p, before[name]) for name, p in net.state_dict().items())


def _cells():
    return nn.ModuleList([nn.LSTMCell(3, 3), nn.MultiheadAttention(4, 2), nn.GRU(2, 2), nn.Embedding(3, 2)])


def test_first_weights_are_drawn_anew_in_layers_of_any_kind():
    losses = networks(_cells(), [(torch.zeros(2, 1), torch.zeros(2, 1))])
    one, two = (losses.start(losses.batch([index])) for index in (0, 1))
    constant = {name for name, w in _cells().named_parameters() if not w.detach().std() > 0}
    assert {name for name in one if torch.equal(one[name], two[name])} == constant
    assert "1.in_proj_weight" not in constant


def test_what_cannot_be_drawn_anew_or_stacked_is_refused():
    batches = [(torch.zeros(2, 2), torch.zeros(2, 2))]
    with pytest.raises(ValueError, match=r"0 \(Own\) has weights scale and no reset_parameters"):
        networks(nn.Sequential(Own()), batches)
    networks(nn.Sequential(Own()), batches, spread=0.1)
    with pytest.raises(ValueError, match="keeps running statistics in training"):
        networks(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), batches)
    networks(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).eval(), batches)


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))


def _asked(layer):
    if isinstance(layer, nn.BatchNorm1d):
        return layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats
    return (layer.in_features, layer.out_features) if isinstance(layer, nn.Linear) else ()


def test_scales_change_the_steps_and_not_the_losses():
    plain = quadratics(5, drawing="uniform")
    scaled = Scaled(plain, 2.0)
    problems = scaled.batch(range(50))
    start, scale = scaled.start(problems), problems["scale"]["theta"]
    assert float(scale.log().abs().max()) < 2 < float(scale.log().abs().max()) + 0.1
    torch.testing.assert_close(
        scaled.loss(start, problems, 0), plain.loss(plain.start(problems["inner"]), problems["inner"], 0)
    )
    move = {"theta": torch.ones_like(start["theta"])}
    moved = {"theta": start["theta"] + move["theta"]}
    as_plain = {"theta": plain.start(problems["inner"])["theta"] + scale}
    torch.testing.assert_close(scaled.loss(moved, problems, 0), plain.loss(as_plain, problems["inner"], 0))


def test_many_problems_at_once_are_each_alone(small):
    """Stacked problems are more coordinates of one batch; mapped by vmap they are the same."""
    for name in ("lstm", "rnnprop", "mlp", "adam", "rmsprop"):
        rule = getattr(rules, name)()
        together = curves(rule, small, range(3), 5)
        for i in range(3):
            torch.testing.assert_close(curves(rule, small, [i], 5)[0], together[i], rtol=1e-4, atol=1e-5)
        weights = small.start(small.batch(range(3)))
        grads = tree.map(torch.randn_like, weights)
        new, _ = rule.update(grads, rule.init(weights), weights, torch.zeros(()))
        mapped, _ = torch.func.vmap(lambda g, w, r=rule: r.update(g, r.init(w), w, torch.zeros(())))(grads, weights)
        for key, w in new.items():
            torch.testing.assert_close(mapped[key], w, rtol=1e-5, atol=1e-7)


def test_the_objective_is_the_mean_after_each_step():
    rule, losses = rules.sgd(0.05), quadratics(3)
    found = curves(rule, losses, [5], 4)[0]
    torch.testing.assert_close(Descent(losses, 4)(rule, losses[5]), found[1:].mean())


def test_what_does_not_exist_is_said():
    with pytest.raises(ValueError, match="no problem is called 'moons'; there are quadratics"):
        problem("moons")
    with pytest.raises(ValueError, match="train or test, got 'valid'"):
        problem("quadratics", part="valid")
    with pytest.raises(ValueError, match="gaussian or uniform, got 'cauchy'"):
        quadratics(drawing="cauchy")
    with pytest.raises(ValueError, match="no weights to train"):
        networks(nn.ReLU(), [(torch.zeros(2, 1), torch.zeros(2, 1))])
    with pytest.raises(ValueError, match="at least one minibatch"):
        networks(nn.Linear(1, 1), [])
    with pytest.raises(ValueError, match="spread of scales is positive"):
        Scaled(quadratics(2), 0.0)
    with pytest.raises(ValueError, match="at least 1 step"):
        Descent(quadratics(2), 0)
    assert Truncated(quadratics(2)).objective.horizon == 100
