from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from quickstudy import evaluate as module
from quickstudy import metrics, tasks
from quickstudy.data.pool import Pool
from quickstudy.evaluate import accuracies, compare, evaluate
from quickstudy.files import FileProblem
from quickstudy.learners import neighbours, prototypes
from quickstudy.learners.prototypes import Prototypes

COUNT = 21  # more than a block, and no multiple of it


@pytest.fixture
def learner(pool):
    return prototypes(pool.shape, width=4, normalization="group")


@pytest.fixture
def episodes(pool):
    return tasks.episodes(pool, 4, 1, 3)


def one_by_one(learner, episodes):
    """(t, q) probabilities of the answers and whether they were right, a task at a time."""
    sure, right = [], []
    for index in range(COUNT):
        task = episodes[index]
        with torch.no_grad():
            chances = learner.eval()(task.support, task.query.x, episodes.way).softmax(1)
        sure.append(chances.max(1).values.numpy())
        right.append((chances.argmax(1) == task.query.y).numpy())
    return np.stack(sure), np.stack(right)


def test_figures_equal_those_of_tasks_taken_one_by_one(learner, episodes):
    got = evaluate(learner, episodes, COUNT)
    sure, right = one_by_one(learner, episodes)
    scores = right.mean(1)
    assert 0 < scores.mean() < 1
    assert (got.right == right).all()
    np.testing.assert_allclose(got.accuracy, scores)
    np.testing.assert_allclose(got.confidence, sure, rtol=1e-4)
    assert got.estimate.mean == pytest.approx(scores.mean())
    assert got.estimate.interval95 == pytest.approx(stats.t.ppf(0.975, COUNT - 1) * stats.sem(scores))
    assert got.calibration_error == pytest.approx(metrics.calibration_error(sure, right), abs=1e-4)
    np.testing.assert_allclose(accuracies(learner, episodes, COUNT), scores, rtol=1e-6)


def test_what_was_asked_is_noted(learner, episodes):
    got = evaluate(learner, episodes, 2)
    assert (got.name, got.way, got.shot, got.query) == ("prototypes", 4, 1, 3)
    assert evaluate(learner, episodes, 2, name="mine").name == "mine"
    assert not got.transductive
    assert 0 < got.seconds < 60
    assert evaluate(prototypes((1, 16, 16), width=4), episodes, 2).transductive


def test_batches_of_tasks_do_not_change_the_figures(learner, episodes, monkeypatch):
    whole = evaluate(learner, episodes, COUNT)
    monkeypatch.setattr(module, "BLOCK", 5)
    parts = evaluate(learner, episodes, COUNT)
    assert (whole.right == parts.right).all()
    assert whole.mistakes == parts.mistakes


def test_every_learner_gets_the_same_tasks(learner, episodes, pool):
    a, b = evaluate(learner, episodes, 6), evaluate(neighbours(pool.shape), episodes, 6)
    for one, other, index in zip(a.shown, b.shown, range(4), strict=True):
        assert one.index == other.index == index
        assert one.classes == other.classes == tuple(pool.names[c] for c in episodes.classes(index))
        assert all(torch.equal(x.x, y.x) and torch.equal(x.y, y.y) for x, y in zip(one.task, other.task, strict=True))
        assert torch.equal(one.task.query.x, episodes[index].query.x)


def test_shown_answers_are_those_that_were_counted(learner, episodes):
    got = evaluate(learner, episodes, 20, shown=18)
    for one in got.shown:
        assert (one.answers == one.task.query.y.numpy()).tolist() == got.right[one.index].tolist()
    assert len(got.shown) == 18
    assert evaluate(learner, episodes, 3, shown=0).shown == []


def test_mistakes_and_meetings_by_hand(learner, episodes, pool):
    got = evaluate(learner, episodes, COUNT)
    mistakes, meetings = {}, {}
    for index in range(COUNT):
        task, names = episodes[index], [pool.names[c] for c in episodes.classes(index)]
        with torch.no_grad():
            said = learner(task.support, task.query.x, 4).argmax(1)
        for y, answer in zip(task.query.y, said, strict=True):
            for other in range(4):
                pair = names[y], names[other]
                meetings[pair] = meetings.get(pair, 0) + 1
                mistakes[pair] = mistakes.get(pair, 0) + int(answer == other != y)
    assert got.mistakes == {pair: n for pair, n in mistakes.items() if n}
    assert {pair: got.meetings[pair] for pair in got.mistakes} == {pair: meetings[pair] for pair in got.mistakes}


def test_a_comparison_is_paired(learner, episodes, pool):
    a, b = evaluate(learner, episodes, COUNT), evaluate(neighbours(pool.shape), episodes, COUNT)
    difference = a.accuracy - b.accuracy
    got = compare(a, b)
    assert got.mean == pytest.approx(difference.mean())
    assert got.interval95 == pytest.approx(stats.t.ppf(0.975, COUNT - 1) * stats.sem(difference))
    assert compare(a, a) == (0, 0)


