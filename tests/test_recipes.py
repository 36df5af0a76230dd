"""The cells of a table: published ones are matched by name, finished ones are not done again."""

import csv
import json
from dataclasses import replace
from importlib import resources
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from quickstudy import devices, evaluate, learners, metrics
from quickstudy.core import Examples
from quickstudy.data.pool import Splits, build
from quickstudy.experiment import Experiment, trained
from quickstudy.files import FileProblem
from quickstudy.instances import instances
from quickstudy.lives import Lifelong
from quickstudy.recipes import (
    PICTURES,
    TABLES,
    cells,
    fast_weights,
    fisher_batch,
    in_context,
    maps_grid,
    maps_tailored,
    mas_demo,
    sinusoid,
)
from quickstudy.recipes.cells import Cell, gather, holds, matching, published, run_seed, worded
from quickstudy.recipes.lives import LifeCell
from quickstudy.storage import Run
from quickstudy.tasks import sequences, sines, streams
from quickstudy.train import Progress


@pytest.fixture
def pools(monkeypatch):
    generator = np.random.default_rng(0)
    parts = []
    for part in ("a", "b", "c"):
        images = {f"{part}{i}": generator.integers(0, 255, (20, 1, 16, 16), dtype=np.uint8) for i in range(24)}
        parts.append(build({name: torch.from_numpy(image) for name, image in images.items()}))
    made = Splits(*parts, "random")
    monkeypatch.setattr("quickstudy.data.load", lambda *_, **__: made)
    return made


ASKED = Experiment(options={"width": 4}, way=4, query=3, steps=20)
CLASSIFIER = replace(ASKED, learner="classifier", precision="float32", steps=5)
CELL = Cell("omniglot-fewshot", "prototypical networks", "squared Euclidean", 5, 1, ASKED)


def test_names_are_unique_and_published_cells_are_found():
    for table, rows in TABLES.items():
        assert len({cell.name for cell in rows}) == len(rows)
        assert all(cell.table == table for cell in rows)
    text = (resources.files("quickstudy.recipes") / "published.csv").read_text()
    keys = {(r["method"], r["variant"], r["setting"]) for r in csv.DictReader(text.splitlines())}
    answered = [cell for cell in TABLES["omniglot-fewshot"] if (cell.method, cell.variant, cell.setting) in keys]
    assert len(answered) == 52
    assert all(published(cell)["value"] > 20 for cell in answered)
    assert published(CELL) == {
        "value": 98.8,
        "interval95": None,
        "paper": "Snell, Swersky, Zemel 2017, Prototypical Networks for Few-shot Learning",
    }
    assert published(replace(CELL, variant="of our own")) is None
    assert published(replace(CELL, method="MAML", variant="no conv"))["value"] == 89.7  # the paper's, not a copy's


def test_a_cell_has_the_figures_of_its_seeds(pools, tmp_path):
    options = {"scale": 1.0, "tasks": 12, "runs": tmp_path}
    assert gather(CELL, 2, command="c", **options) is None
    for seed in (0, 1):
        run_seed(CELL, seed, progress=False, **options)
    found = gather(CELL, 2, command="c", **options)
    scores = [json.loads(p.read_text())["accuracy"] for p in (tmp_path / CELL.table / "scores").glob("*.json")]
    value, interval = metrics.pooled([metrics.estimate(100 * np.array(part)) for part in scores])
    assert found["value"] == pytest.approx(value, abs=1e-3)
    assert found["interval95"] == pytest.approx(interval, abs=2e-3)
    assert (found["seeds"], found["tasks"], found["transductive"]) == ([0, 1], 12, False)
    assert found["split_sha256"] == pools.sha256
    (first, *_), last = found["by_seed"]["0"]["curve"], found["by_seed"]["1"]["curve"][-1]
    assert 0 < first[0] <= last[0] == found["steps"]
    assert 0 <= last[1] <= 1
    wanted = [*cells.KEY, "metric", "published", "command", "commit", "versions", "hardware", "minutes"]
    assert set(wanted) <= set(found)


