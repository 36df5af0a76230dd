"""Every rule through the battery; and each check of the battery catches the fault it is for, and says so."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from quickstudy import checks, rules, tree
from quickstudy.rules import Rule
from quickstudy.rules.adam import Adam
from quickstudy.rules.sgd import SGD

WEIGHTS = {"embed.0.weight": (3, 2), "embed.0.bias": (3,), "head.weight": (2, 3), "scale": ()}
CASES = {  # the variants of each name
    "sgd": [
        {},
        {"rate": {"": 0.1, "embed": 0.01}, "weight_decay": 0.01},
        {"momentum": 0.9},
        {"momentum": 0.9, "nesterov": True},
        {"momentum": 0.5, "dampening": 0.5},
    ],
    "adam": [{}, {"betas": (0.0, 0.999)}, {"rate": {"": 0.1}, "weight_decay": 0.01, "decoupled": True}],
    "meta_sgd": [{}, {"rate": {"": 0.1, "embed": 0.01}}],
    "rmsprop": [{}, {"momentum": 0.9, "weight_decay": 0.01}, {"rate": {"": 0.1, "embed": 0.01}, "alpha": 0.9}],
    "lstm": [{}, {"hidden": 3, "layers": 1, "scale": 1.0, "p": None}, {"p": 5.0, "detached": False}],
    "rnnprop": [{}, {"hidden": 3, "layers": 1, "scale": 1.0}, {"detached": False}],
    "mlp": [{}, {"hidden": 8, "rate": 0.1}, {"rate": 0.1, "detached": False}],
    "step_size": [{}, {"direction": "rmsprop", "rate": 0.1}],
    "meta_lstm": [{}, {"hidden": 3, "rate": 0.1, "forget": 0.999}],
}


def given(dtype=torch.float32):
    return {name: torch.randn(shape, dtype=dtype) for name, shape in WEIGHTS.items()}


def made(name, options, weights):
    return getattr(rules, name)(*([weights] if name == "meta_sgd" else []), **options)


every_rule = pytest.mark.parametrize(
    ("name", "options"),
    [
        pytest.param(name, options, id="-".join([name, *options]))
        for name in rules.__all__
        if name != "Rule"
        for options in CASES[name]
    ],
)


@every_rule
def test_battery(name, options):
    weights = given()
    rule = made(name, options, weights)
    assert isinstance(rule, Rule)
    checks.check_rule(rule, weights)


@every_rule
def test_it_makes_no_tensor_on_another_device(name, options):
    """On "meta" an operation that meets a tensor of the processor fails."""
    weights = {name: w.to("meta") for name, w in given().items()}
    rule = made(name, options, weights).to("meta")
    memory, loss = rule.init(weights), torch.zeros((), device="meta")
    for _ in range(2):
        weights, memory = rule.update(weights, memory, weights, loss)
    assert {leaf.device.type for leaf in tree.leaves((weights, memory))} == {"meta"}


@every_rule
def test_inside_transforms_of_torch_gradients_are_those_of_autograd(name, options):
    """``vmap(grad)`` around a descent whose gradients are themselves from ``grad``."""
    weights = given(torch.float64)
    rule = made(name, options, weights).double()
    targets = torch.randn(3, dtype=torch.float64)

    def loss(weights, target):
        return torch.stack([(w - target).square().sum() for w in weights.values()]).sum()

    def end(weights, target):
        memory = rule.init(weights)
        for _ in range(2):
            grads, value = torch.func.grad_and_value(loss)(weights, target)
            weights, memory = rule.update(grads, memory, weights, value)
        return loss(weights, target)

    mapped = torch.func.vmap(torch.func.grad(end), in_dims=(None, 0))(weights, targets)
    leaves = {name: w.clone().requires_grad_() for name, w in weights.items()}
    for i, target in enumerate(targets):
        grads = torch.autograd.grad(end(leaves, target), list(leaves.values()))
        for name, grad in zip(leaves, grads, strict=True):
            torch.testing.assert_close(mapped[name][i], grad, rtol=1e-9, atol=1e-12)


class Sound(SGD):
    """With a memory, a parameter and a buffer, so that there is much to spoil."""

    def __init__(self):
        super().__init__(0.01, weight_decay=0.0)
        self.factor = nn.Parameter(torch.tensor(1.5))
        self.register_buffer("bias", torch.zeros(()))

    def init(self, weights):
        return {name: 0.0 * w for name, w in weights.items()}

    def update(self, grads, memory, weights, loss):
        memory = {name: 0.5 * m + grads[name] for name, m in memory.items()}
        return super().update({n: self.factor * m + self.bias for n, m in memory.items()}, (), weights, loss)[0], memory


class CountsInPython(Sound):
    def init(self, weights):
        return super().init(weights), 0

    def update(self, grads, memory, weights, loss):
        new, kept = super().update(grads, memory[0], weights, loss)
        return new, (kept, memory[1] + 1)


class Grows(Sound):
    def init(self, weights):
        return super().init(weights), torch.zeros(1)

    def update(self, grads, memory, weights, loss):
        new, kept = super().update(grads, memory[0], weights, loss)
        return new, (kept, torch.cat([memory[1], loss[None]]))


class LosesWeights(Sound):
    def update(self, grads, memory, weights, loss):
        new, memory = super().update(grads, memory, weights, loss)
        return {name: w for name, w in new.items() if name != "scale"}, memory


class FixedPrecision(Sound):
    def update(self, grads, memory, weights, loss):
        new, memory = super().update(grads, memory, weights, loss)
        return {name: w.double() for name, w in new.items()}, memory


class ChangesWeights(Sound):
    def update(self, grads, memory, weights, loss):
        new, memory = super().update(grads, memory, weights, loss)
        with torch.no_grad():
            return {name: w.copy_(new[name]) for name, w in weights.items()}, memory


class ChangesMemory(Sound):
    def update(self, grads, memory, weights, loss):
        for name, m in memory.items():
            m.mul_(0.5).add_(grads[name])
        return SGD.update(self, memory, (), weights, loss)[0], memory


class ChangesBuffers(Sound):
    def update(self, grads, memory, weights, loss):
        self.bias.add_(1e-3)
        return super().update(grads, memory, weights, loss)


class Forgetful(Sound):
    calls = 0

    def update(self, grads, memory, weights, loss):
        self.calls += 1
        return super().update({name: g / self.calls for name, g in grads.items()}, memory, weights, loss)


class NotSaved(Sound):
    def __init__(self):
        super().__init__()
        self.register_buffer("bias", torch.zeros(()), persistent=False)


class Shared(Sound):
    def init(self, weights):
        memory = super().init(weights)
        return {**memory, "again": memory["scale"]}

    def update(self, grads, memory, weights, loss):
        new, kept = super().update(grads, {name: memory[name] for name in weights}, weights, loss)
        return new, {**kept, "again": memory["again"] + 0}


class Climbs(Sound):
    def update(self, grads, memory, weights, loss):
        return super().update({name: -g for name, g in grads.items()}, memory, weights, loss)


class Idle(Sound):
    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.ones(2))


class PlainRoot(Adam):
    def __init__(self):
        super().__init__(0.01, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, decoupled=False)

    def update(self, grads, memory, weights, loss):
        _, after = super().update(grads, memory, weights, loss)
        return {
            name: w - 0.01 * after.mean[name] / (after.square[name].sqrt() + 1e-8) for name, w in weights.items()
        }, after


class FirstOrder(Sound):
    """Detached, but does not say so."""

    def update(self, grads, memory, weights, loss):
        return super().update({name: g.detach() for name, g in grads.items()}, memory, weights, loss)


class SaidToBeDetached(Sound):
    detached = True


class Cut(Sound):
    """The memory's part of the gradient is lost."""

    def update(self, grads, memory, weights, loss):
        return super().update(grads, {name: m.detach() for name, m in memory.items()}, weights, loss)


