from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from quickstudy import batching, tasks
from quickstudy.learners import prototypes
from quickstudy.nets.conv4 import conv4
from quickstudy.nets.norm import BatchNorm, TaskNorm, norm, noted, reading, recording, statistics
from quickstudy.train import calibrate


def by_torch(x, layer):
    return F.batch_norm(x, None, None, layer.weight, layer.bias, True, 0.0, layer.eps)


@pytest.fixture
def layer():
    made = BatchNorm(3).double()
    nn.init.normal_(made.weight)
    nn.init.normal_(made.bias)
    return made


@pytest.mark.parametrize("shape", [(5, 3, 4, 6), (7, 3), (4, 3, 9)])
@pytest.mark.parametrize("form", [BatchNorm.forward, BatchNorm._written_out])
def test_both_forms_equal_torch_in_values_and_gradients(form, shape, layer):
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(shape, dtype=torch.float64)
    inputs = (x, layer.weight, layer.bias)
    ours, theirs = form(layer, x), by_torch(x, layer)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    for a, b in zip(*(torch.autograd.grad((y * weights).sum(), inputs) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_mapped_it_equals_a_loop_and_its_definition(layer):
    x = torch.randn(2, 5, 3, 4, 4, dtype=torch.float64)
    mapped = torch.func.vmap(layer)(x)
    for task, said in zip(x, mapped, strict=True):
        mean, variance = task.mean((0, 2, 3), keepdim=True), task.var((0, 2, 3), correction=0, keepdim=True)
        scale, shift = layer.weight.view(1, 3, 1, 1), layer.bias.view(1, 3, 1, 1)
        torch.testing.assert_close(said, (task - mean) / (variance + 1e-5).sqrt() * scale + shift)


@pytest.mark.parametrize("name", ["batch", "group", "layer"])
def test_gradients_through_mapped_inner_gradients_equal_the_loop(name):
    """The trap: ``grad(vmap(grad))``, here one step of gradient descent on a conv net, against plain autograd."""
    net = nn.Sequential(conv4((1, 16, 16), width=4, normalization=name), nn.Linear(4, 3)).double()
    weights = dict(net.named_parameters())
    x, y = torch.rand(3, 6, 1, 16, 16, dtype=torch.float64), torch.arange(6).expand(3, 6) % 3

    def loss(weights, x, y):
        return F.cross_entropy(torch.func.functional_call(net, weights, (x,)), y)

    def mapped(x, y):
        grads = torch.func.grad(loss)(weights, x, y)
        return loss({name: w - 0.5 * grads[name] for name, w in weights.items()}, x, y)

    def looped(x, y):
        grads = torch.autograd.grad(loss(weights, x, y), list(weights.values()), create_graph=True)
        return loss({name: w - 0.5 * g for (name, w), g in zip(weights.items(), grads, strict=True)}, x, y)

    values = torch.func.vmap(mapped)(x, y), torch.stack([looped(*one) for one in zip(x, y, strict=True)])
    torch.testing.assert_close(*values, rtol=1e-12, atol=1e-12)
    ours, theirs = (torch.autograd.grad(value.mean(), list(weights.values())) for value in values)
    scale = max(float(grad.abs().max()) for grad in theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert float((a - b).abs().max()) < 1e-9 * scale


@pytest.mark.parametrize("side", [6, 3])
@pytest.mark.parametrize("name", ["group", "layer"])
def test_group_normalization_can_be_mapped_with_channels_last(name, side):
    layer, groups = norm(name, 16).double(), 2 if name == "group" else 1
    convolution = nn.Conv2d(2, 16, 3).to(memory_format=torch.channels_last).double()
    x = torch.randn(3, 2, 2, side, side, dtype=torch.float64)
    mapped = torch.func.vmap(lambda one: layer(convolution(one)))(x)
    torch.testing.assert_close(mapped, torch.stack([F.group_norm(convolution(one), groups) for one in x]))
    assert mapped.movedim(2, -1).is_contiguous()  # channels last still, or the pool after it takes ten times as long


def test_half_precision_is_counted_in_single(layer):
    x = (torch.randn(64, 3, 8, 8) + 30).bfloat16()
    with recording(layer.float()):
        layer(x)
    torch.testing.assert_close(layer.mean, x.float().mean((0, 2, 3)))
    assert layer.mean.dtype == torch.float32


def test_calibrated_statistics_are_the_average_of_those_of_the_batches(layer):
    batches = [torch.randn(n, 3, 4, 4, dtype=torch.float64) * n for n in (4, 9, 5)]
    with recording(layer):
        for batch in batches:
            layer(batch)
    torch.testing.assert_close(layer.mean, torch.stack([b.mean((0, 2, 3)) for b in batches]).mean(0))
    torch.testing.assert_close(layer.variance, torch.stack([b.var((0, 2, 3), correction=0) for b in batches]).mean(0))


def test_calibrated_answers_are_independent_in_eval_only(layer):
    x = torch.randn(6, 3, 4, 4, dtype=torch.float64)
    with recording(layer):
        layer(x[:4])
    assert not layer.transductive
    torch.testing.assert_close(layer.eval()(x)[:1], layer(x[:1]), rtol=1e-14, atol=1e-14)
    assert not torch.allclose(layer.train()(x)[:1], layer(x[:1]))
    torch.testing.assert_close(layer(x), by_torch(x, layer))


def test_recording_uses_batch_statistics_again(layer):
    x, y = torch.randn(2, 6, 3, 4, 4, dtype=torch.float64)
    with recording(layer):
        layer(x)
    layer.eval()
    with recording(layer):
        torch.testing.assert_close(layer(y), by_torch(y, layer))
    torch.testing.assert_close(layer.mean, y.mean((0, 2, 3)))


def test_recording_without_a_batch_calibrates_nothing(layer):
    with recording(layer):
        pass
    assert layer.transductive
    assert layer.seen is None


def test_nothing_is_kept_while_training(layer):
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    layer.train()(torch.randn(6, 3, 4, 4, dtype=torch.float64))
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())


@pytest.mark.parametrize("calibrated", [True, False])
def test_the_state_keeps_whether_it_is_calibrated(layer, calibrated):
    if calibrated:
        with recording(layer):
            layer(torch.randn(6, 3, 4, 4, dtype=torch.float64))
    fresh = BatchNorm(3).double()
    fresh.load_state_dict(layer.state_dict())
    x = torch.randn(5, 3, 2, 2, dtype=torch.float64)
    assert fresh.calibrated == calibrated
    assert torch.equal(fresh.eval()(x), layer.eval()(x))


def test_calibrate_reads_the_supports_and_queries_of_the_tasks(pool):
    learner = prototypes(pool.shape, width=4)
    episodes = tasks.episodes(pool, 3, 2, 3)
    assert calibrate(learner, episodes, range(3)) is learner
    convolution, first = learner.embed.blocks[0][0]
    parts = [part.x for task in map(episodes.__getitem__, range(3)) for part in task]
    with torch.no_grad():
        means = torch.stack([convolution(x).mean((0, 2, 3)) for x in parts])
    torch.testing.assert_close(first.mean, means.mean(0))


def test_calibrated_gradients_are_exact_when_mapped(pool):
    """Frozen statistics take the fused path inside vmap as well."""
    learner = calibrate(prototypes(pool.shape, width=4), tasks.episodes(pool, 3, 2, 3), range(2)).double().eval()
    items = tasks.episodes(pool, 3, 2, 3).batch(range(3))
    items = type(items)(*(part._replace(x=part.x.double()) for part in items))
    (_, mapped), (_, looped) = (batching.gradients(learner, learner.objective(3), items, chunk=n) for n in (3, 1))
    for a, b in zip(mapped, looped, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


@pytest.fixture
def by_support():
    made = nn.Sequential(TaskNorm(3)).double()
    nn.init.normal_(made[0].weight)
    nn.init.normal_(made[0].bias)
    return made


def answered(module, support, real, x):
    """What it answers for x from the statistics of a support."""
    with reading(module, real):
        module(support)
        found = noted(module)
    return torch.func.functional_call(module, found, (x,))


@pytest.mark.parametrize("shape", [(5, 3, 4, 6), (7, 3), (4, 3, 9)])
def test_by_the_support_it_is_batch_normalization_of_the_support(shape, by_support):
    support, real = torch.randn(shape, dtype=torch.float64), torch.ones(shape[0], dtype=torch.bool)
    with reading(by_support, real):
        said = by_support(support)
    torch.testing.assert_close(said, by_torch(support, by_support[0]), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(answered(by_support, support, real, support), said, rtol=1e-12, atol=1e-12)


def test_by_the_support_a_query_is_answered_by_itself(by_support):
    support, x = torch.randn(2, 6, 3, 4, 4, dtype=torch.float64)
    real = torch.ones(6, dtype=torch.bool)
    together = answered(by_support, support, real, x)
    alone = torch.cat([answered(by_support, support, real, one[None]) for one in x])
    torch.testing.assert_close(together, alone, rtol=1e-14, atol=1e-14)
    assert not torch.allclose(together, by_torch(x, by_support[0]))


def test_by_the_support_padding_does_not_count(by_support):
    support, x = torch.randn(2, 6, 3, 4, 4, dtype=torch.float64)
    real = torch.tensor([True, False, True, True, False, True])
    without = answered(by_support, support[real], torch.ones(4, dtype=torch.bool), x)
    torch.testing.assert_close(answered(by_support, support, real, x), without, rtol=1e-12, atol=1e-12)


def test_where_all_is_padding_nothing_is_normalized(by_support):
    support, x = torch.randn(2, 6, 3, 4, 4, dtype=torch.float64)
    assert torch.equal(answered(by_support, support, torch.zeros(6, dtype=torch.bool), x), by_support(x))


def test_gradients_flow_through_the_statistics_of_the_support(by_support):
    support = torch.randn(5, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    x, real = torch.randn(4, 3, 2, 2, dtype=torch.float64), torch.tensor([True] * 4 + [False])
    assert torch.autograd.gradcheck(lambda support: answered(by_support, support, real, x), (support,))
    (grad,) = torch.autograd.grad(answered(by_support, support, real, x).square().sum(), support)
    assert bool(grad[:4].any())
    assert not bool(grad[4].any())


def test_by_the_support_mapped_it_equals_a_loop(by_support):
    supports, x = torch.randn(2, 4, 5, 3, 4, 4, dtype=torch.float64)
    real = torch.rand(4, 5) > 0.3
    mapped = torch.func.vmap(lambda *task: answered(by_support, *task))(supports, real, x)
    looped = torch.stack([answered(by_support, *task) for task in zip(supports, real, x, strict=True)])
    torch.testing.assert_close(mapped, looped, rtol=1e-12, atol=1e-12)


def test_reading_leaves_nothing_behind(by_support):
    before = {name: value.clone() for name, value in by_support.state_dict().items()}
    with reading(by_support, torch.ones(2, dtype=torch.bool)):
        by_support(torch.randn(2, 3, dtype=torch.float64))
        assert noted(by_support)
    assert noted(by_support) == {}
    assert all(torch.equal(value, before[name]) for name, value in by_support.state_dict().items())
    assert set(statistics(by_support)) == {"0.mean", "0.variance"}


@pytest.mark.parametrize("by_batch", [True, False])
def test_reading_may_leave_calibrated_statistics_as_they_are(by_batch, layer):
    x, y = torch.randn(2, 6, 3, 4, 4, dtype=torch.float64)
    with recording(layer):
        layer(x)
    layer.eval()
    frozen = layer(y)
    with reading(layer, torch.ones(6, dtype=torch.bool), by_batch=by_batch):
        torch.testing.assert_close(layer(y), by_torch(y, layer) if by_batch else frozen)
    assert torch.equal(layer(y), frozen)


def test_an_unknown_normalization_is_refused():
    with pytest.raises(ValueError, match="'instance'; choose one of batch, support, group, layer, none"):
        norm("instance", 4)
