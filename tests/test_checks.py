"""Each check catches the fault it is for, and says so."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from quickstudy import checks, tasks, tree
from quickstudy.core import Examples, Learner, Task, cross_entropy
from quickstudy.learners.prototypes import Prototypes, Sums
from quickstudy.nets.norm import BatchNorm

WAY = 3


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(256, 5)

    def forward(self, x):
        return self.linear(x.flatten(1)).tanh()


class Sound(Prototypes):
    def __init__(self):
        super().__init__(Net(), 5)


class Transductive(Sound):
    def predict(self, state, x):
        return super().predict(state, x + x.mean(0))


class Ordered(Sound):
    def adapt(self, state, support):
        last = Examples(support.x[-1:], support.y[-1:])
        return super().adapt(super().adapt(state, support), last)


class NotOrdered(Sound):
    ordered = True


class WrongTrace(Sound):
    def trace(self, support, way):
        return self(support, support.x, way)


class SharesTasks(Sound):
    """Its own way to many tasks gives all the state of the first."""

    def adapt_all(self, support, way):
        states = super().adapt_all(support, way)
        return tree.map(lambda leaf: leaf[:1].expand_as(leaf), states)


class SharesQueries(Sound):
    def predict_all(self, states, x):
        return super().predict_all(states, x.flip(0))


class SeesLabels(Sound):
    def trace_all(self, support, way):
        return self.predict_all(self.adapt_all(support, way), support.x)


class ChangesState(Sound):
    def adapt(self, state, support):
        new = super().adapt(state, support)
        state.number.add_(1)
        return new


class ChangesData(Sound):
    def predict(self, state, x):
        return super().predict(state, x.mul_(2).div_(4))


class ChangesBuffers(Sound):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def adapt(self, state, support):
        self.calls += 1
        return super().adapt(state, support)


class KeepsRunningStatistics(Sound):
    def __init__(self):
        super().__init__()
        self.embed = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(256), nn.Linear(256, 5))


class Forgetful(Sound):
    def __init__(self):
        super().__init__()
        self.kept = torch.zeros(())

    def adapt(self, state, support):
        self.kept = self.kept + 1
        return super().adapt(state, support)

    def predict(self, state, x):
        return super().predict(state, x) * self.kept


class FixedPrecision(Sound):
    def predict(self, state, x):
        return super().predict(state, x).double()


class CountsInPython(Sound):
    def init(self, way):
        return (super().init(way), 0)

    def adapt(self, state, support):
        return (super().adapt(state[0], support), state[1] + len(support.x))

    def predict(self, state, x):
        return super().predict(state[0], x)


class NanAtFirst(Sound):
    def predict(self, state, x):
        return super().predict(Sums(state.total / state.number[:, None], torch.ones_like(state.number)), x)


class WrongShape(Sound):
    def predict(self, state, x):
        return super().predict(state, x)[:, :-1]


class CountsPadding(Sound):
    def adapt(self, state, support):
        return super().adapt(state, Examples(support.x, support.y.clamp_min(0)))


class StartsAnew(Sound):
    def adapt(self, state, support):
        return super().adapt(state, support) if len(support.x) else self.init(len(state.number))


class KnowsWay(Sound):
    def predict(self, state, x):
        return super().predict(state, x) * len(state.number)

    def init(self, way):
        return Sums(*(leaf + (way > WAY) for leaf in super().init(way)))


class AsksTheData(Sound):
    def adapt(self, state, support):
        return super().adapt(state, support) if float(support.x.sum()) > 0 else state


class Wanders(Sound):
    """Gives each task of a mapped group the statistics of the first."""

    def predict(self, state, x):
        return super().predict(state, x) + (torch.rand((), dtype=x.dtype) if _mapped(x) else 0)


def _mapped(x):
    return torch._C._functorch.is_functorch_wrapped_tensor(x)


class Detached(Sound):
    def adapt(self, state, support):
        new = super().adapt(state, support)
        return Sums(new.total.detach(), new.number)


class Idle(Sound):
    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.ones(2))


class _Flip(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return x.clone()

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, grad):
        return -grad

    generate_vmap_rule = True


class Climbs(Sound):
    def predict(self, state, x):
        return _Flip.apply(super().predict(state, x))


class Inner(Learner):
    """One step of gradient descent on a small convolutional net: where the trap of mapped batch normalization lies."""

    def __init__(self, norm):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), norm, nn.Tanh(), nn.AvgPool2d(4), nn.Flatten())
        self.net.append(nn.Linear(64, WAY))

    def init(self, way):
        if way != WAY:
            raise ValueError(f"the head has {WAY} classes")
        return dict(self.net.named_parameters())

    def adapt(self, state, support):
        def loss(weights):
            return cross_entropy(torch.func.functional_call(self.net, weights, (support.x,)), support.y)

        grads = torch.func.grad(loss)(state)
        return tree.map(lambda w, g: w - 0.5 * g, state, grads)

    def predict(self, state, x):
        return torch.func.functional_call(self.net, state, (x,))

    @property
    def transductive(self):
        return True


class PlainBatchNorm(BatchNorm):
    def forward(self, x):
        return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)


@pytest.fixture
def episodes(pool):
    return tasks.episodes(pool, WAY, 2, 3)


def test_a_sound_learner_passes_and_stays_as_it_was(episodes):
    learner = Sound().train()
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    checks.check_learner(learner, episodes)
    assert learner.training
    assert all(torch.equal(value, before[name]) for name, value in learner.state_dict().items())
    assert all(weight.grad is None for weight in learner.parameters())


@pytest.mark.parametrize(
    ("learner", "says"),
    [
        (Transductive, "queries one by one and together"),
        (Ordered, "from a support and from it backwards"),
        (NotOrdered, "ordered is declared"),
        (WrongTrace, "trace"),
        (SharesTasks, "the state's total by adapt_all and by adapt"),
        (SharesQueries, "predict_all and by predict"),
        (SeesLabels, "along streams by trace_all and by trace"),
        (ChangesState, "changed the state's number"),
        (ChangesData, "changed the data's query.x"),
        (ChangesBuffers, "changed the module's calls"),
        (KeepsRunningStatistics, "changed the module's embed.1.running_mean"),
        (Forgetful, "two calls|outside parameters"),
        (FixedPrecision, "the answer is"),
        (CountsInPython, r"every leaf .* after init .*'1': 'int'"),
        (NanAtFirst, "not finite"),
        (WrongShape, r"answers are \(q, way\)"),
        (CountsPadding, "padding"),
        (StartsAnew, "a support of no examples"),
        (KnowsWay, "widened from 3 to 5"),
        (Wanders, "mapped over tasks"),
        (Detached, "meta-gradient of embed.linear"),
        (Idle, "no gradient reaches unused"),
        (Climbs, "steps of Adam"),
    ],
)
def test_a_fault_is_named(learner, says, episodes):
    with pytest.raises(AssertionError, match=says):
        checks.check_learner(learner(), episodes)


def test_asking_a_tensor_for_its_value_cannot_be_mapped(episodes):
    with pytest.raises(RuntimeError, match="vmap"):
        checks.check_learner(AsksTheData(), episodes)


def test_a_flipped_gradient_fails_finite_differences(episodes):
    learner = Climbs()
    with pytest.raises(AssertionError, match="finite differences"):
        checks.check_differences(learner, episodes.batch(range(2)), learner.objective(WAY))


def test_an_objective_that_counts_padding_is_named(episodes):
    def careless(learner, task: Task):
        said = learner(task.support, task.query.x, WAY)
        return F.cross_entropy(said, task.query.y.clamp_min(0))

    with pytest.raises(AssertionError, match="objectives with and without padding"):
        checks.check_learner(Sound(), episodes, objective=careless)


def test_gradients_through_an_inner_gradient_are_exact_with_our_batch_normalization(episodes):
    checks.check_learner(Inner(BatchNorm(4)), episodes)


def test_the_trap_of_mapped_batch_normalization_is_caught(episodes):
    """``grad(vmap(grad))`` through F.batch_norm gives wrong gradients beside right values. Should this test fail
    because torch has mended that, ``BatchNorm._written_out`` can go."""
    learner = Inner(PlainBatchNorm(4))
    checks.check_mapping(learner, episodes.batch(range(3)), WAY)
    with pytest.raises(AssertionError, match=r"look for F\.batch_norm"):
        checks.check_mapped_gradients(learner, episodes.batch(range(3)), learner.objective(WAY))


def test_a_random_learner_is_let_off_what_it_cannot_keep(episodes):
    class Draws(Sound):
        random = True

        def adapt(self, state, support):
            new = super().adapt(state, support)
            return Sums(new.total + 1e-3 * torch.rand_like(new.total), new.number)

    checks.check_learner(Draws(), episodes)


class Distribution:
    """Episodes with one thing changed."""

    way = WAY

    def __init__(self, episodes, change):
        self.episodes, self.change = episodes, change

    def __getitem__(self, index):
        return self.change(self.episodes, index)

    def batch(self, indices):
        return tree.stack([self[index] for index in indices])


def _same_every_time(episodes, index):
    return episodes[0]


def _random(episodes, index):
    task = episodes[index]
    return task._replace(query=Examples(torch.rand_like(task.query.x), task.query.y))


def _overlapping(episodes, index):
    task = episodes[index]
    return task._replace(query=Examples(torch.cat([task.support.x[:1], task.query.x[1:]]), task.query.y))


def _sorted(episodes, index):
    task = episodes[index]
    order = task.query.y.argsort()
    return task._replace(query=Examples(task.query.x[order], task.query.y[order]))


def _unbalanced(episodes, index):
    task = episodes[index]
    return task._replace(support=Examples(task.support.x, task.support.y.clamp_max(1)))


def _first_is_zero(episodes, index):
    task = episodes[index]
    order = (task.support.y == 0).int().argsort(descending=True)
    return task._replace(support=Examples(task.support.x[order], task.support.y[order]))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_same_every_time, "are the same task"),
        (_random, "batch differs"),
        (_overlapping, "1 inputs of task 0"),
        (_sorted, "same order in every task"),
        (_unbalanced, "not balanced in the support"),
        (_first_is_zero, r"classes \[1, 2\] are never first in the support"),
    ],
)
def test_a_fault_of_tasks_is_named(change, says, episodes):
    with pytest.raises(AssertionError, match=says):
        checks.check_tasks(Distribution(episodes, change))


def test_labels_that_can_be_learned_by_heart_are_named(pool):
    class ByHeart(tasks.Episodes):
        def _classes(self, generator):
            return torch.arange(WAY).numpy()

    with pytest.raises(AssertionError, match="had the same label each time"):
        checks.check_tasks(ByHeart(pool, WAY, 2, 3))


def test_batches_that_depend_on_their_place_are_named(episodes):
    class Placed(Distribution):
        def batch(self, indices):
            return tree.map(lambda leaf: leaf.roll(1, 1), super().batch(indices))

    with pytest.raises(AssertionError, match="differs from the stacked"):
        checks.check_tasks(Placed(episodes, lambda episodes, index: episodes[index]))


def test_another_object_with_other_tasks_is_named(pool):
    with pytest.raises(AssertionError, match="another object"):
        checks.check_tasks(tasks.episodes(pool, WAY, 2, 3), again=tasks.episodes(pool, WAY, 2, 3, seed=1))
