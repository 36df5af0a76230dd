from __future__ import annotations

import pytest
import torch

from quickstudy import learners, tasks
from quickstudy.core import cross_entropy
from quickstudy.rules.adam import Adam
from quickstudy.rules.sgd import SGD


def test_the_inner_loop_is_the_published_one():
    learner = learners.reptile((1, 16, 16), way=5, width=4)
    assert isinstance(learner.rule, Adam)
    assert learner.rule.betas[0] == 0
    assert (learner.rule.rate, learner.batch, learner.steps, learner.test_steps) == (1e-3, 10, 5, 50)
    assert isinstance(learners.reptile((1, 16, 16), way=5, width=4, inner="sgd").rule, SGD)


def test_an_unknown_inner_optimizer_is_refused():
    with pytest.raises(ValueError, match="adam or sgd, got 'lion'"):
        learners.reptile((1, 16, 16), way=5, inner="lion")


def test_moving_towards_the_adapted_weights_makes_a_task_easier(pool):
    """The Reptile step, by hand: the loss after adapting falls when the start moves to where adapting led."""
    learner = learners.reptile(pool.shape, way=3, width=4, steps=4, batch=5, inner="sgd", rate=0.1).train()
    task, scores = tasks.episodes(pool, 3, 4, 3)[0], []
    with torch.no_grad():
        for _ in range(6):
            state = learner.adapt(learner.init(3), task.support)
            scores.append(float(cross_entropy(learner.predict(state, task.query.x), task.query.y)))
            start = learner.init(3).weights
            for name, w in state.weights.items():
                start[name].lerp_(w, 0.5)
    assert scores[-1] < scores[0]
