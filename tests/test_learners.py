from __future__ import annotations

import pytest
import torch

from quickstudy import batching, checks, devices, learners, tasks, tree
from quickstudy.core import Examples
from quickstudy.nets.norm import BatchNorm
from quickstudy.train import calibrate

WAY = {"way": 3}
CLASSES = {"classes": 12}
TUNED = {"finetune_steps": 2, "finetune_rate": 0.1}
OPTIONS = {  # what a name needs besides the shape
    "anil": {**WAY, "steps": 2},
    "baseline_plus_plus": {**CLASSES, "epochs": 2, "rate": 0.1},
    "classifier": CLASSES,
    "feedforward": {**WAY, "hidden": 5},
    "fast_weights": {"keys": 6},
    "finetune": {**CLASSES, "steps": 3},
    "lstm": {**WAY, "hidden": 5},
    "maml": {**WAY, "steps": 2},
    "mann": {**WAY, "hidden": 5, "rows": 7, "width": 3, "heads": 2},
    "meta_networks": {**WAY, "hidden": 8, "size": 8},
    "meta_lstm": {**WAY, "steps": 2, "hidden": 4},
    "meta_sgd": WAY,
    "neural_process": {**WAY, "hidden": 6},
    "reptile": {**WAY, "steps": 2, "test_steps": 3, "batch": 4},
    "snail": {**WAY, "filters": 2},
}
VARIANTS = [  # (name, options, normalizations) beside them
    ("anil", {"head": "fresh"}, ["calibrated"]),
    ("classifier", {"read": "softmax", **TUNED}, ["calibrated"]),
    ("classifier", TUNED, ["batch"]),
    ("density", {"bandwidth": 0.5}, ["none"]),
    ("fast_weights", {"rule": "sum", "feature_map": "elu"}, ["group"]),
    ("finetune", {"only": "head"}, ["calibrated"]),
    ("lstm", {"way": 3125, "strings": True}, ["none"]),
    ("maml", {"head": "fresh"}, ["group"]),
    ("mann", {"controller": "feedforward"}, ["none"]),
    ("matching", {"context": True, "steps": 3}, ["batch", "calibrated", "group", "none"]),
    ("matching", {"context": True, "steps": 3, **TUNED}, ["calibrated"]),
    ("neighbours", {"k": 3, "metric": "euclidean", "dark": True}, ["none"]),
    ("prototypes", {"metric": "cosine", "scale": 5.0}, ["batch", "calibrated"]),
    ("reptile", {"inner": "sgd", "rate": 0.1}, ["calibrated"]),
    ("siamese", TUNED, ["group"]),
]
BLACK_BOX = {"feedforward", "lstm", "mann", "neural_process"}  # what such a net says is up to its weights
ON_PIXELS = {"density", "feedforward", "lstm", "mann", "neighbours"}
STEPPING = {"anil", "finetune", "maml", "meta_lstm", "meta_sgd", "reptile"}  # steps of gradient descent do not add up
STEPPING |= {"baseline_plus_plus"}
READING = {"meta_networks", "snail"}  # labels go through weights of their own
FIXED = {"anil", "maml", "meta_lstm", "meta_sgd", "reptile"} | READING  # the classes of a learned head are not alike
EVERY = ["batch", "calibrated", "group", "none"]
NORMS = {name: ["batch"] for name in STEPPING} | {"anil": ["batch", "group"], "maml": EVERY, "finetune": ["calibrated"]}
NORMS |= {name: ["batch", "calibrated", "group"] for name in ("fast_weights", "meta_networks")}  # else hardly any slope
HOLDING = STEPPING  # the statistics of the support, in their state
TRAINED = sorted(set(learners.__all__) - ON_PIXELS)


def options(name, **more):
    return OPTIONS.get(name, {}) | more


def cases():
    for name in learners.__all__:
        norms = ["none"] if name in ON_PIXELS else NORMS.get(name, EVERY) + ["support"] * (name in HOLDING)
        yield from (pytest.param(name, options(name), norm, id=f"{name}-{norm}") for norm in norms)
    for name, more, norms in VARIANTS:
        label = "-".join([name, *(f"{key}={value}" for key, value in more.items())])
        yield from (pytest.param(name, options(name, **more), norm, id=f"{label}-{norm}") for norm in norms)


