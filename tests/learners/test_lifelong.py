"""What the lifelong learners promise, computed another way."""

import functools
import itertools

import pytest
import torch

from quickstudy import checks, learners, tree
from quickstudy.core import Examples
from quickstudy.learners.continual import Continual, Fit
from quickstudy.learners.ewc import EWC
from quickstudy.learners.quadratic import Penalized, nothing
from quickstudy.learners.replay import Mixed
from quickstudy.learners.stepwise import StepObjective
from quickstudy.nets.mlp import mlp
from quickstudy.rules import adam, sgd
from quickstudy.tasks import episodes, streams

SHAPE, STEPS = (1, 16, 16), 4


def base(*, steps=STEPS, mask="seen", seed=0, widths=(8,), rate=0.01):
    torch.manual_seed(seed)
    return learners.continual(SHAPE, widths=widths, steps=steps, batch=5, rate=rate, mask=mask, seed=seed)


def generative(learner, **options):
    return learners.generative(learner, SHAPE, widths=(8,), latent=3, steps=3, batch=4, **options)


METHODS = {
    "naive": lambda learner: learner,
    "alone": learners.alone,
    "joint": learners.joint,
    "ewc": functools.partial(learners.ewc, strength=10.0),
    "online": functools.partial(learners.ewc, strength=10.0, online=True, decay=0.5, fisher="sample", examples=4),
    "mas": learners.mas,
    "si": learners.si,
    "lwf": learners.lwf,
    "replay": functools.partial(learners.replay, capacity=6),
    "noise": learners.noise,
    "generative": generative,
    "adversarial": functools.partial(generative, generator="gan"),
    "distilled": functools.partial(generative, temperature=2.0),
    "ewc+replay": lambda learner: learners.replay(learners.ewc(learner, strength=10.0), capacity=6),
}
PENALTIES = ("ewc", "online", "mas", "si")


@pytest.fixture(scope="module")
def stream(make_pool):
    return streams.split(make_pool([12] * 6), make_pool([4] * 6), 2)


@pytest.fixture(params=METHODS)
def name(request):
    return request.param


def lived(learner, stream, contexts=None):
    with torch.no_grad():
        data = [stream[i] for i in range(contexts or len(stream))]
        return functools.reduce(learner.adapt, data, learner.init(stream.way))


def test_every_wrapper_is_listed():
    assert {name.split("+")[0] for name in METHODS} - {"naive", "online", "adversarial", "distilled"} == set(
        learners.AROUND
    )


@pytest.mark.parametrize("mask", ["seen", "own"])
def test_battery(name, mask, pool):
    checks.check_learner(METHODS[name](base(mask=mask)), episodes(pool, 3, 2, 3))