def test_answers_wait_until_the_scores_are_written(pools, tmp_path, monkeypatch):
    options = {"scale": 1.0, "tasks": 12, "runs": tmp_path, "progress": False}
    scores = tmp_path / CELL.table / "scores"
    with monkeypatch.context() as full:
        full.setattr(evaluate, "EVERY", 0)
        full.setattr(cells, "write_json", _full)
        with pytest.raises(FileProblem):
            run_seed(CELL, 0, **options)
    assert [path.suffix for path in scores.iterdir()] == [".safetensors"]
    with monkeypatch.context() as done:
        done.setattr(evaluate, "_answers", _full)  # nothing is left to answer
        run_seed(CELL, 0, **options)
    assert [path.suffix for path in scores.iterdir()] == [".json"]


def _full(*_):
    raise FileProblem("no room on the disk")


def test_another_machine_adds_its_seeds(pools, tmp_path):
    options = {"scale": 1.0, "tasks": 12}
    run_seed(CELL, 0, progress=False, runs=tmp_path / "here", **options)
    run_seed(CELL, 1, progress=False, runs=tmp_path / "there", **options)
    first = gather(CELL, 2, command="c", runs=tmp_path / "here", **options)
    both = gather(CELL, 2, command="c", runs=tmp_path / "there", earlier=first, **options)
    assert both["seeds"] == [0, 1]
    assert both["by_seed"]["0"] == first["by_seed"]["0"]
    assert both["value"] == pytest.approx(sum(one["value"] for one in both["by_seed"].values()) / 2, abs=1e-3)
    for other in ({"steps": 10**6}, {"training": "of another rate"}):
        found = gather(CELL, 2, command="c", runs=tmp_path / "there", earlier=first | other, **options)
        assert found["seeds"] == [1]


def test_results_hold_the_seeds_that_were_trained_alike(pools, tmp_path):
    run_seed(CELL, 1, progress=False, runs=tmp_path, scale=1.0, tasks=12)
    found = gather(CELL, 2, command="c", runs=tmp_path, scale=1.0, tasks=12)
    assert holds(found, CELL, 1, 1.0)
    assert not holds(found, CELL, 0, 1.0)
    assert not holds(found, CELL, 1, 0.5)
    assert not holds(None, CELL, 1, 1.0)


def test_a_task_that_diverged_leaves_a_median_and_no_mean(tmp_path):
    cell = matching(TABLES["sinusoid"], "predict zero")[0]
    options = {"scale": 1.0, "tasks": 12, "runs": tmp_path}
    run_seed(cell, 0, progress=False, **options)
    (path,) = (tmp_path / cell.table / "scores").glob("*.json")
    kept = json.loads(path.read_text())
    kept["mse"][3] = None
    path.write_text(json.dumps(kept))
    found = gather(cell, 1, command="c", **options)
    assert (found["value"], found["interval95"], found["by_seed"]["0"]["diverged"]) == (None, None, 1)
    scores = [np.inf if score is None else score for score in kept["mse"]]
    assert found["by_seed"]["0"]["median"] == pytest.approx(np.median(scores), abs=1e-3)
    assert worded(found).startswith("no mean (median ")
    assert worded(found).endswith("1 of 12 diverged)")


def test_what_is_not_trained_counts_once(tmp_path):
    cell = matching(TABLES["sinusoid"], "predict zero")[0]
    run_seed(cell, 0, scale=1.0, tasks=12, runs=tmp_path, progress=False)
    assert gather(cell, 3, scale=1.0, tasks=12, runs=tmp_path, command="c")["seeds"] == [0]


def test_a_new_field_leaves_the_names_of_older_trainings():
    assert cells.digest(Experiment()) == cells.digest(Experiment(estimator="unroll"))
    assert cells.digest(Experiment()) != cells.digest(Experiment(estimator="reptile"))


