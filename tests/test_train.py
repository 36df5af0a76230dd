"""The outer loop: it learns, keeps the best, resumes bit for bit, and says what is wrong."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from quickstudy.core import Examples, Task
from quickstudy.data.pool import build
from quickstudy.files import FileProblem
from quickstudy.learners import classifier, matching, prototypes, siamese
from quickstudy.storage import Run
from quickstudy.tasks import batches, episodes
from quickstudy.train import Diverged, calibrate, pace, train


class Killed(BaseException):
    pass


class Mortal:
    """Tasks that die when a step is reached."""

    def __init__(self, tasks, last):
        self.tasks, self.last, self.way = tasks, last, tasks.way

    def __getitem__(self, index):
        return self.tasks[index]

    def batch(self, indices):
        if indices[0] >= self.last:
            raise Killed
        return self.tasks.batch(indices)


@pytest.fixture(scope="module")
def pool():
    generator = torch.Generator().manual_seed(0)
    centres = torch.rand(12, 1, 1, 16, 16, generator=generator)
    noise = torch.rand(12, 10, 1, 16, 16, generator=generator)
    images = ((0.6 * centres + 0.4 * noise) * 255).to(torch.uint8)
    return build({f"c{i}": images[i] for i in range(12)})


MAKE = {
    "prototypes": lambda: prototypes((1, 16, 16), width=4),
    "matching": lambda: matching((1, 16, 16), width=4, context=True, steps=2),
    "siamese": lambda: siamese((1, 16, 16), width=4),
    "classifier": lambda: classifier((1, 16, 16), classes=12, width=4),
}


def made(name):
    torch.manual_seed(7)
    return MAKE[name]()


def tasks_for(name, pool):
    return batches(pool, 20) if name == "classifier" else episodes(pool, 4, 1, 3)


def validate(learner):
    return -float(sum(p.detach().square().sum() for p in learner.parameters()))


@pytest.mark.parametrize("name", sorted(MAKE))
def test_a_killed_training_ends_with_the_same_bits(name, pool, tmp_path):
    options = {"steps": 30, "batch": 2, "validate": validate, "validations": 3, "seed": 3}
    whole = made(name)
    train(whole, tasks_for(name, pool), **options)
    for death in (13, 29, 47):
        with pytest.raises(Killed):
            train(made(name), Mortal(tasks_for(name, pool), death), run=Run(tmp_path), **options)
    resumed = made(name)
    done = train(resumed, tasks_for(name, pool), run=Run(tmp_path), **options)
    assert done.step == 30
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key
    assert [point["step"] for point in done.curve] == list(range(1, 31))


def test_the_resumed_steps_are_not_done_twice(pool, tmp_path):
    with pytest.raises(Killed):
        train(made("prototypes"), Mortal(episodes(pool, 4, 1, 3), 20), steps=30, run=Run(tmp_path))
    step = Run(tmp_path).load_checkpoint()[1]["step"]
    assert 0 < step <= 20


def test_training_learns(pool):
    learner, tasks = made("prototypes"), episodes(pool, 4, 1, 3)
    curve = train(learner, tasks, steps=60, batch=2, rate=5e-3).curve
    first, last = (sum(p["loss"] for p in part) / 10 for part in (curve[:10], curve[-10:]))
    assert last < 0.7 * first


def test_a_seed_is_a_result(pool):
    def weights(seed):
        learner = made("prototypes")
        train(learner, episodes(pool, 4, 1, 3), steps=5, seed=seed)
        return torch.cat([p.flatten() for p in learner.parameters()])

    assert torch.equal(weights(0), weights(0))


def test_the_best_weights_are_kept(pool):
    seen = []

    def score(learner):
        seen.append([p.detach().clone() for p in learner.parameters()])
        return [0.1, 0.9, 0.5][len(seen) - 1]

    learner = made("prototypes")
    done = train(learner, episodes(pool, 4, 1, 3), steps=9, validate=score, validations=3)
    assert done.best == {"step": 3 * 2, "score": 0.9}
    assert all(torch.equal(a, b) for a, b in zip(learner.parameters(), seen[1], strict=True))
    assert not learner.training


def test_weights_whose_validation_is_no_number_are_never_kept(pool):
    scores = iter([math.nan, -math.inf, 0.5, 0.4, math.nan])
    learner = made("prototypes")
    done = train(learner, episodes(pool, 4, 1, 3), steps=5, validate=lambda _: next(scores), validations=5)
    assert done.best == {"step": 3, "score": 0.5}


def test_a_run_whose_validations_diverged_ends_nevertheless(pool, tmp_path):
    scores, run = iter([0.5, math.nan]), Run.create(tmp_path, {})
    train(made("prototypes"), episodes(pool, 4, 1, 3), steps=2, validate=lambda _: next(scores), validations=2, run=run)
    assert run.finished
    assert ["score" in point for point in run.metrics["curve"]] == [True, False]


@pytest.mark.parametrize(
    ("third", "kept"),
    [
        ([0.7, 0.8, 0.9, 0.9], 9),  # below the second's by 0.075 ± 0.11
        ([0.7, 0.8, 0.7, 0.9], 6),  # by 0.125 ± 0.095
        ([0.9, 0.9, 0.9, 0.9], 9),
    ],
)
def test_later_weights_are_kept_if_as_good_up_to_a_standard_error(third, kept, pool):
    """Chosen by the highest mean, the weights would be those that were lucky on so few tasks."""
    scores = iter([[0.5] * 4, [1.1, 0.8, 0.8, 0.9], third])
    score = lambda _: np.array(next(scores))  # noqa: E731
    done = train(made("prototypes"), episodes(pool, 4, 1, 3), steps=9, validate=score, validations=3)
    assert done.best == {"step": kept, "score": pytest.approx(np.mean(third) if kept == 9 else 0.9)}


def test_what_is_kept_is_held_against_the_highest_ever_also_after_a_restart(pool, tmp_path):
    """Held against what was kept last, a slow decline would be followed to its end."""
    luck = [[1, -1, 1, -1], [-1, 1, 1, -1], [1, 1, -1, -1], [-1, -1, 1, 1], [1, -1, -1, 1]]
    scores = [np.array([0.9 - 0.025 * i + 0.05 * some for some in row]) for i, row in enumerate(luck)]

    def go(coming, tasks, folder):
        run = Run.open(folder) if folder.exists() else Run.create(folder, {})
        left = iter(coming)
        return train(made("prototypes"), tasks, steps=5, validate=lambda _: next(left), validations=5, run=run)

    tasks = episodes(pool, 4, 1, 3)
    whole = go(scores, tasks, tmp_path / "whole")
    assert whole.best["step"] == 2
    with pytest.raises(Killed):
        go(scores, Mortal(tasks, 1), tmp_path / "killed")
    assert go(scores[1:], tasks, tmp_path / "killed").best == whole.best


def test_a_checkpoint_that_holds_other_things_is_named(pool, tmp_path):
    run, learner = Run.create(tmp_path / "run", {}), made("prototypes")
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    run.save_checkpoint({f"learner.{name}": value for name, value in before.items()}, {"step": 1, "best": None})
    with pytest.raises(FileProblem, match=r"run was left half trained by another version .*optimizer|step.*train anew"):
        train(learner, episodes(pool, 4, 1, 3), steps=5, run=run)


def test_long_gradients_are_scaled_to_the_length_asked(pool):
    learner, tasks = made("prototypes"), episodes(pool, 4, 1, 3)
    before = [p.detach().clone() for p in learner.parameters()]
    train(learner, tasks, steps=1, rate=0.1, optimizer="sgd", clip=1e-3)
    moved = torch.stack([(p - b).norm() for p, b in zip(learner.parameters(), before, strict=True)]).norm()
    assert float(moved) == pytest.approx(0.1 * 1e-3, rel=1e-2)
    with pytest.raises(ValueError, match="longest gradient"):
        train(learner, tasks, steps=1, clip=0.0)


def test_nan_in_the_data_stops_the_training(pool):
    class Poisoned(Mortal):
        def batch(self, indices):
            task = self.tasks.batch(indices)
            return Task(task.support, Examples(task.query.x * torch.nan, task.query.y))

    with pytest.raises(Diverged, match="lower --rate"):
        train(made("prototypes"), Poisoned(episodes(pool, 4, 1, 3), 0), steps=5)


@pytest.mark.parametrize("budget", [{"steps": 0}, {"steps": 5, "batch": 0}])
def test_no_budget_is_refused(budget, pool):
    with pytest.raises(ValueError, match="at least one step"):
        train(made("prototypes"), episodes(pool, 4, 1, 3), **budget)


def test_a_learner_without_weights_is_refused(pool):
    from quickstudy.learners import neighbours

    with pytest.raises(ValueError, match="no weights to train"):
        train(neighbours((1, 16, 16)), episodes(pool, 4, 1, 3), steps=5)


def test_calibrating_makes_it_inductive(pool):
    learner, tasks = made("prototypes"), episodes(pool, 4, 1, 3)
    assert learner.transductive
    weights = [p.clone() for p in learner.parameters()]
    calibrate(learner, tasks, range(5))
    assert not learner.transductive
    assert all(torch.equal(a, b) for a, b in zip(weights, learner.parameters(), strict=True))
    calibrate(nn.Identity(), tasks, range(5))  # nothing to do


def test_pace_leaves_the_learner_as_it_was(pool):
    learner = made("prototypes")
    before = {k: v.clone() for k, v in learner.state_dict().items()}
    assert 0 < pace(learner, episodes(pool, 4, 1, 3), batch=1, precision="float32", seconds=0.05) < 5
    assert all(torch.equal(v, learner.state_dict()[k]) for k, v in before.items())
