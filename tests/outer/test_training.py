"""The outer loop with each estimator, and what a run remembers of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from quickstudy import outer
from quickstudy.experiment import Experiment, from_run
from quickstudy.files import FileProblem
from quickstudy.learners.gradient import Gradient
from quickstudy.nets.heads import Learned
from quickstudy.nets.mlp import mlp
from quickstudy.rules import sgd
from quickstudy.storage import Run
from quickstudy.tasks import episodes
from quickstudy.train import _Loop, pace, train


class Killed(BaseException):
    pass


class Mortal:
    """Tasks that die when one of them is reached."""

    def __init__(self, tasks, last):
        self.tasks, self.last, self.way = tasks, last, tasks.way

    def batch(self, indices):
        if indices[0] >= self.last:
            raise Killed
        return self.tasks.batch(indices)


def made(pool):
    torch.manual_seed(7)
    net = mlp(pool.shape, widths=(8,))
    return Gradient(net, Learned(8, 3), sgd(0.1), steps=2, proximal=1.0)


@pytest.mark.parametrize("name", outer.CHOICES)
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_killed_training_ends_with_the_same_bits(name, optimizer, pool, tmp_path):
    options = {"steps": 12, "batch": 2, "estimator": outer.estimator(name), "optimizer": optimizer, "rate": 0.01}
    tasks, (whole, resumed) = episodes(pool, 3, 2, 3), (made(pool), made(pool))
    train(whole, tasks, **options)
    with pytest.raises(Killed):
        train(made(pool), Mortal(tasks, 14), run=Run(tmp_path), **options)
    assert 0 < Run(tmp_path).load_checkpoint()[1]["step"] <= 7
    train(resumed, tasks, run=Run(tmp_path), **options)
    assert all(torch.equal(value, resumed.state_dict()[key]) for key, value in whole.state_dict().items())


@pytest.mark.parametrize("name", outer.CHOICES)
def test_training_learns(name, pool):
    rate = {"optimizer": "sgd", "rate": 1.0} if name == "reptile" else {"rate": 5e-3}
    curve = train(made(pool), episodes(pool, 3, 2, 3), steps=60, batch=4, estimator=outer.estimator(name), **rate).curve
    first, last = (sum(point["loss"] for point in part) / 10 for part in (curve[:10], curve[-10:]))
    assert last < 0.9 * first


def test_descent_of_falling_rate(pool):
    """Reptile's: from 1 to 0 in a line, each step to or towards the mean of the adapted weights."""
    learner, tasks = made(pool), episodes(pool, 3, 2, 3)
    objective, estimator = learner.objective(3), outer.Reptile()
    loop = _Loop(learner, tasks, objective, estimator, 4, 2, 1.0, "float32", 0, "sgd")
    for step in range(4):
        before = [weight.detach().clone() for weight in learner.parameters()]
        _, grads, _ = estimator.step(learner, tasks.batch(range(2 * step, 2 * step + 2)), objective, ())
        loop.step(step)
        for weight, old, grad in zip(learner.parameters(), before, grads, strict=True):
            torch.testing.assert_close(weight.detach(), old - (1 - step / 4) * grad)


def test_an_unknown_optimizer_is_answered_with_those_there_are(pool):
    with pytest.raises(ValueError, match="no outer optimizer is called 'adagrad'; there are adam, adam-constant, sgd"):
        train(made(pool), episodes(pool, 3, 2, 3), steps=1, optimizer="adagrad")


def test_pace_is_that_of_the_estimator(pool):
    class Counted(outer.FirstOrder):
        steps = 0

        def step(self, *given):
            self.steps += 1
            return super().step(*given)

    how = Counted()
    assert pace(made(pool), episodes(pool, 3, 2, 3), batch=1, precision="float32", estimator=how, seconds=0.05) > 0
    assert how.steps > 3


@pytest.fixture(scope="module")
def asked(tmp_path_factory) -> Experiment:
    folder = tmp_path_factory.mktemp("pictures")
    chance = np.random.default_rng(0)
    for c in range(30):
        (folder / f"class {c:02}").mkdir()
        for i in range(5):
            Image.fromarray(chance.integers(0, 255, (16, 16)).astype(np.uint8)).save(folder / f"class {c:02}/{i}.png")
    small = {"data": f"folder:{folder}", "size": 16, "way": 3, "query": 2, "steps": 2, "validations": 1}
    return Experiment(learner="maml", options={"way": 3, "width": 4}, estimator="first_order", **small)


def test_a_run_remembers_how_it_was_trained(asked, tmp_path):
    asked.run(tmp_path)
    kept = Run.open(tmp_path).config["experiment"]
    assert (kept["estimator"], kept["optimizer"]) == ("first_order", "adam")
    assert from_run(Run.open(tmp_path)) == asked
    with pytest.raises(FileProblem, match="asked something else"):
        dataclasses.replace(asked, estimator="unroll").run(tmp_path)


def test_a_run_from_before_there_was_a_choice_is_exact(tmp_path):
    old = {"learner": "prototypes", "steps": 3}
    made = from_run(Run.create(tmp_path, {"experiment": old}))
    assert (made.estimator, made.optimizer) == ("unroll", "adam")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"estimator": "guess"}, "no outer estimator is called 'guess'"),
        ({"optimizer": "guess"}, "no outer optimizer is called 'guess'"),
        ({"estimator": "implicit"}, "give the learner proximal"),
        ({"estimator": "reptile", "learner": "prototypes", "options": {"width": 4}}, "use the estimator unroll"),
    ],
)
def test_what_cannot_work_is_refused_before_a_folder_is_made(change, said, asked, tmp_path):
    with pytest.raises(ValueError, match=said):
        dataclasses.replace(asked, **change).run(tmp_path / "run")
    assert not (tmp_path / "run").exists()
