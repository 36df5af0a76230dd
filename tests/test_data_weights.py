"""The table of learned data weights: its data, its methods, its figures."""

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from quickstudy import data
from quickstudy.data.pool import Splits, build
from quickstudy.recipes import TABLES, data_weights, noisy, weighted
from quickstudy.recipes.cells import gather, published, run_seed
from quickstudy.recipes.weighted import METHODS, WEIGHERS, Loop, Training

SIZES = {"train": 300, "valid": 40, "test": 40}


@pytest.fixture(autouse=True)
def digits(monkeypatch):
    """Ten classes that can be told apart: a bright square at a place of its own."""
    chance = torch.Generator().manual_seed(0)

    def part(count):
        classes = {}
        for digit in range(10):
            images = torch.randint(0, 60, (count, 1, 28, 28), generator=chance, dtype=torch.uint8)
            row, column = divmod(digit, 4)
            images[:, :, 8 * row : 8 * row + 6, 7 * column : 7 * column + 6] += 180
            classes[str(digit)] = images
        return build(classes)

    made = Splits(*(part(count) for count in SIZES.values()), "pictures")
    monkeypatch.setattr(data, "mnist", lambda: made)
    monkeypatch.setattr(data, "load", lambda name: made)
    sizes = {"LEARNED": 200, "FOURS": 10, "CLEAN_OF_TWO": 2, "ASKED": 30, "NOISY": 1000, "CLEAN_OF_TEN": 10}
    for name, value in sizes.items():
        monkeypatch.setattr(noisy, name, value)
    return made


def small_net(outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, outputs))


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(weighted, "plain_net", small_net)
    monkeypatch.setattr(weighted, "rare_net", lambda: small_net(1))


def rows(x):
    return {bytes(row.numpy()) for row in x.flatten(1)}


def test_a_rare_class_has_its_pictures_less_the_clean_ones():
    made = noisy.rare(0)
    assert made.learned.y.bincount().tolist() == [188, 8]
    assert made.clean.y.tolist() == [0, 0, 1, 1]
    assert made.test.y.bincount().tolist() == [30, 30]
    assert not rows(made.learned.x) & (rows(made.clean.x) | rows(made.test.x))
    four = data.mnist().train.select([4]).images
    assert rows(made.learned.x[made.learned.y == 1]) <= rows(four)
    assert rows(made.learned.x) == rows(noisy.rare(0).learned.x) != rows(noisy.rare(1).learned.x)


def test_wrong_labels_are_wrong_and_an_exact_share(digits):
    made = noisy.flipped("mnist", 0)
    pairs = zip(map(bytes, digits.train.images.numpy()), digits.train.labels.tolist(), strict=True)
    true = dict(pairs)
    found = torch.tensor([true[bytes(image.numpy())] for image in made.learned.x])
    assert torch.equal(found != made.learned.y, made.wrong)
    assert int(made.wrong.sum()) == 400
    shifts = ((made.learned.y - found) % 10)[made.wrong].bincount(minlength=10)
    assert shifts[0] == 0
    assert shifts[1:].min() > 20  # every other class alike, about 44
    assert made.clean.y.bincount().tolist() == [10] * 10
    assert made.choosing.y.bincount().tolist() == [30] * 10
    assert len(rows(made.learned.x) | rows(made.clean.x) | rows(made.choosing.x)) == 1000 + 100 + 300


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["rare", "mnist"])
def test_every_method_learns_from_every_kind_and_draws_by_its_seed(quick, method, kind):
    tuning = 4 if method == "baseline + fine-tuning" else 0
    asked = Training(kind, method, steps=25, every=10, batch=20, rate=0.1, draw=4, tuning=tuning)
    one, two = (Loop(asked, asked.problem()) for _ in range(2))
    for loop in (one, two):
        loop.go(progress=False)
    assert torch.equal(one.right, two.right)
    assert float(one.right.mean()) > (0.2 if kind == "mnist" else 0.49)  # guessing: 0.1, 0.5
    assert one.history.test == two.history.test
    assert len(one.history.test) == (1 if tuning else 3)
    assert one.history.test[-1] == pytest.approx(float(one.right.mean()))


