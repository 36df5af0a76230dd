"""What all outer estimators have in common."""

from __future__ import annotations

import pytest
import torch

from quickstudy import batching, outer
from quickstudy.learners import prototypes
from quickstudy.outer import CHOICES, Unroll, estimator

every_name = pytest.mark.parametrize("name", CHOICES)


def gradients(name, learner, items, chunk=None):
    return estimator(name, chunk=chunk).step(learner, items, learner.objective(3), ())[:2]


@every_name
@pytest.mark.parametrize("chunk", [1, 2, 3, 99])
def test_any_chunk_gives_the_same(name, chunk, make, items):
    learner = make(proximal=1.0)
    (loss, grads), (expected, theirs) = (gradients(name, learner, items, n) for n in (chunk, None))
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=0)
    for a, b in zip(grads, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-13)


@every_name
def test_threads_give_the_same_bits(name, make, items, two_threads):
    learner = make(proximal=1.0)
    for chunk in (1, 2):
        torch.set_num_threads(1)
        expected, theirs = gradients(name, learner, items, chunk)
        torch.set_num_threads(2)
        loss, grads = gradients(name, learner, items, chunk)
        assert torch.equal(loss, expected)
        assert all(map(torch.equal, grads, theirs))


@every_name
def test_the_module_is_left_as_it_was(name, make, items):
    learner = make(proximal=1.0)
    before = {key: value.clone() for key, value in learner.state_dict().items()}
    loss, grads = gradients(name, learner, items)
    assert all(torch.equal(value, before[key]) for key, value in learner.state_dict().items())
    assert not loss.requires_grad
    assert not any(grad.requires_grad for grad in grads)
    assert all(weight.grad is None for weight in learner.parameters())


@every_name
def test_gradients_have_the_order_and_the_shapes_of_the_trainable_weights(name, make, items):
    learner = make(proximal=1.0)
    learner.net[0].bias.requires_grad_(False)
    _, grads = gradients(name, learner, items)
    assert [grad.shape for grad in grads] == [weight.shape for weight in batching.trainable(learner)]
    assert all(bool(grad.any()) for grad in grads)


@every_name
def test_steps_along_the_gradients_lower_the_loss(name, make, items):
    learner = make(proximal=1.0)
    before, _ = gradients(name, learner, items)
    for _ in range(20):
        _, grads = gradients(name, learner, items)
        with torch.no_grad():
            for weight, grad in zip(batching.trainable(learner), grads, strict=True):
                weight -= 0.1 * grad
    assert float(gradients(name, learner, items)[0]) < float(before)


@every_name
def test_by_name(name):
    assert type(estimator(name)) is CHOICES[name]
    assert estimator(name, chunk=3).chunk == 3
    with pytest.raises(ValueError, match=f"{name} does not take these options"):
        estimator(name, depth=3)


def test_an_unknown_name_is_answered_with_those_there_are():
    with pytest.raises(ValueError, match="no outer estimator is called 'maml'; there are unroll, first_order"):
        estimator("maml")


def test_what_needs_no_inner_gradients_needs_no_estimator(pool):
    from quickstudy.tasks import episodes

    learner, items = prototypes(pool.shape, width=4), episodes(pool, 3, 2, 3).batch(range(3))
    one, other = (e.step(learner, items, learner.objective(3), ())[1] for e in (Unroll(), outer.FirstOrder()))
    assert all(map(torch.equal, one, other))
    for name in ("reptile", "implicit"):
        with pytest.raises(ValueError, match="use the estimator unroll"):
            estimator(name).check(learner, learner.objective(3))
        with pytest.raises(ValueError, match="use the estimator unroll"):
            gradients(name, learner, items)