def test_what_is_done_is_not_done_again(pools, tmp_path, monkeypatch):
    options = {"scale": 1.0, "tasks": 5, "runs": tmp_path, "progress": False}
    run_seed(CELL, 0, **options)
    monkeypatch.setattr(cells, "evaluate", lambda *_, **__: pytest.fail("measured twice"))
    run_seed(CELL, 0, **options)
    other = replace(CELL, way=3)  # shares the training, not the measurement
    monkeypatch.setattr(Experiment, "run", lambda *_, **__: pytest.fail("trained twice"))
    with pytest.raises(BaseException, match="trained twice"):
        run_seed(replace(other, asked=replace(ASKED, rate=2e-3)), 0, **options)


def test_a_training_is_read_in_several_ways(pools, tmp_path, monkeypatch):
    plain, tuned = (
        replace(matching(TABLES["omniglot-fewshot"], f"baseline {words} 5-way 1-shot")[0], way=4, asked=CLASSIFIER)
        for words in ("no fine-tuning", "softmax")
    )
    options = {"scale": 1.0, "tasks": 5, "runs": tmp_path, "progress": False}
    run_seed(plain, 0, **options)
    folder = next(tmp_path.glob("*/classifier*"))
    learner, _ = tuned.learner(CLASSIFIER, pools, folder, False)
    assert type(learner.reader).__name__ == "Gradient"
    kept = trained(Run.open(folder), pools).reader.embed.state_dict()
    assert all(torch.equal(kept[name], value) for name, value in learner.reader.embed.state_dict().items())
    run_seed(tuned, 0, **options)
    assert len(list(tmp_path.glob("*/classifier*"))) == 1


def test_cells_are_chosen_by_words():
    rows = TABLES["omniglot-fewshot"]
    chosen = matching(rows, "prototypical LAKE 5-way")
    assert [cell.setting for cell in chosen] == ["5-way 1-shot", "5-way 5-shot"]
    assert matching(rows, "") == rows


def test_sinusoid_cells_answer_the_published_rows():
    answered = {cell.title: published(cell) for cell in TABLES["sinusoid"]}
    found = {title: row["value"] for title, row in answered.items() if row}
    assert set(answered) - set(found) == {f"MAML, inner rate 0.01, 5-shot, step {step}" for step in (1, 5, 10)}
    assert found["MAML, trained with 10 examples, 1 step, 5-shot, step 1"] == 0.67
    assert found["pretrained on all tasks, 5-shot, step 10"] == 2.19
    assert found["predict zero, reference line, any"] == 4.25


@pytest.mark.parametrize("words", ["MAML step 5", "pretrained step 1", "predict zero", "best function"])
def test_a_cell_of_errors_is_measured_and_kept(words, tmp_path, monkeypatch):
    cell = matching(TABLES["sinusoid"], words)[0]
    options = {"scale": 2e-4, "tasks": 12, "runs": tmp_path}
    run_seed(cell, 0, progress=False, **options)
    found = gather(cell, 1, command="c", **options)
    assert (found["metric"], found["seeds"], found["steps"]) == ("mse", [0], 14 * cell.trained)
    assert 0.5 < found["value"] < 20
    assert found["published"] == published(cell)
    assert len(found["split_sha256"]) == 64
    monkeypatch.setattr(type(cell), "measure", lambda *_, **__: pytest.fail("measured twice"))
    run_seed(cell, 0, progress=False, **options)


def test_every_cell_by_instance_answers_a_published_one_and_a_method_s_share_a_training(pools, tmp_path):
    rows = TABLES["omniglot-instances"]
    assert all(published(cell) for cell in rows)
    assert published(rows[1])["value"] == 82.8  # the paper's, not a copy's
    options = {"scale": 1e-3, "tasks": 8, "runs": tmp_path}
    values = []
    for cell in matching(rows, "lstm one-hot")[:2]:
        run_seed(cell, 0, progress=False, **options)
        values.append(gather(cell, 1, command="c", **options))
    assert [one["setting"] for one in values] == ["instance 1", "instance 2"]
    assert len([path for path in (tmp_path / "omniglot-instances").iterdir() if path.name != "scores"]) == 1
    learner = trained(Run.open(next((tmp_path / "omniglot-instances").glob("lstm*"))), pools)
    result = instances(learner, sequences(pools.test, 5, 50), 8)
    assert [one["value"] for one in values] == [pytest.approx(100 * e.mean, abs=1e-3) for e in result.estimates(2)]


