"""Leaving out, temperature, novelty: each against the same computed the long way."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from quickstudy.core import Examples
from quickstudy.estimator import confidence
from quickstudy.estimator.inputs import Looks
from quickstudy.estimator.recipe import Recipe, reader
from quickstudy.estimator.taught import KEPT, Taught

READERS = ["prototypes", "neighbours", "matching", "density", "linear"]


def taught(name, x, y):
    recipe = Recipe(name, Looks((x.shape[1],)), {"steps": 5} if name == "linear" else {}, "plain", x.shape[1])
    made = Taught(recipe, recipe.make())
    made.teach(x, y)
    return made


@pytest.mark.parametrize("name", READERS)
def test_what_is_left_out_was_never_taught(name):
    x = torch.randn(9, 5, dtype=torch.float64)
    y = torch.tensor([0, 0, 1, 1, 1, 2, 3, 0, 3])  # class 2 has one example, which stays
    made = taught(name, x, y.tolist())
    found, chosen = confidence.left_out(made.reader, made.state, made.kept, made.rows, 4)
    rows = made.rows[chosen].tolist()
    assert sorted(rows) == [0, 1, 2, 3, 4, 6, 7, 8]
    folds = [[0, 2, 6], [1, 3, 8], [7, 4, 6]]  # the third of class 3 would be its first
    for row, said in zip(rows, found, strict=True):
        fold = next(fold for fold in folds if row in fold)
        others = [i for i in range(9) if i not in fold]
        alone = reader(name, torch.nn.Identity(), 5, made.recipe.options).double()
        state = alone.adapt(confidence.start(alone, 4), Examples(x[others], y[others]))
        want = confidence.said(alone, state, x[row : row + 1])[0].detach()
        torch.testing.assert_close(said, want, rtol=1e-5, atol=1e-6)


def test_the_temperature_is_the_best_there_is():
    chance = torch.Generator().manual_seed(0)
    y = torch.randint(0, 4, (200,), generator=chance)
    logits = 8 * torch.randn(200, 4, generator=chance, dtype=torch.float64)
    logits[torch.arange(200), y] += 6
    doubt = 1 / 202
    target = torch.full((200, 4), doubt / 4, dtype=torch.float64)
    target[torch.arange(200), y] += 1 - doubt
    best = minimize_scalar(
        lambda log_t: float(-(target * (logits / np.exp(log_t)).log_softmax(1)).sum()), bounds=(-5, 5), method="bounded"
    )
    assert confidence.best_temperature(logits, y) == pytest.approx(float(np.exp(best.x)), rel=0.06)


def test_few_right_answers_do_not_make_certain():
    logits = torch.tensor([[9.0, 0.0], [0.0, 9.0], [9.0, 0.0]], dtype=torch.float64)
    y = torch.tensor([0, 1, 0])
    sure = confidence.probabilities(logits, confidence.best_temperature(logits, y)).max(1).values
    assert bool((sure > 0.8).all())
    assert bool((sure < 0.95).all())


def test_a_class_without_a_vote_is_not_impossible():
    chances = confidence.probabilities(torch.tensor([[0.0, -torch.inf, -torch.inf]]), 10.0)
    assert bool((chances > 0).all())
    assert float(chances.sum()) == pytest.approx(1)


def test_what_is_kept_depends_on_no_order_of_the_classes():
    x = torch.randn(3 * (KEPT + 5), 2, dtype=torch.float64)
    labels = ["a", "b", "c"] * (KEPT + 5)
    made = taught("prototypes", x, labels)
    assert made.kept.y.bincount().tolist() == [KEPT] * 3
    assert made.counts == [KEPT + 5] * 3
    assert all(labels[row] == made.names[c] for row, c in zip(made.rows.tolist(), made.kept.y.tolist(), strict=True))


def test_temperature_without_a_second_example_says_so():
    made = taught("prototypes", torch.randn(3, 4, dtype=torch.float64), ["a", "b", "c"])
    assert made.measured.accuracy is None
    assert "rule of thumb" in made.measured.how
    with pytest.raises(ValueError, match="two examples"):
        made.threshold(0.05)