class Wanders(Sound):
    def update(self, grads, memory, weights, loss):
        more = 1.0 + torch._C._functorch.is_batchedtensor(next(iter(grads.values())))
        return super().update({name: more * g for name, g in grads.items()}, memory, weights, loss)


class MapsWrongGradients(Sound):
    def update(self, grads, memory, weights, loss):
        if torch._C._functorch.is_batchedtensor(next(iter(grads.values()))):
            grads = {name: g.detach() for name, g in grads.items()}
        return super().update(grads, memory, weights, loss)


class MixesTasks(Sound):
    def update_all(self, grads, memory, weights, loss):
        return super().update_all({name: g.roll(1, 0) for name, g in grads.items()}, memory, weights, loss)


class MixesTasksOnTheWayBack(Sound):
    def update_all(self, grads, memory, weights, loss):
        new, memory = super().update_all(grads, memory, weights, loss)
        return {name: 2 * w - w.detach() for name, w in new.items()}, memory


class MovesTwice(Sound):
    def move(self, grads, memory, weights, loss):
        return super().move(grads, super().move(grads, memory, weights, loss), weights, loss)


def test_a_sound_rule_passes_and_stays_as_it_was():
    rule, weights = Sound(), given()
    before = tree.map(torch.clone, {"rule": dict(rule.state_dict()), "weights": weights})
    checks.check_rule(rule, weights)
    after = {"rule": dict(rule.state_dict()), "weights": weights}
    assert all(torch.equal(a, b) for a, b in zip(tree.leaves(after), tree.leaves(before), strict=True))
    assert rule.training
    assert all(p.grad is None for p in rule.parameters())