def test_errors_of_one_training_fall_with_its_steps_and_share_it(tmp_path):
    first, last = matching(TABLES["sinusoid"], "pretrained")[::2]
    options = {"scale": 2e-4, "tasks": 12, "runs": tmp_path}
    values = []
    for cell in (first, last):
        run_seed(cell, 0, progress=False, **options)
        values.append(gather(cell, 1, command="c", **options)["value"])
    assert values[1] < values[0]
    assert len([path for path in (tmp_path / "sinusoid").iterdir() if path.name != "scores"]) == 1


def test_the_best_function_of_x_is_better_than_nothing_and_is_the_mean():
    x = torch.linspace(-5, 5, 41)[:, None]
    amplitude, phase = torch.from_numpy(sines(1, 1).curves(range(20_000))).float().unbind(1)
    mean = (amplitude * torch.sin(x - phase)).mean(1, keepdim=True)
    torch.testing.assert_close(sinusoid.average(x), mean, atol=0.05, rtol=0)


def test_test_tasks_are_no_training_tasks():
    trained = {float(c) for seed in range(3) for c in sines(10, 10, seed=seed).curves(range(500))[:, 0]}
    assert not trained & set(sinusoid.drawn(5).curves(range(500))[:, 0])


def test_the_strength_of_a_life_is_chosen_on_validation_pictures(tmp_path, monkeypatch):
    generator = np.random.default_rng(0)
    first = generator.integers(0, 255, (4, 1, 1, 8, 8))
    made = [(first + generator.integers(-90, 90, (4, 16, 1, 8, 8))).clip(0, 255).astype(np.uint8) for _ in range(3)]
    parts = [build({str(c): torch.from_numpy(images) for c, images in enumerate(part)}) for part in made]
    monkeypatch.setattr("quickstudy.data.load", lambda *_, **__: Splits(*parts, "pictures"))
    asked = Lifelong("ewc", {"strength": [0.0, 1e9]}, scenario="domain", steps=40, widths=(6,), shuffled=True)
    cell = LifeCell("split-mnist", "EWC", "separate Fisher", asked)
    run_seed(cell, 0, scale=1.0, tasks=2, runs=tmp_path, progress=False)
    trials = [json.loads((path / "config.json").read_text())["lifelong"] for path in tmp_path.glob("*/chosen/*")]
    assert {trial["options"]["strength"] for trial in trials} == {0.0, 1e9}
    assert all((trial["examine"], trial["seed"], trial["shuffled"]) == ("valid", 1000, False) for trial in trials)
    worth = {
        json.loads((path / "config.json").read_text())["lifelong"]["options"]["strength"]: np.mean(
            json.loads((path / "metrics.json").read_text())["accuracy"][-1]
        )
        for path in tmp_path.glob("*/chosen/*")
    }
    assert len(set(worth.values())) == 2
    (life,) = tmp_path.glob("split-mnist/ewc-*")
    kept = json.loads((life / "config.json").read_text())["lifelong"]
    assert worth[kept["options"]["strength"]] == max(worth.values())
    found = gather(cell, 1, scale=1.0, tasks=2, runs=tmp_path, command="c")
    assert found["by_seed"]["0"]["trials"] == {
        "strength 0": round(100 * worth[0.0], 2),
        "strength 1e+09": round(100 * worth[1e9], 2),
    }
    assert found["value"] == pytest.approx(
        100 * np.mean(json.loads((life / "metrics.json").read_text())["accuracy"][-1]), abs=1e-3
    )
    assert found["tasks"] == 64
    assert found["published"]["value"] == 63.95


