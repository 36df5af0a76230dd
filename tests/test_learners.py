from __future__ import annotations

import pytest
import torch

from quickstudy import checks, learners, tasks, tree
from quickstudy.core import Examples
from quickstudy.nets.norm import BatchNorm
from quickstudy.train import calibrate

OPTIONS = {  # what a name needs besides the shape, and its variants
    "classifier": [{"classes": 12}],
    "density": [{}, {"bandwidth": 0.5}],
    "maml": [{"way": 3, "steps": 2}],
    "matching": [{}, {"context": True, "steps": 3}],
    "neighbours": [{}, {"k": 3, "metric": "euclidean", "dark": True}],
    "prototypes": [{}, {"metric": "cosine", "scale": 5.0}],
}
ON_PIXELS = {"density", "neighbours"}
STEPPING = {"maml"}  # learn by steps of gradient descent: their labels are not alike, and the steps do not add up
ADDING = [name for name in learners.__all__ if name not in STEPPING]
NORMS = ["batch", "calibrated", "group", "none"]  # "support" is for those that hold statistics in their state


def cases():
    for name in learners.__all__:
        for options in OPTIONS.get(name, [{}]):
            for norm in ["none"] if name in ON_PIXELS else NORMS:
                label = "-".join([name, *(f"{key}={value}" for key, value in options.items()), norm])
                yield pytest.param(name, options, norm, id=label)


def made(name, options, norm, pool):
    net = {} if name in ON_PIXELS else {"width": 4, "normalization": "batch" if norm == "calibrated" else norm}
    learner = getattr(learners, name)(pool.shape, **net, **options)
    episodes = tasks.episodes(pool, 3, 2, 3)
    training = episodes if learner.episodic else tasks.batches(pool, 8)
    return (calibrate(learner, training, range(4)) if norm == "calibrated" else learner), episodes, training


@pytest.mark.parametrize(("name", "options", "norm"), list(cases()))
def test_battery(name, options, norm, pool):
    learner, episodes, training = made(name, options, norm, pool)
    checks.check_learner(learner, episodes, training=training)


@pytest.mark.parametrize("name", learners.__all__)
def test_before_any_data_all_classes_are_alike(name, pool):
    learner, episodes, _ = made(name, OPTIONS.get(name, [{}])[-1], "group", pool)
    said = learner.predict(learner.init(3), episodes[0].query.x)
    assert torch.equal(said, torch.zeros_like(said))


@pytest.mark.parametrize("name", learners.__all__)
def test_an_unseen_class_is_never_answered(name, pool):
    learner, episodes, _ = made(name, {"classifier": {"classes": 12}, "maml": {"way": 5}}.get(name, {}), "group", pool)
    task = episodes[0]
    with torch.no_grad():
        said = learner(task.support, task.query.x, 5)
    assert bool((said[:, 3:] == -torch.inf).all())
    assert not bool(said.isnan().any())


@pytest.mark.parametrize("name", ADDING)
def test_permuted_labels_permute_the_answers(name, pool):
    learner, episodes, _ = made(name, OPTIONS.get(name, [{}])[-1], "group", pool)
    task = episodes[0]
    renamed = torch.tensor([2, 0, 1])
    other = Examples(task.support.x, renamed[task.support.y])
    with torch.no_grad():
        said, permuted = (learner(support, task.query.x, 3) for support in (task.support, other))
    torch.testing.assert_close(permuted[:, renamed], said)


@pytest.mark.parametrize("name", ADDING)
def test_learning_in_two_parts_equals_learning_at_once(name, pool):
    learner, episodes, _ = made(name, OPTIONS.get(name, [{}])[-1], "group", pool)
    learner.double()
    task = tree.map(lambda leaf: leaf.double() if leaf.is_floating_point() else leaf, episodes[0])
    first, second = (tree.index(task.support, part) for part in (slice(0, 2), slice(2, None)))
    with torch.no_grad():
        once = learner(task.support, task.query.x, 3)
        twice = learner.predict(learner.adapt(learner.adapt(learner.init(3), first), second), task.query.x)
    torch.testing.assert_close(twice, once, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", sorted(set(learners.__all__) - ON_PIXELS))
def test_batch_statistics_are_declared_transductive_until_calibrated(name, pool):
    learner, _, training = made(name, OPTIONS.get(name, [{}])[0], "batch", pool)
    assert learner.transductive
    assert not calibrate(learner, training, range(2)).transductive
    assert not made(name, OPTIONS.get(name, [{}])[0], "group", pool)[0].transductive


@pytest.mark.parametrize("name", sorted(set(learners.__all__) - ON_PIXELS))
def test_calibration_survives_a_file(name, pool):
    options = OPTIONS.get(name, [{}])[0]
    learner, _, _ = made(name, options, "calibrated", pool)
    fresh, _, _ = made(name, options, "batch", pool)
    fresh.load_state_dict(learner.state_dict())
    assert not fresh.transductive
    kept = [m for m in fresh.modules() if isinstance(m, BatchNorm)]
    assert kept
    assert all(bool(m.mean.any()) for m in kept)