def test_the_best_epoch_is_chosen_on_other_pictures(quick):
    asked = Training("mnist", steps=60, every=5, batch=20, rate=0.5)
    loop = Loop(asked, asked.problem())
    loop.go(progress=False)
    chosen = loop.history.choosing
    last = max(i for i, score in enumerate(chosen) if score == max(chosen))
    assert float(loop.best.mean()) == pytest.approx(loop.history.test[last])


def test_rules_weigh_as_they_say(quick):
    loops = {name: Loop(asked := Training(method=name, batch=20), asked.problem()) for name in METHODS}
    batch = loops["resampling"]
    drawn = torch.cat([batch.problem.learned.y[batch.method.rows(0)] for _ in range(40)])
    assert 0.42 < float(drawn.float().mean()) < 0.58

    loop = loops["proportion"]
    everything = loop.problem.to_float(loop.problem.learned.x), loop.problem.learned.y
    losses = loop.losses(loop.net, *everything)
    of_class = [losses[everything[1] == label].mean() for label in (0, 1)]
    found, _ = loop.method.loss(*everything, torch.arange(len(losses)))
    torch.testing.assert_close(found, sum(of_class) / 2)

    loop = loops["hard mining"]
    assert len(loop.method.rows(0)) == 100
    x, y = (part[:100] for part in everything)
    losses = loop.losses(loop.net, x, y)
    torch.testing.assert_close(loop.method.loss(x, y, torch.arange(100))[0], losses.sort().values[-20:].mean())


def test_the_rate_drops_and_tuning_is_on_clean_pictures(quick):
    asked = Training("mnist", "baseline + fine-tuning", steps=8, every=4, batch=20, rate=0.1, drops=True, tuning=2)
    loop, seen = Loop(asked, asked.problem()), []
    move = loop.move
    loop.move = lambda loss: (seen.append(loop.optimizer.param_groups[0]["lr"]), move(loss))
    loop.go(progress=False)
    assert seen == pytest.approx([0.1] * 6 + [0.01] * 4)
    assert float(loop.sums[1].sum()) == 8 * 20


def test_cells_have_accuracies_and_wrong_labels_found(quick, tmp_path):
    cells = [c for c in TABLES["data-weights"] if c.method == "baseline" and c.setting.startswith("MNIST, 40 %")]
    options = {"scale": 0.02, "tasks": 1000, "runs": tmp_path}
    for cell in cells:
        run_seed(cell, 0, progress=False, **options)
    last, best, found = (gather(cell, 1, command="c", **options) for cell in cells)
    assert last["tasks"] == best["tasks"] == 400
    assert found["tasks"] == data_weights.PARTS
    assert found["metric"] == "auroc_percent"
    asked, kept = cells[2].training(0, 0.02), tmp_path / "data-weights" / cells[2].stamp(0, 0.02)
    trust = data_weights.load_tensors(kept / "weights.safetensors")[0]["trust"]
    wrong = asked.problem().wrong
    assert found["value"] == pytest.approx(100 * roc_auc_score((~wrong).numpy(), trust.numpy()), abs=8)
    assert len(list((tmp_path / "data-weights").glob("mnist-baseline-*"))) == 1  # one training for three cells


def test_the_picture_shows_every_way_of_weighing(quick, tmp_path):
    figure = data_weights.picture(tmp_path, scale=0.005, tasks=2, progress=False)
    titles = [axes.get_title() for axes in figure.get_axes()]
    assert titles[:4] == ["loss", *WEIGHERS]
    assert len([title for title in titles if title in {str(digit) for digit in range(10)}]) == data_weights.SHOWN


def test_published_rows_are_answered():
    found = {cell.method: published(cell)["value"] for cell in TABLES["data-weights"] if published(cell)}
    assert found == {"baseline": 75, "L2RW": 95.6}