def test_a_life_is_the_same_lived_twice_and_another_by_another_seed(name, stream):
    first, again, other = (lived(METHODS[name](base(seed=seed)), stream) for seed in (0, 0, 1))
    pairs = list(zip(tree.leaves(first), tree.leaves(again), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert any(not torch.equal(a, b) for a, b in zip(tree.leaves(first), tree.leaves(other), strict=False))


def test_the_memory_of_the_past_is_in_the_state(name, stream):
    """A learner made anew goes on from the state of another, bit for bit."""
    whole = lived(METHODS[name](base()), stream)
    state = lived(METHODS[name](base()), stream, contexts=2)
    anew = METHODS[name](base())
    with torch.no_grad():
        ended = anew.adapt(state, stream[2])
    assert all(torch.equal(a, b) for a, b in zip(tree.leaves(whole), tree.leaves(ended), strict=True))


def test_a_context_of_padding_teaches_nothing(name, stream):
    learner = METHODS[name](base())
    state = lived(learner, stream, contexts=1)
    empty = Examples(stream[1].x, torch.full_like(stream[1].y, -1))
    after = learner.adapt(state, empty)
    if name not in ("alone", "joint"):  # which learn again what they hold, or nothing
        x = stream.exam(0).x
        assert torch.equal(learner.predict(after, x), learner.predict(state, x))


@pytest.mark.parametrize("averaged", [False, True])
def test_distillation_holds_to_what_the_old_learner_said(averaged, stream):
    """The formula of Hinton et al. (2015), the two classes of the second context being new to the old learner."""
    learner = learners.lwf(base(), temperature=2.0, averaged=averaged)
    state = lived(learner, stream, contexts=1)
    now = {name: w + 0.1 * torch.randn_like(w) for name, w in learner.weights(state).items()}
    x, module = stream[1].x, learner.module(stream.way)
    found = Mixed(Fit(learner.learner, state.inner), learner, state, stream[1], 0.5)._taught(now, x)
    said, says = (torch.func.functional_call(module, w, (x,)) for w in (learner.weights(state), now))
    p, log_q = (said[:, :2] / 2).softmax(1), (says[:, :4] / 2).log_softmax(1)[:, :2]
    expected = -4 * (p * log_q).sum(1).mean() / (4 if averaged else 1)
    torch.testing.assert_close(found, expected)


def test_steps_in_place_are_those_of_the_rule(stream):
    """Adam's fused steps equal the differentiable ones up to rounding."""
    learner = base(steps=6).double()
    support = tree.map(lambda leaf: leaf.double() if leaf.is_floating_point() else leaf, stream[0])
    before = learner.init(stream.way)
    after = learner.adapt(before, support)
    batches = []

    class Noted(StepObjective):
        def __init__(self, objective):
            self.objective = objective

        def __call__(self, weights, batch, rng):
            batches.append(batch)
            return self.objective(weights, batch, rng)

    learner.adapt(before, support, Noted)
    weights, memory = before.weights, before.memory
    for batch in batches:
        loss = lambda w, batch=batch: Fit(learner, after)(w, batch, None)  # noqa: E731
        grads, value = torch.func.grad_and_value(loss)(weights)
        weights, memory = learner.rule.update(grads, memory, weights, value)
    assert len(batches) == 6
    for key, value in weights.items():
        torch.testing.assert_close(after.weights[key], value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("decoupled", [False, True])
def test_moving_is_updating_in_place(decoupled):
    rule = adam(0.1, weight_decay=0.3, decoupled=decoupled)
    weights = {"a": torch.randn(3, 4).double(), "b": torch.randn(5).double()}
    memory = rule.init(weights)
    mine = tree.map(torch.clone, (weights, memory))
    for _ in range(3):
        grads = {key: torch.randn_like(w) for key, w in weights.items()}
        weights, memory = rule.update(grads, memory, weights, torch.zeros(()))
        mine = (mine[0], rule.move(grads, mine[1], mine[0], torch.zeros(())))
    for a, b in zip(tree.leaves((weights, memory)), tree.leaves(mine), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("name", PENALTIES, indirect=True)
def test_a_penalty_is_zero_at_its_anchor_and_nowhere_else(name, stream):
    learner = METHODS[name](base(rate=0.05))
    assert not any(w.any() for w in learner.init(stream.way).past.importance.values())
    state = lived(learner, stream, contexts=1)
    penalty, weights = state.past, learner.weights(state)
    assert float(penalty.value(weights)) == 0
    moved = {key: w + 0.1 * torch.randn_like(w) for key, w in weights.items()}
    assert float(penalty.value(moved)) > 0
    assert all((w >= 0).all() for w in penalty.importance.values())


@pytest.mark.parametrize("name", PENALTIES, indirect=True)
def test_an_endless_strength_holds_what_matters(name, stream):
    loose = METHODS[name](base(rate=0.02, steps=20))
    tight = METHODS[name](base(rate=0.02, steps=20))
    one = lived(tight, stream, contexts=1)
    loose.strength, tight.strength = 0.0, 1e4 / max(float(w.mean()) for w in one.past.importance.values())
    important = {key: w > w.mean() for key, w in one.past.importance.items()}
    moves = []
    for learner in (loose, tight):
        with torch.no_grad():
            after = learner.weights(learner.adapt(one, stream[1]))
        before = learner.weights(one)
        moves.append(sum(((after[key] - before[key])[rows]).abs().sum() for key, rows in important.items()))
    assert moves[1] < moves[0] / 2


def test_many_anchors_are_one_quadratic():
    chance = torch.Generator().manual_seed(0)
    terms = [{k: torch.rand(4, generator=chance).double() for k in ("importance", "anchor")} for _ in range(3)]
    terms[1]["importance"][0] = terms[2]["importance"][0] = 0
    total = nothing({"w": torch.zeros(4).double()})
    for term in terms:
        total = total.plus({"w": term["importance"]}, {"w": term["anchor"]})
    for _ in range(3):
        w = torch.randn(4, generator=chance).double()
        expected = sum((t["importance"] * (w - t["anchor"]).square()).sum() / 2 for t in terms)
        torch.testing.assert_close(total.value({"w": w}), expected)


def test_the_slope_written_out_is_that_of_autograd(stream):
    learner = base()
    state = learner.adapt(learner.init(stream.way), stream[0])
    penalty = nothing(state.weights).plus({k: torch.rand_like(w) for k, w in state.weights.items()}, state.weights)
    fit = Fit(learner, state)
    objective = Penalized(fit, penalty, 3.0)
    live = {k: (w + 0.1 * torch.randn_like(w)).requires_grad_() for k, w in state.weights.items()}
    grads, loss = objective.slope(live, stream[0], torch.Generator())
    plain, whole = StepObjective.slope(objective, live, stream[0], torch.Generator())
    torch.testing.assert_close(whole, fit(live, stream[0], torch.Generator()) + 3 * penalty.value(live))
    torch.testing.assert_close(loss, fit(live, stream[0], torch.Generator()).detach())  # without the penalty
    for key, grad in plain.items():
        torch.testing.assert_close(grads[key], grad)


def test_ewc_of_replay_is_replay_of_ewc(stream):
    one = learners.replay(learners.ewc(base(), strength=5.0), capacity=6)
    two = learners.ewc(learners.replay(base(), capacity=6), strength=5.0)
    ends = [learner.weights(lived(learner, stream)) for learner in (one, two)]
    assert all(torch.equal(w, ends[1][key]) for key, w in ends[0].items())


def test_the_importance_of_ewc_is_the_fisher_information_of_the_context(stream):
    learner = learners.ewc(base(mask="own"), strength=1.0)
    state = lived(learner, stream, contexts=2)
    weights = {key: w.double().requires_grad_() for key, w in learner.weights(state).items()}
    total = {key: torch.zeros_like(w) for key, w in weights.items()}
    x, own = stream[1].x.double(), list(stream.labels(1))
    for one in x:
        log_p = learner.learner.double().logits(weights, one[None])[0, own].log_softmax(0)
        for c in range(len(own)):
            grads = torch.autograd.grad(log_p[c], list(weights.values()), retain_graph=True)
            for key, grad in zip(total, grads, strict=True):
                total[key] += log_p[c].exp().detach() * grad.square() / len(x)
    before = lived(learners.ewc(base(mask="own"), strength=1.0), stream, contexts=1)
    for key, value in total.items():
        added = state.past.importance[key] - before.past.importance[key]
        torch.testing.assert_close(added.double(), value, rtol=1e-3, atol=1e-7)


def test_synaptic_intelligence_adds_up_its_way(stream):
    """With plain descent a step is -rate · gradient, so that the work is the sum of the squared steps over the rate."""
    net = mlp(SHAPE, widths=(8,))
    steps = []

    class Noted(StepObjective):
        def __init__(self, objective):
            self.objective = objective

        def __call__(self, weights, batch, rng):
            return self.objective(weights, batch, rng)

        def slope(self, weights, batch, rng):
            steps.append({key: w.detach().clone() for key, w in weights.items()})
            return self.objective.slope(weights, batch, rng)

    inner = Continual(net, net.features, sgd(0.1), steps=5, batch=5).double()
    learner = learners.si(inner, strength=1.0, damping=0.1)
    support = tree.map(lambda leaf: leaf.double() if leaf.is_floating_point() else leaf, stream[0])
    state = learner.adapt(learner.init(stream.way), support, Noted)
    path = [*steps, learner.weights(state)]
    for key, grown in state.past.importance.items():
        work = sum((b[key] - a[key]).square() / 0.1 for a, b in itertools.pairwise(path))
        expected = work / ((path[-1][key] - path[0][key]).square() + 0.1)
        torch.testing.assert_close(grown, expected)


def test_mas_holds_no_head_of_a_context_to_come(stream):
    state = lived(learners.mas(base(mask="own")), stream, contexts=1)
    held = state.past.importance["head.weight"].abs().sum(1) > 0
    assert held.tolist() == [True] * 2 + [False] * 4
    learner = learners.mas(base(mask="all"))
    assert (lived(learner, stream, contexts=1).past.importance["head.weight"].abs().sum(1) > 0).all()
    unlabelled = learners.mas(base(mask="own"))
    state = unlabelled.learn_unlabelled(lived(unlabelled, stream, contexts=2), stream.exam(0).x)
    assert (state.past.importance["head.weight"].abs().sum(1) > 0).tolist() == [True] * 4 + [False] * 2


def test_unlabelled_data_grow_the_importance_of_mas(stream):
    learner = learners.mas(base())
    state = lived(learner, stream, contexts=1)
    more = learner.learn_unlabelled(state, stream.exam(2).x)
    grown = [(more.past.importance[k] - w) for k, w in state.past.importance.items()]
    assert all((g >= 0).all() for g in grown)
    assert any(g.any() for g in grown)
    assert learner.weights(more) is learner.weights(state)


@pytest.mark.parametrize(("mask", "expected"), [("all", 6), ("seen", 4), ("own", 2)])
def test_the_training_mask_lets_through_what_it_says(mask, expected, stream):
    learner = base(mask=mask)
    state = lived(learner, stream, contexts=2)
    allowed = learner.choices(state, stream[1].y)
    assert (allowed.sum(1) == expected).all()
    assert allowed.gather(1, stream[1].y[:, None]).all()


def test_joint_sees_everything_and_alone_nothing(stream):
    state = lived(learners.joint(base()), stream)
    every = torch.cat([stream[i].x for i in range(3)])
    torch.testing.assert_close(state.past.x.float() / 255, every)
    assert state.past.x.dtype == torch.uint8
    assert state.past.y.tolist() == [y for i in range(3) for y in stream[i].y.tolist()]
    learner = learners.alone(base())
    last = learner.adapt(learner.init(stream.way), stream[2]).inner
    ended = lived(learner, stream).inner
    assert all(torch.equal(a, b) for a, b in zip(tree.leaves(ended), tree.leaves(last), strict=True))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: learners.ewc(base(), strength=-1), "strength"),
        (lambda: learners.ewc(base(), fisher="true"), "exact, sample, empirical, predicted"),
        (lambda: learners.ewc(base(), decay=0.5), "only online"),
        (lambda: learners.si(base(), damping=0.0), "damping"),
        (lambda: learners.replay(base(), capacity=None), "capacity in examples or a budget"),
        (lambda: learners.replay(base(), policy="newest"), "reservoir or balanced"),
        (lambda: learners.lwf(base(), temperature=0.0), "temperature is above 0"),
        (lambda: base(mask="mine"), "training mask"),
        (lambda: generative(base(), generator="flow"), "vae or gan"),
        (lambda: base(steps=0), "at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_the_default_fisher_is_exact():
    assert isinstance(learners.ewc(base()), EWC)
    assert learners.ewc(base()).fisher == "exact"


def meta_learned():
    torch.manual_seed(0)
    return learners.maml(SHAPE, way=6, width=4, normalization="none", steps=3, rate=0.1)


@pytest.mark.parametrize("name", ["ewc", "mas", "si", "replay", "noise", "joint"], indirect=True)
def test_any_gradient_learner_can_be_wrapped(name, stream):
    learner = METHODS[name](meta_learned())
    state = lived(learner, stream)
    again = lived(METHODS[name](meta_learned()), stream)
    assert all(torch.equal(a, b) for a, b in zip(tree.leaves(state), tree.leaves(again), strict=True))
    plain = lived(meta_learned(), stream)
    moved = learner.weights(state)
    assert any(not torch.equal(w, plain.weights[key]) for key, w in moved.items())


def test_without_strength_a_wrapped_learner_is_itself(stream):
    wrapped, plain = learners.ewc(meta_learned(), strength=0.0), meta_learned()
    state = lived(wrapped, stream)
    for key, w in lived(plain, stream).weights.items():
        torch.testing.assert_close(wrapped.weights(state)[key], w.detach())


def test_a_learner_whose_head_alone_adapts_is_not_wrapped(stream):
    learner = learners.ewc(learners.anil(SHAPE, way=6, width=4, normalization="none", steps=2))
    with pytest.raises(ValueError, match="only the head adapts"):
        learner.adapt(learner.init(6), stream[0])
