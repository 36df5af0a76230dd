"""Optimizers that are learned, from the command line to the table: trained, killed, resumed, loaded, measured."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from quickstudy import optim, plot
from quickstudy.files import FileProblem
from quickstudy.optim import LearnedOptimizer
from quickstudy.optim import weights as shipped
from quickstudy.optimizers import Training, from_run, trained
from quickstudy.recipes import TABLES, learned_optimizer, optimizer_practice
from quickstudy.recipes.cells import gather, matching, published, run_seed
from quickstudy.recipes.learned_optimizer import Ahead, Learned, Tuned
from quickstudy.recipes.optimizer_practice import Practice, Work
from quickstudy.storage import Run
from quickstudy.tasks import quadratics
from quickstudy.tasks.losses import curves

SMALL = Training(problem="quadratics", options={"hidden": 4}, batch=4, steps=20, validations=2, examined=4)
ASKED = ("--rule", "lstm", "--problem", "quadratics", "--batch", "4", "--validations", "4", "--examined", "4")


def command(*words, ok=True):
    done = subprocess.run(
        [sys.executable, "-m", "quickstudy", *map(str, words)], capture_output=True, text=True, timeout=300
    )
    assert (done.returncode == 0) == ok, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_a_killed_run_ends_with_the_same_bytes(tmp_path):
    """kill -9 in the middle, twice."""
    arguments = ["train", "learned-optimizer", *ASKED, "--steps", "150", "--options", "hidden=6", "--out"]
    said = command(*arguments, tmp_path / "whole").stdout
    assert "best loss at the end of validation descents" in said
    folder, reached = tmp_path / "killed", []
    for what in ([*arguments, folder], ["train", "--resume", folder]):
        process = subprocess.Popen([sys.executable, "-m", "quickstudy", *map(str, what)], stdout=subprocess.DEVNULL)
        _until_it_goes_on(folder, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        reached.append(Run(folder).load_checkpoint()[1]["step"])
    assert 0 < reached[0] < reached[1] < 150
    command("train", "learned-optimizer", "--resume", folder)
    files = [path / "weights.safetensors" for path in (tmp_path / "whole", folder)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert "holds a run already" in command(*arguments, folder, ok=False).stderr


def _until_it_goes_on(folder, process):
    """Waits for a checkpoint written after now, or for the end."""
    path = folder / "checkpoint.safetensors"
    before = path.stat().st_mtime_ns if path.exists() else 0
    while process.poll() is None and (not path.exists() or path.stat().st_mtime_ns == before):
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"rule": "sgd"}, "no rule that is learned is called 'sgd'"),
        ({"options": {"width": 3}}, "lstm does not take these options"),
        ({"options": {"layers": 1.5}}, "layers is a whole number, got 1.5"),
        ({"problem": "moons"}, "no problem is called 'moons'"),
        ({"estimator": "guess"}, "no estimator of descents is called 'guess'"),
        ({"segment": 0}, "at least 1"),
    ],
)
def test_what_cannot_work_is_refused_before_a_folder_is_made(asked, says, tmp_path):
    with pytest.raises(ValueError, match=says):
        dataclasses.replace(SMALL, **asked).run(tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("rule", ["lstm", "rnnprop", "mlp"])
@pytest.mark.parametrize("estimator", ["truncated", "evolution"])
def test_a_run_is_remembered_and_is_an_optimizer(rule, estimator, tmp_path):
    asked = dataclasses.replace(SMALL, rule=rule, estimator=estimator, horizons=(4, 8), each=2, segment=4, scaled=0.5)
    made, done = asked.run(tmp_path)
    assert done.step == 20
    assert from_run(Run.open(tmp_path)) == asked
    again = trained(Run.open(tmp_path))
    assert all(torch.equal(a, b) for a, b in zip(made.parameters(), again.parameters(), strict=True))
    with pytest.raises(FileProblem, match="asked something else"):
        dataclasses.replace(asked, seed=3).run(tmp_path)
    target = tmp_path / "file.safetensors"
    optim.ship(tmp_path, target, about={"command": "this"})
    assert json.loads(target.with_suffix(".json").read_text())["command"] == "this"
    losses = quadratics(4)
    for found in (optim.rule(tmp_path), optim.rule(target)):
        assert torch.equal(curves(found, losses, [0], 5), curves(made, losses, [0], 5))


def test_what_is_no_optimizer_is_named(tmp_path):
    with pytest.raises(FileProblem, match="no learned optimizer at nowhere: give a run folder"):
        optim.rule("nowhere")
    Run.create(tmp_path, {"experiment": {}})
    with pytest.raises(FileProblem, match="holds no learned optimizer"):
        optim.rule(tmp_path)


@pytest.mark.parametrize("name", shipped.names())
def test_shipped_weights_train_a_net_they_have_not_seen(name):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3))
    x, y = torch.randn(64, 8), torch.randint(3, (64,))
    optimizer, losses = LearnedOptimizer(net.parameters(), name), []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(100):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(x), y)
            loss.backward()
            optimizer.observe(loss)
            optimizer.step()
            losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    assert shipped.figures(name)["kilobytes"] < 100


def test_cells_answer_the_published_rows():
    cells = TABLES[learned_optimizer.TABLE]
    answered = {cell.title: published(cell) for cell in cells}
    found = {title: row["value"] for title, row in answered.items() if row}
    assert found["LSTM, coordinate-wise, learned, quadratics, step 100"] == 0.040
    assert found["Adam, tuned rate, MNIST 20 sigmoid units, step 200"] == 0.31
    assert found["NAG, tuned rate, MNIST 2 hidden layers, step 100"] == 0.78
    assert found["LSTM, coordinate-wise, learned, MNIST ReLU, step 100"] == 2.6
    assert len(found) == 5 * (2 + 3 + 3)


def test_a_cell_is_measured_and_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(learned_optimizer, "RATES", (0.001, 0.1))
    monkeypatch.setattr(learned_optimizer, "TUNED", 3)
    learned = Learned(learned_optimizer.TABLE, "LSTM", "", "quadratics", 5, 8, SMALL)
    tuned = Tuned(learned_optimizer.TABLE, "Adam", "", "quadratics", 5, 8, "Adam")
    for cell in (learned, tuned):
        options = {"scale": 1.0, "tasks": 6, "runs": tmp_path}
        run_seed(cell, 0, progress=False, **options)
        found = gather(cell, 1, command="c", **options)
        assert (found["metric"], found["steps"]) == ("loss", 20 if cell is learned else 0)
        rule, _ = cell.rule(0, scale=1.0, runs=tmp_path, progress=False)
        exam = learned_optimizer.problem("quadratics", part="test", seed=learned_optimizer.TEST)
        expected = curves(rule, exam, range(6), 5)[:, -1]
        assert found["value"] == pytest.approx(float(expected.mean()), abs=1e-3)
        assert found["by_seed"]["0"]["median"] == pytest.approx(float(expected.median()), abs=0.5)
    assert json.loads((tmp_path / "learned-optimizer/rates/adam-quadratics-8steps.json").read_text())["rate"] == 0.1


def test_how_far_ahead_is_the_mean_over_the_same_problems(tmp_path, monkeypatch):
    monkeypatch.setattr(learned_optimizer, "RATES", (0.1,))
    learned = Learned(learned_optimizer.TABLE, "LSTM", "", "quadratics", 5, 8, SMALL)
    tuned = Tuned(learned_optimizer.TABLE, "Adam", "", "quadratics", 5, 5, "Adam")
    ahead = Ahead(learned_optimizer.TABLE, "LSTM below tuned Adam", "", "quadratics", 5, 5, learned, tuned)
    options = {"scale": 1.0, "tasks": 6, "runs": tmp_path, "progress": False}
    apart, mine, theirs = (cell.measure(0, **options).of_tasks for cell in (ahead, learned, tuned))
    assert apart == pytest.approx(theirs - mine, abs=1e-6)
    assert ahead.beside(apart)["share"] == pytest.approx((theirs > mine).mean(), abs=1e-3)


def test_practice_is_an_ordinary_training(tmp_path, monkeypatch):
    x = torch.randn(40, 3)
    both = (x, (x[:, 0] > 0).long())
    work = Work(lambda: nn.Linear(3, 2), lambda chance: both, both, both)
    monkeypatch.setattr(optimizer_practice, "WORKS", {"line": lambda: work})
    monkeypatch.setattr(optimizer_practice, "RATES", (1e-4, 0.1))
    monkeypatch.setattr(optimizer_practice, "STEPS", 40)
    asked = dataclasses.replace(SMALL, rule="rnnprop")
    adam, ours = (Practice("optimizer-in-practice", name, "", "line", a) for name, a in (("A", None), ("R", asked)))
    options = {"scale": 1.0, "tasks": 3, "runs": tmp_path}
    found = {name: cell.measure(0, progress=False, **options) for name, cell in {"adam": adam, "ours": ours}.items()}
    in_time = dataclasses.replace(ours, in_time=True).measure(0, progress=False, **options)
    assert all((one.of_tasks < 0.6).all() for one in found.values())
    assert (in_time.of_tasks >= found["ours"].of_tasks - 1e-6).all()
    assert json.loads((tmp_path / "optimizer-in-practice/rates/line.json").read_text()) == {"rate": 0.1}
    by_hand = optimizer_practice.trained(work, lambda net: torch.optim.Adam(net.parameters(), lr=0.1), 2)
    assert float(by_hand.held_out[-1]) == pytest.approx(found["adam"].of_tasks[2])
    assert by_hand.seconds.diff().min() > 0


def test_every_problem_of_the_tables_is_known():
    for cell in TABLES[learned_optimizer.TABLE]:
        assert cell.problem in learned_optimizer.NAMES
    assert matching(TABLES[optimizer_practice.TABLE], "adam tabular")


def test_descents_are_drawn_with_bands_on_a_logarithmic_axis():
    found = np.exp(-np.arange(5.0)) * np.arange(1, 9)[:, None]
    found[3, 2] = np.inf
    lines = {"one": (np.arange(5), found), "other": (np.arange(5), 2 * found)}
    figure = plot.descents([plot.Panel("a", "step", lines), plot.Panel("b", "seconds", lines)])
    axes = [axes for axes in figure.axes if axes.lines]
    assert [one.get_yscale() for one in axes] == ["log", "log"]
    assert [one.get_xlabel() for one in axes] == ["step", "seconds"]
    middle = axes[0].lines[0].get_ydata()
    assert middle[4] == pytest.approx(np.median(found[:, 4]))
    assert middle[2] == pytest.approx(np.median(np.delete(found[:, 2], 3)))