def test_seeds_but_the_first_deal_the_classes_anew():
    cell = LifeCell("split-mnist", "EWC", "", Lifelong("ewc", scenario="task", shuffled=True))
    assert [cell.life(seed, 1.0).shuffled for seed in range(3)] == [False, True, True]
    in_order = replace(cell, asked=replace(cell.asked, shuffled=False))
    assert not in_order.life(1, 1.0).shuffled
    assert cell.stamp(0, 1.0) == in_order.stamp(0, 1.0)


@pytest.mark.parametrize("dealt", [{"stream": "permuted-mnist"}, {"scenario": "task", "shuffled": True}])
def test_seeds_with_streams_of_their_own_count_together(dealt, tmp_path, monkeypatch):
    images = torch.randint(0, 256, (80, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pool = build({str(c): images[20 * c : 20 * c + 20] for c in range(4)})
    monkeypatch.setattr("quickstudy.data.load", lambda *_, **__: Splits(pool, pool, pool, "pictures"))
    asked = Lifelong("naive", steps=2, widths=(6,), **{"scenario": "domain", **dealt})
    cell = LifeCell("split-mnist", "none (fine-tuning)", "", asked)
    options = {"scale": 1.0, "tasks": 2}
    earlier = None
    for seed in (0, 1):
        run_seed(cell, seed, progress=False, runs=tmp_path / str(seed), **options)
        earlier = gather(cell, 2, command="c", runs=tmp_path / str(seed), earlier=earlier, **options)
    told = [
        json.loads(path.read_text())["stream_sha256"] for path in tmp_path.glob("*/split-mnist/naive-*/config.json")
    ]
    assert len(set(told)) == 2
    assert earlier["seeds"] == [0, 1]


def test_squared_means_of_single_examples_are_the_fisher_information_and_of_batches_less():
    chance = torch.Generator().manual_seed(0)
    support = Examples(torch.rand(24, 1, 4, 4, generator=chance), torch.arange(24) % 3)
    plain = learners.continual((1, 4, 4), widths=(5,), steps=2, batch=8)
    state = plain.adapt(plain.init(3), support)
    right = learners.ewc(plain, strength=1.0, fisher="empirical").measure(state, support, chance)
    one, eight = (fisher_batch.SquaredMean(plain, 1.0, batch=size).measure(state, support, chance) for size in (1, 8))
    for name, value in right.items():
        torch.testing.assert_close(one[name], value)
    assert sum(part.sum() for part in eight.values()) < sum(part.sum() for part in one.values()) / 2


def test_a_reader_is_trained_before_its_life(pools, tmp_path, monkeypatch):
    cell = matching(TABLES["omniglot-alphabets"], "prototypes")[0]
    asked = replace(cell.asked, stream="split-omniglot", each=4)
    small = replace(cell, asked=asked, reader=replace(ASKED, shot=1))
    monkeypatch.setattr("quickstudy.lives._pools", lambda *_, **__: streams.halves(pools.test, 5))
    options = {"scale": 1.0, "tasks": 2, "runs": tmp_path}
    run_seed(small, 0, progress=False, **options)
    found = gather(small, 1, command="c", **options)
    assert found["steps"] == ASKED.steps  # of the reader
    assert (tmp_path / cell.table / f"reader-seed0-{cells.digest(replace(ASKED, precision=devices.native()))}").exists()


def test_least_squares_and_the_capacities_answer_the_published_rows():
    found = [(cell, published(cell)) for table in ("in-context", "fast-weights") for cell in TABLES[table]]
    values = {cell.title: row["value"] for cell, row in found if row is not None}
    assert values["minimum-norm least squares, noise-free, linear regression d=20, 5 examples"] == 0.75
    limit = "capacity, number of keys above which the error rises"
    assert [values[f"{name}, {limit}"] for name in ("linear, d_key 64", "DPFP-1", "DPFP-2", "DPFP-3")] == [
        64,
        128,
        256,
        384,
    ]


@pytest.mark.parametrize(
    "words", ["transformer skewed 3 examples", "squares d=5 4 examples", "digits met 4", "vote met 4"]
)
def test_a_cell_in_context_is_measured_and_kept(words, tmp_path):
    cell = matching(TABLES["in-context"], words)[0]
    options = {"scale": 2e-4, "tasks": 6, "runs": tmp_path}
    run_seed(cell, 0, progress=False, **options)
    found = gather(cell, 1, command="c", **options)
    steps = round(cell.asked.steps * 2e-4) if cell.trained else 0
    assert (found["metric"], found["steps"], found["tasks"]) == (cell.metric, steps, 6)
    assert np.isfinite(found["value"])


def test_the_vote_of_the_operators_knows_more_with_each_example():
    exam = in_context.arithmetic(6, 5, seed=1)
    shares = in_context.votes(exam, 60).mean(0)
    assert shares[0] < 0.3
    assert (np.diff(shares) > -0.02).all()
    assert shares[-1] > 0.9


def test_keys_that_are_learned_hold_as_much_as_they_have_features():
    few, many = (fast_weights.retrieved(n, "dpfp-1", "sum", 1, 0, 300, 5).mean() for n in (40, 160))
    assert few < fast_weights.RISEN < many
    least = 160 / 128 - 1  # no unit vectors in 128 dimensions have smaller products (Welch, 1974)
    assert least < many < 2 * least


def test_the_delta_rule_repairs_what_the_sum_rule_cannot():
    wrong, repaired = (fast_weights.retrieved(20, "dpfp-1", rule, 2, 0, 100, 5).mean() for rule in ("sum", "delta"))
    assert repaired < 0.05 < 0.9 < wrong


def test_the_expected_error_is_the_mean_over_values():
    made = fast_weights.learned(30, "elu", "sum", 1, 0, 5)
    chance = torch.Generator().manual_seed(1)
    found = torch.cat([fast_weights.errors(made, *fast_weights.drawn(1, 30, 1, chance)) for _ in range(100)])
    assert float(found.detach().mean()) == pytest.approx(float(fast_weights.expected(made).detach()), rel=0.05)


def test_a_replaced_value_is_the_one_that_is_asked_for():
    order, values = torch.tensor([[1, 0, 1]]), torch.randn(1, 3, fast_weights.SIZE)
    made = fast_weights.Memory(2, "dpfp-1")
    made.forward = lambda order, values: values[:, [1, 2]]
    assert fast_weights.errors(made, order, values).tolist() == [0.0]


def measured(cell, seed, *, scale, tasks, runs, progress):
    """A life on MNIST, as it would be measured."""
    return cells.Scores(np.linspace(0, 1, tasks), False, "", Progress(step=1))


@pytest.mark.parametrize("table", ["in-context", "fast-weights", "fisher-batch"])
def test_a_table_has_its_picture(table, tmp_path, monkeypatch):
    monkeypatch.setattr(fast_weights, "CAPACITY", fast_weights.CAPACITY[:2])
    monkeypatch.setattr(fast_weights, "REPLACEMENT", fast_weights.REPLACEMENT[:2])
    monkeypatch.setattr(fisher_batch, "CELLS", fisher_batch.CELLS[:1])
    monkeypatch.setattr(fisher_batch.FisherCell, "measure", measured)
    figure = PICTURES[table](tmp_path, scale=2e-4, tasks=3, progress=False)
    panels = {"in-context": 7, "fast-weights": 2, "fisher-batch": 1}
    assert len([axes for axes in figure.axes if axes.lines]) == panels[table]


@pytest.mark.parametrize(
    ("words", "low", "high"),
    [
        ("PCA MNIST pixels trustworthiness", 50, 100),
        ("parametric t-SNE Omniglot LeNet accuracy", 0, 100),
        ("PCA Omniglot meta-trained recall", 0, 100),
        ("tailored all three silhouette", -100, 100),
        ("tailored reconstruction value", 0, 300),
    ],
)
def test_a_map_is_measured_and_kept(words, low, high, tmp_path, monkeypatch):
    generator = np.random.default_rng(0)
    made = [generator.integers(0, 255, (3, 20, 1, 28, 28), dtype=np.uint8) for _ in range(3)]
    parts = [build({str(c): torch.from_numpy(images) for c, images in enumerate(part)}) for part in made]
    monkeypatch.setattr("quickstudy.data.load", lambda *_, **__: Splits(*parts, "pictures"))
    cell = matching(TABLES["maps"], words)[0]
    options = {"scale": 1e-3, "tasks": 40, "runs": tmp_path}
    run_seed(cell, 0, progress=False, **options)
    found = gather(cell, 1, command="c", **options)
    assert low <= found["value"] <= high
    assert found["tasks"] == 40
    monkeypatch.setattr("quickstudy.maps.quality.of_points", lambda *_, **__: pytest.fail("measured twice"))
    other = next(c for c in TABLES["maps"] if c.stamp(0, 1) == cell.stamp(0, 1) and c.setting != cell.setting)
    run_seed(other, 0, progress=False, **options)  # of the same map


def test_a_picture_leans_by_as_much_as_its_rows_are_shifted():
    upright, leaning = np.zeros((2, 28, 28))
    upright[4:24, 12:16] = 1
    for row in range(4, 24):
        leaning[row] = np.roll(upright[row], (row - 14) // 2)
    found = maps_tailored.values(np.stack([upright, leaning]).reshape(2, 784))
    assert found[0, 1] == pytest.approx(0, abs=1e-9)
    assert found[1, 1] * maps_tailored.LEAN == pytest.approx(0.5, abs=0.02)
    assert found[0, 0] * maps_tailored.INK == pytest.approx(80 / 784)


def test_tiles_cost_little_more_than_the_exact_grid(tmp_path, monkeypatch):
    monkeypatch.setattr(maps_grid, "pictures", lambda name: SimpleNamespace(sha256="of no data"))  # only named there
    cost, exact, tiled = (
        matching(TABLES["maps"], f"{way} grid uniform 2,500 {what}")[0]
        for way, what in (("tiled", "cost"), ("exact", "displacement"), ("tiled", "displacement"))
    )
    values = []
    for cell in (cost, exact, tiled):
        run_seed(cell, 0, scale=1.0, tasks=50, runs=tmp_path, progress=False)
        values.append(gather(cell, 1, scale=1.0, tasks=50, runs=tmp_path, command="c")["value"])
    assert 100 < values[0] < 106
    assert values[1] == pytest.approx(values[2], rel=0.2)


def test_what_was_lost_is_counted_from_the_end_of_each_context_but_the_last():
    accuracy = np.array([[0.5, 0.5, 0.5], [0.9, 0.4, 0.5], [0.95, 0.8, 0.5], [0.7, 0.85, 0.99]])
    np.testing.assert_allclose(mas_demo.lost(accuracy), [0.2, -0.05])
    assert mas_demo.lost(accuracy).mean() == pytest.approx(-metrics.of_a_life(accuracy)["backward_transfer"])


def test_the_demo_of_mas_is_lived(monkeypatch, tmp_path):
    cell = mas_demo.CELLS[0]
    assert published(cell)["value"] == 0.071
    images = torch.randint(0, 256, (200, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pool = build({str(i): images[20 * i : 20 * i + 20] for i in range(10)})
    stream = streams.split(pool, pool, 2, scenario="task")
    monkeypatch.setattr(mas_demo.Lifelong, "contexts", lambda self: stream)
    last = mas_demo.pairs()[4]
    for label, digit in ((8, 9), (9, 0)):
        pixels = last.x[last.y == label] * 0.3081 + 0.1307
        torch.testing.assert_close(pixels, images[20 * digit : 20 * digit + 20] / 255)
    scores = cell.measure(0, scale=1 / 400, tasks=0, runs=tmp_path, progress=False)
    assert scores.of_tasks.shape == (4,)
    again = cell.measure(0, scale=1 / 400, tasks=0, runs=tmp_path / "again", progress=False)
    np.testing.assert_array_equal(scores.of_tasks, again.of_tasks)