def made(name, asked, norm, pool):
    net = {} if name in ON_PIXELS else {"width": 4, "normalization": "batch" if norm == "calibrated" else norm}
    learner = getattr(learners, name)(pool.shape, **net, **asked)
    episodes = tasks.episodes(pool, 3, 2, 3)
    streams = tasks.sequences(pool, 3, 6, labels=asked.get("way"))
    training = {"episodes": episodes, "batches": tasks.batches(pool, 8), "sequences": streams}[learner.reads]
    return (calibrate(learner, training, range(4)) if norm == "calibrated" else learner), episodes, training


@pytest.mark.parametrize(("name", "asked", "norm"), list(cases()))
def test_battery(name, asked, norm, pool):
    learner, episodes, training = made(name, asked, norm, pool)
    checks.check_learner(learner, episodes, training=training, way=asked.get("way"))


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(
    ("name", "norm"),
    [(name, "none") for name in sorted(ON_PIXELS - {"density", "neighbours"})]
    + [(name, norm) for name in TRAINED for norm in ("batch", "group")],
)
def test_in_bfloat16_it_learns_from_the_same_gradients_a_little_rounded(name, norm, count, pool):
    learner, _, training = made(name, options(name), norm, pool)
    found = {}
    for precision in devices.PRECISIONS:
        torch.manual_seed(0)
        with devices.precision(precision, torch.device("cpu")):
            loss, grads = batching.gradients(learner, learner.objective(training.way), training.batch(range(count)))
        found[precision] = loss, torch.cat([grad.flatten() for grad in grads])
    (loss, slope), (rounded_loss, rounded) = found.values()
    torch.testing.assert_close(rounded_loss, loss, rtol=0.05, atol=0.05)
    assert not torch.equal(rounded, slope)
    if (name, norm) != ("fast_weights", "batch"):  # six keys of six pictures: other float32 weights turn it as far
        assert torch.cosine_similarity(rounded, slope, dim=0) > 0.8  # meta networks read signs, of slopes near 0 too


@pytest.mark.parametrize("name", sorted(set(learners.__all__) - BLACK_BOX))
def test_before_any_data_all_classes_are_alike(name, pool):
    learner, episodes, _ = made(name, options(name), "group", pool)
    said = learner.predict(learner.init(3), episodes[0].query.x)
    assert torch.equal(said, torch.zeros_like(said))


@pytest.mark.parametrize("name", sorted(set(learners.__all__) - BLACK_BOX))
def test_an_unseen_class_is_never_answered(name, pool):
    learner, episodes, _ = made(name, options(name, **({"way": 5} if name in FIXED else {})), "group", pool)
    task = episodes[0]
    with torch.no_grad():
        said = learner(task.support, task.query.x, 5)
    assert bool((said[:, 3:] == -torch.inf).all())
    assert not bool(said.isnan().any())


@pytest.mark.parametrize("name", sorted(set(learners.__all__) - STEPPING - READING - BLACK_BOX))
def test_permuted_labels_permute_the_answers(name, pool):
    learner, episodes, _ = made(name, options(name), "group", pool)
    task = episodes[0]
    renamed = torch.tensor([2, 0, 1])
    other = Examples(task.support.x, renamed[task.support.y])
    with torch.no_grad():
        said, permuted = (learner(support, task.query.x, 3) for support in (task.support, other))
    torch.testing.assert_close(permuted[:, renamed], said)


@pytest.mark.parametrize("name", sorted(set(learners.__all__) - STEPPING))
def test_learning_in_two_parts_equals_learning_at_once(name, pool):
    learner, episodes, _ = made(name, options(name), "group", pool)
    learner.double()
    task = tree.map(lambda leaf: leaf.double() if leaf.is_floating_point() else leaf, episodes[0])
    first, second = (tree.index(task.support, part) for part in (slice(0, 2), slice(2, None)))
    with torch.no_grad():
        once = learner(task.support, task.query.x, 3)
        twice = learner.predict(learner.adapt(learner.adapt(learner.init(3), first), second), task.query.x)
    torch.testing.assert_close(twice, once, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", TRAINED)
def test_batch_statistics_are_declared_transductive_until_calibrated(name, pool):
    learner, _, training = made(name, options(name), "batch", pool)
    assert learner.transductive
    assert not calibrate(learner, training, range(2)).transductive
    assert not made(name, options(name), "group", pool)[0].transductive


@pytest.mark.parametrize("name", TRAINED)
def test_calibration_survives_a_file(name, pool):
    learner, _, _ = made(name, options(name), "calibrated", pool)
    fresh, _, _ = made(name, options(name), "batch", pool)
    fresh.load_state_dict(learner.state_dict())
    assert not fresh.transductive
    kept = [m for m in fresh.modules() if isinstance(m, BatchNorm)]
    assert kept
    assert all(bool(m.mean.any()) for m in kept)
