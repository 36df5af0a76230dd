"""The cells of a table: published ones are matched by name, finished ones are not done again."""

import csv
import json
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest
import torch

from quickstudy import metrics
from quickstudy.data.pool import Splits, build
from quickstudy.experiment import Experiment
from quickstudy.lives import Lifelong
from quickstudy.recipes import TABLES, cells, sinusoid
from quickstudy.recipes.cells import Cell, gather, matching, published, run_seed, worded
from quickstudy.recipes.lives import LifeCell
from quickstudy.tasks import sines


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
CELL = Cell("omniglot-fewshot", "prototypical networks", "squared Euclidean", 5, 1, ASKED)


def test_names_are_unique_and_published_cells_are_found():
    for table, rows in TABLES.items():
        assert len({cell.name for cell in rows}) == len(rows)
        assert all(cell.table == table for cell in rows)
    text = (resources.files("quickstudy.recipes") / "published.csv").read_text()
    keys = {(r["method"], r["variant"], r["setting"]) for r in csv.DictReader(text.splitlines())}
    answered = [cell for cell in TABLES["omniglot-fewshot"] if (cell.method, cell.variant, cell.setting) in keys]
    assert len(answered) == 44
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
    wanted = [*cells.KEY, "metric", "published", "command", "commit", "versions", "hardware", "minutes"]
    assert set(wanted) <= set(found)


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


def test_cells_are_chosen_by_words():
    rows = TABLES["omniglot-fewshot"]
    chosen = matching(rows, "prototypical LAKE 5-way")
    assert [cell.setting for cell in chosen] == ["5-way 1-shot", "5-way 5-shot"]
    assert matching(rows, "") == rows


def test_sinusoid_cells_answer_the_published_rows():
    found = {cell.title: published(cell)["value"] for cell in TABLES["sinusoid"]}
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
    made = [generator.integers(0, 255, (4, 6, 1, 8, 8), dtype=np.uint8) for _ in range(3)]
    parts = [build({str(c): torch.from_numpy(images) for c, images in enumerate(part)}) for part in made]
    monkeypatch.setattr("quickstudy.data.load", lambda *_, **__: Splits(*parts, "pictures"))
    asked = Lifelong("ewc", {"strength": [0.0, 1e3]}, scenario="domain", steps=3, widths=(6,))
    cell = LifeCell("split-mnist", "EWC", "separate Fisher", asked)
    run_seed(cell, 0, scale=1.0, tasks=2, runs=tmp_path, progress=False)
    trials = [json.loads((path / "config.json").read_text())["lifelong"] for path in tmp_path.glob("*/chosen/*")]
    assert {trial["options"]["strength"] for trial in trials} == {0.0, 1e3}
    assert all(trial["examine"] == "valid" and trial["seed"] == 1000 for trial in trials)
    worth = {
        json.loads((path / "config.json").read_text())["lifelong"]["options"]["strength"]: np.mean(
            json.loads((path / "metrics.json").read_text())["accuracy"][-1]
        )
        for path in tmp_path.glob("*/chosen/*")
    }
    (life,) = tmp_path.glob("split-mnist/ewc-*")
    kept = json.loads((life / "config.json").read_text())["lifelong"]
    assert worth[kept["options"]["strength"]] == max(worth.values())
    found = gather(cell, 1, scale=1.0, tasks=2, runs=tmp_path, command="c")
    assert found["value"] == pytest.approx(
        100 * np.mean(json.loads((life / "metrics.json").read_text())["accuracy"][-1]), abs=1e-3
    )
    assert found["tasks"] == 10_000
    assert found["published"]["value"] == 63.95