@pytest.mark.parametrize("other", [(3, 1, 3), (4, 2, 3), (4, 1, 2)])
def test_other_tasks_cannot_be_compared(other, learner, episodes, pool):
    a, b = evaluate(learner, episodes, 3), evaluate(learner, tasks.episodes(pool, *other), 3)
    with pytest.raises(ValueError, match="only the same tasks can be compared"):
        compare(a, b)


def test_another_number_of_tasks_cannot_be_compared(learner, episodes):
    with pytest.raises(ValueError, match="the same tasks"):
        compare(evaluate(learner, episodes, 3), evaluate(learner, episodes, 4))


class Killed(tasks.Episodes):
    """Episodes whose reader is killed after so many blocks."""

    def __init__(self, pool: Pool, blocks: int):
        super().__init__(pool, 4, 1, 3)
        self.blocks = blocks

    def batch(self, indices):
        if self.blocks == 0:
            raise KeyboardInterrupt
        self.blocks -= 1
        return super().batch(indices)


@pytest.fixture
def half_read(learner, pool, tmp_path, monkeypatch):
    """The file of an evaluation that was killed after two of five blocks."""
    monkeypatch.setattr(module, "BLOCK", 5)
    monkeypatch.setattr(module, "EVERY", 0)
    with pytest.raises(KeyboardInterrupt):
        evaluate(learner, Killed(pool, 2), COUNT, shown=0, kept=tmp_path / "kept.safetensors")
    return tmp_path / "kept.safetensors"


def test_a_killed_evaluation_goes_on_where_it_was(learner, pool, episodes, half_read):
    whole = evaluate(learner, episodes, COUNT)
    for blocks in (3, 0):  # those that were missing, then none
        again = evaluate(learner, Killed(pool, blocks), COUNT, shown=0, kept=half_read)
        assert (again.confidence == whole.confidence).all()
        assert (again.right == whole.right).all()
        assert again.mistakes == whole.mistakes


def test_answers_of_another_learner_do_not_count(pool, half_read):
    other = prototypes(pool.shape, width=4, normalization="group")
    with pytest.raises(KeyboardInterrupt):
        evaluate(other, Killed(pool, 4), COUNT, shown=0, kept=half_read)


def test_answers_in_other_tasks_do_not_count(learner, pool, half_read):
    with pytest.raises(KeyboardInterrupt):
        evaluate(learner, Killed(pool, 3), COUNT - 1, shown=0, kept=half_read)
    with pytest.raises(KeyboardInterrupt):
        evaluate(learner, Killed(replace(pool, images=255 - pool.images), 4), COUNT, shown=0, kept=half_read)


def test_a_damaged_file_of_answers_is_named(learner, episodes, half_read):
    half_read.write_bytes(half_read.read_bytes()[:-40])
    with pytest.raises(FileProblem, match=r"kept\.safetensors is damaged .* remove it"):
        evaluate(learner, episodes, COUNT, kept=half_read)


class Spoiled(tasks.Episodes):
    """Episodes with one number or label changed."""

    def __init__(self, pool: Pool, change):
        super().__init__(pool, 3, 1, 2)
        self.change = change

    def batch(self, indices):
        items = super().batch(indices)
        self.change(items)
        return items


def _nan(items):
    items.query.x[-1, 0, 0, 3, 3] = torch.nan


def _infinite(items):
    items.support.x[0, 0, 0, 3, 3] = torch.inf


def _label(items):
    items.support.y[0, 0] = 3


@pytest.mark.parametrize(("change", "says"), [(_nan, "nan or inf"), (_infinite, "nan or inf"), (_label, "0 to 3")])
@pytest.mark.parametrize("measure", [evaluate, accuracies])
def test_what_is_no_number_is_refused(change, says, measure, pool):
    with pytest.raises(ValueError, match=says):
        measure(neighbours(pool.shape), Spoiled(pool, change), 2)


def test_answers_that_are_no_numbers_are_refused(learner, episodes):
    with torch.no_grad():
        next(learner.embed.parameters()).fill_(torch.nan)
    with pytest.raises(ValueError, match="Prototypes answered nan"):
        evaluate(learner, episodes, 2)


def test_a_mode_and_weights_are_left_alone(learner, episodes):
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    evaluate(learner.train(), episodes, 2)
    assert all(torch.equal(value, before[name]) for name, value in learner.state_dict().items())


def test_a_perfect_learner_has_no_mistakes(make_pool):
    still = make_pool([5, 5, 5], seed=3)
    same = Pool(still.images[still.starts[:-1].repeat_interleave(5)], still.starts, still.names)
    got = evaluate(Prototypes(nn.Flatten(), 256), tasks.episodes(same, 3, 1, 2), 5)
    assert got.estimate == (1.0, 0.0)
    assert not got.mistakes
    assert not got.meetings
