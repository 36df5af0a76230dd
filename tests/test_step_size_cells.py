"""Step-size policies in the table of learned optimizers."""

import pytest
import torch

from quickstudy.recipes import TABLES, step_size
from quickstudy.recipes.cells import gather, matching, run_seed
from quickstudy.recipes.learned_optimizer import TEST
from quickstudy.recipes.step_size import Search
from quickstudy.storage import Run
from quickstudy.tasks.losses import curves
from quickstudy.tasks.problems import problem


def test_a_policy_learns_and_is_measured_as_the_others_are(tmp_path, monkeypatch):
    monkeypatch.setattr(step_size, "QUADRATICS", {"samples": 8, "problems": 2, "examined": 4})
    cell = next(c for c in step_size._cells() if c.setting == "quadratics, step 20" and c.variant == "SGD")
    options = {"scale": 0.1, "tasks": 5, "runs": tmp_path}
    run_seed(cell, 0, progress=False, **options)
    found = gather(cell, 1, command="c", **options)
    rule, done = cell.rule(0, scale=0.1, runs=tmp_path, progress=False)
    exam = problem("quadratics", part="test", seed=TEST)
    each = curves(rule, exam, range(5), 20)
    assert found["value"] == pytest.approx(float(each[:, 20].mean()), abs=6e-4)  # kept to three decimals
    assert found["metric"] == "loss"
    assert done.step == 2


def test_a_finished_search_is_found_again(tmp_path, monkeypatch):
    asked = Search("rmsprop", problem="quadratics", updates=2, samples=6, problems=2, examined=3)
    rule, _ = asked.run(tmp_path)
    monkeypatch.setattr("quickstudy.policy_search.moved", lambda *_: pytest.fail("searched twice"))
    again, _ = asked.run(tmp_path)
    assert torch.equal(rule.policy, again.policy)
    assert Run.open(tmp_path).finished


def test_every_problem_of_the_table_has_both_directions():
    rows = TABLES["learned-optimizer"]
    tuned = {cell.setting for cell in rows if cell.method == "Adam"}
    for variant in ("SGD", "RMSprop"):
        assert {cell.setting for cell in matching(rows, "step-size policy") if cell.variant == variant} == tuned