def test_a_detached_rule_that_says_so_passes():
    class Declared(FirstOrder):
        detached = True

    checks.check_rule(Declared(), given())


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (CountsInPython, r"every leaf of a memory .* after init .*'1': 'int'"),
        (Grows, "update turned the memory from"),
        (LosesWeights, "update turned the weights from"),
        (FixedPrecision, r"the weight embed\.0\.weight was .*float32.* it is .*float64"),
        (ChangesWeights, r"changed weights embed\.0\.weight"),
        (ChangesMemory, r"changed memory embed\.0\.weight"),
        (ChangesBuffers, "changed rule bias"),
        (Forgetful, "two equal updates"),
        (NotSaved, "before and after a file"),
        (Climbs, "3 updates took the loss"),
        (Idle, "no gradient reaches the rule's unused"),
        (PlainRoot, "not finite where gradients are zero"),
        (FirstOrder, "starting weight .* finite differences"),
        (SaidToBeDetached, "starting weight .* finite differences"),
        (Cut, "starting weight .* finite differences"),
        (Wanders, r"the weights .* mapped over tasks \(vmap\)"),
        (MapsWrongGradients, "the meta-gradients of .* mapped over tasks"),
        (MixesTasks, "what update_all and a loop make of"),
        (MixesTasksOnTheWayBack, "through update_all and through a loop"),
        (MovesTwice, "what move and update make of"),
    ],
)
def test_a_fault_is_named(rule, says):
    with pytest.raises(AssertionError, match=says):
        checks.check_rule(rule(), given())


def test_memory_that_shares_memory_is_refused_by_the_file():
    with pytest.raises(RuntimeError, match="share memory"):
        checks.check_rule(Shared(), given())


def test_asking_a_tensor_for_its_value_cannot_be_mapped():
    class Asks(Sound):
        def update(self, grads, memory, weights, loss):
            return super().update(grads, memory, weights, loss if float(loss.detach()) > 0 else 0 * loss)

    with pytest.raises(RuntimeError, match="vmap"):
        checks.check_rule(Asks(), given())
