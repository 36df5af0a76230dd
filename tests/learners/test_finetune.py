from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from quickstudy import learners, tasks, tree
from quickstudy.checks.tools import cast
from quickstudy.core import Examples
from quickstudy.train import calibrate


def tuned_by_torch(net, support, query, optimizer, *, steps, whole):
    """Logits of a new linear layer, which starts at zero, on a copy of the net, after torch's optimizer."""
    model = nn.Sequential(copy.deepcopy(net), nn.Linear(net.features, 3).double())
    for weight in model[1].parameters():
        nn.init.zeros_(weight)
    descent = optimizer(list((model if whole else model[1]).parameters()))
    for _ in range(steps):
        descent.zero_grad()
        F.cross_entropy(model(support.x), support.y).backward()
        descent.step()
    return model(query.x)


@pytest.mark.parametrize("only", ["all", "head"])
@pytest.mark.parametrize("normalization", ["batch", "none"])
def test_it_equals_torchs_optimizer_on_a_calibrated_net(only, normalization, pool):
    options = {"classes": 12, "width": 4, "normalization": normalization}
    learner = learners.finetune(pool.shape, **options, only=only, steps=4, rate=0.1)
    calibrate(learner, tasks.batches(pool, 12), range(2)).double().eval()
    items = cast(tasks.episodes(pool, 3, 2, 3).batch(range(2)))
    both = learner.predict_all(learner.adapt_all(items.support, 3), items.query.x)
    for i in range(2):
        support, query = tree.index(items, i)
        expected = tuned_by_torch(
            learner.reader.net,
            support,
            query,
            lambda weights: torch.optim.SGD(weights, lr=0.1, momentum=0.9),
            steps=4,
            whole=only == "all",
        )
        torch.testing.assert_close(learner(support, query.x, 3), expected, rtol=1e-8, atol=1e-8)
        torch.testing.assert_close(both[i], expected, rtol=1e-8, atol=1e-8)


def test_any_number_of_classes_can_be_learned(pool):
    learner = learners.finetune(pool.shape, classes=12, width=4, only="head", steps=2).eval()
    for way in (2, 7):
        task = tasks.episodes(pool, way, 1, 2)[0]
        assert learner(task.support, task.query.x, way).shape == (2 * way, way)


def test_baseline_plus_plus_equals_torchs_optimizer_on_the_features(pool):
    """The settings of Chen et al. (2019), section A of its code: every epoch reads parts of four."""
    learner = learners.baseline_plus_plus(pool.shape, classes=12, width=4, epochs=3, normalization="group").double()
    task = cast(tasks.episodes(pool, 3, 2, 3)[0])
    w = learner.reader.head.start(3, task.support.x)["weight"].clone().requires_grad_()
    descent = torch.optim.SGD([w], lr=0.01, momentum=0.9, dampening=0.9, weight_decay=1e-3)
    with torch.no_grad():
        z, asked = (learner.reader.net(x) for x in (task.support.x, task.query.x))

    def logits(z):
        return 10 * F.cosine_similarity(z[:, None], w, dim=-1)

    for _ in range(3):
        for part in (slice(0, 4), slice(4, 6)):
            descent.zero_grad()
            F.cross_entropy(logits(z[part]), task.support.y[part]).backward()
            descent.step()
    torch.testing.assert_close(learner(task.support, task.query.x, 3), logits(asked), rtol=1e-8, atol=1e-8)


def test_baseline_plus_plus_trains_on_cosines(pool):
    learner = learners.baseline_plus_plus(pool.shape, classes=12, width=4, scale=7.0)
    batch = tasks.batches(pool, 9)[0]
    logits = 7 * F.cosine_similarity(learner.reader.net(batch.query.x)[:, None], learner.head.weight, dim=-1)
    loss = learner.objective(12)(learner, batch)
    torch.testing.assert_close(loss, F.cross_entropy(logits, batch.query.y))


def test_supervised_batches_are_normalized_by_themselves_where_supports_are(pool):
    """With statistics of the support, a batch without support has its own: those of batch normalization."""
    support, batch = (
        learners.finetune(pool.shape, classes=12, width=4, normalization=name) for name in ("support", "batch")
    )
    batch.load_state_dict(support.state_dict(), strict=False)
    lesson = tasks.batches(pool, 9)[0]
    losses = [learner.objective(12)(learner, lesson) for learner in (support, batch)]
    torch.testing.assert_close(*losses)
    padded = lesson._replace(query=Examples(*(torch.cat([part, part[:3]]) for part in lesson.query)))
    padded.query.y[-3:] = -1
    torch.testing.assert_close(support.objective(12)(support, padded), losses[0])


def test_what_is_not_known_is_refused():
    with pytest.raises(ValueError, match="all weights or the head, got 'body'"):
        learners.finetune((1, 16, 16), classes=3, only="body")
    with pytest.raises(ValueError, match="by neighbours or by softmax, got 'forest'"):
        learners.classifier((1, 16, 16), classes=3, read="forest")
    with pytest.raises(ValueError, match="at least 1, got steps 0"):
        learners.classifier((1, 16, 16), classes=3, read="softmax")
