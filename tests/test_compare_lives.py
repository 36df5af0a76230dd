"""Lives on one stream, beside each other."""

import dataclasses
import json
import re
import shlex
import shutil
import sys
from html import escape

import numpy as np
import pytest
from PIL import Image

from quickstudy import charts, metrics
from quickstudy.__main__ import main
from quickstudy.life_comparison import COSTS, Lived
from quickstudy.lifelong import History
from quickstudy.lives import Lifelong, from_run, history
from quickstudy.storage import Run

METHODS = {"naive": "naive", "held": "ewc+replay", "longer": "joint"}


def drawn(folder, seed):
    """Pictures of six classes that can be told apart, as a stream."""
    chance = np.random.default_rng(seed)
    for name in "abcdef":
        (folder / name).mkdir(parents=True)
        middle = chance.integers(0, 255, (8, 8))
        for i in range(8):
            pixels = np.clip(middle + chance.normal(0, 60, (8, 8)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return f"split-folder:{folder}"


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    return drawn(tmp_path_factory.mktemp("pictures") / "some", 0)


@pytest.fixture(scope="module")
def folders(stream, tmp_path_factory):
    """Lives: three on the same stream, one that was killed, in another scenario, and on other pictures."""
    root = tmp_path_factory.mktemp("lives")
    same = {"stream": stream, "steps": 30, "widths": (9,)}
    asked = {
        "naive": Lifelong(**same),
        "held": Lifelong("ewc+replay", {"strength": 10.0, "capacity": 7}, **same),
        "longer": Lifelong("joint", mask="all", **same | {"steps": 90}),
        "killed": Lifelong(**same),
        "task": Lifelong(scenario="task", **same),
        "others": Lifelong(**same | {"stream": drawn(root / "pictures", 1)}),
    }
    for name, one in asked.items():
        one.go(root / name)
    (root / "killed" / "metrics.json").unlink()
    return {name: str(root / name) for name in asked}


@pytest.fixture(scope="module")
def of_seeds(stream, tmp_path_factory):
    """Three lives of each of three methods; a seed deals the classes."""
    root = tmp_path_factory.mktemp("seeds")
    same = {"stream": stream, "steps": 20, "widths": (9,), "shuffled": True}
    asked = {
        "naive": Lifelong(scenario="task", **same),
        "some": Lifelong("replay", {"capacity": 3}, scenario="task", **same),
        "many": Lifelong("replay", {"capacity": 30}, scenario="task", **same),
    }
    for name, one in asked.items():
        for seed in range(3):
            dataclasses.replace(one, seed=seed).go(root / f"{name}{seed}")
    return {name: [str(root / f"{name}{seed}") for seed in range(3)] for name in asked}


@pytest.fixture
def said(monkeypatch, capsys):
    """What a command prints, and what it says on the way."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["quickstudy", *map(str, words)])
        main()
        return capsys.readouterr()

    return call


@pytest.fixture
def refused(monkeypatch, capsys):
    """The one line of a command that fails."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["quickstudy", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        told = capsys.readouterr()
        line = told.err if isinstance(end.value.code, int) else str(end.value.code)
        assert end.value.code
        assert line.strip().count("\n") == 0
        return line

    return call


def test_figures_are_those_of_the_lives(folders, said):
    names = ("naive", "held", "longer")
    found = json.loads(said("compare", *(folders[name] for name in names), "--json").out)
    lived = [history(Run.open(folders[name])) for name in names]
    assert found["scenario"] == "class"
    for name, one, life in zip(names, found["results"], lived, strict=True):
        assert one["lives"] == [
            {"run": folders[name], "seed": 0, "accuracy": life.accuracy, "measures": life.measures()}
        ]
        assert one["average_accuracy"]["mean"] == pytest.approx(life.measures()["average_accuracy"])
        assert one["average_accuracy"]["interval95"] is None
    rows = said("compare", *(folders[name] for name in names)).out.splitlines()
    assert len(rows) == 5
    assert "3 contexts; a single life each" in rows[0]
    ends = [100 * life.measures()["average_accuracy"] for life in lived]
    assert len({*ends}) == 3
    for name, row, end, life in zip(names, rows[2:], ends, lived, strict=True):
        versus = [] if name == "naive" else [f"{end - ends[0]:.2f}".replace("-", "−")]
        wanted = [f"{end:.2f}", *versus, f"{100 * life.measures()['forgetting']:.2f}"]
        assert row.split("(")[1].split()[: len(wanted) + 1] == [f"{name})", *wanted]
    assert len({len(row) for row in rows[1:]}) == 1


def test_the_page_shows_the_lives(folders, said, tmp_path):
    page = tmp_path / "page.html"
    told = said("compare", folders["naive"], folders["held"], folders["longer"], "--out", page)
    assert f"page: {page}" in told.err
    html = page.read_text()
    lived = {name: history(Run.open(folders[name])) for name in ("naive", "held", "longer")}
    ends = {name: life.measures()["average_accuracy"] for name, life in lived.items()}
    best = max(ends, key=ends.get)
    assert re.search(r"<strong>(.*?)\u202f%</strong>", html)[1] == f"{100 * ends[best]:.1f}"
    assert f"({best})</b>, the best of 3 methods" in html
    command = ["quickstudy", "compare", *(folders[name] for name in lived), "--out", str(page)]
    assert f"<code>{escape(shlex.join(command))}</code>" in html
    assert charts.legend({i: f"{told} ({name})" for i, (name, told) in enumerate(METHODS.items())}) in html
    table = re.search("<tbody>(.*?)</tbody>", html, re.DOTALL)[1]
    options = re.findall("</th><td>(.*?)</td>", table)
    assert options == ["steps=30", "strength=10.0 capacity=7 steps=30", "mask=all steps=90"]  # widths are alike
    cells = [re.findall('"number">(.*?)</td>', row) for row in table.split("</tr>")[:3]]
    behind = [f"−{100 * (ends[best] - end):.2f}" if name != best else "best" for name, end in ends.items()]
    assert [row[1] for row in cells] == behind
    assert [row[4] for row in cells] == [str(life.examples[-1]) for life in lived.values()]
    so_far = [100 * lived["naive"].matrix[i, :i].mean() for i in (1, 3)]
    assert f"naive (naive) from {so_far[0]:.1f} to {so_far[1]:.1f}" in html
    assert html.count("of every context after every context") == 3
    dots = re.findall(r'<circle [^>]*cy="([^"]+)"[^>]*r="3"', html.split("accuracy of each context at the end")[1])[:9]
    shares = [share for life in lived.values() for share in life.accuracy[-1]]
    assert np.corrcoef([float(y) for y in dots], shares)[0, 1] == pytest.approx(-1, abs=1e-3)
    contexts = from_run(Run.open(folders["naive"])).contexts()
    assert all(f"<li>context {i + 1}: {contexts.title(i)}</li>" in html for i in range(3))


def test_lives_that_differ_in_the_seed_alone_are_one_row(of_seeds, said):
    shuffled = [of_seeds["naive"][2], *of_seeds["some"], *of_seeds["naive"][:2]]
    first, second = json.loads(said("compare", *shuffled, "--json").out)["results"]
    assert [life["run"] for life in first["lives"]] == of_seeds["naive"]
    assert (first["method"], second["options"]) == ("naive", {"capacity": 3})
    ends = {
        name: [history(Run.open(folder)).measures()["average_accuracy"] for folder in of_seeds[name]]
        for name in ("naive", "some")
    }
    assert len({*ends["naive"], *ends["some"]}) > 3
    mean, half = metrics.estimate(ends["some"])
    assert second["average_accuracy"] == pytest.approx({"mean": mean, "interval95": half})
    mean, half = metrics.paired(ends["some"], ends["naive"])
    assert second["against_first"] == pytest.approx({"mean": mean, "interval95": half})
    row = said("compare", *shuffled).out.splitlines()[-1]
    assert row.startswith("replay (seeds 0, 1, 2)")
    assert f"{100 * mean:.2f} ± {100 * half:.2f}".replace("-", "−") in row


def test_a_row_is_the_mean_of_its_lives():
    first = History([[0.1, 0.1], [0.9, 0.1], [0.5, 0.8]], [1.0, 2.0], [10, 2_000_000], [0, 4])
    second = History([[0.1, 0.1], [0.7, 0.1], [0.5, 0.6]], [3.0, 4.0], [10, 4_000_000], [0, 8])
    lived = Lived("both", "", (first, second))
    assert lived.forgetting == pytest.approx((0.4 + 0.2) / 2)
    assert [f"{lived.cost(of):{form}}" for of, form in COSTS.values()] == ["3.0", "6", "5.0"]
    assert lived.ends == pytest.approx([0.65, 0.55])
    assert np.array(lived.so_far) == pytest.approx(np.array([[1, 80], [2, 60]]))
    assert Lived("one", "", (History([[0.1], [0.9]], [1.0], [1], [0]),)).forgetting is None


def test_the_page_of_several_seeds_has_intervals(of_seeds, said, tmp_path):
    page = tmp_path / "page.html"
    said("compare", *of_seeds["naive"], *of_seeds["some"], *of_seeds["many"], "--out", page)
    html = page.read_text()
    lived = {name: [history(Run.open(folder)) for folder in folders] for name, folders in of_seeds.items()}
    means = {name: np.mean([life.matrix for life in lives], axis=0) for name, lives in lived.items()}
    best = max(means, key=lambda name: means[name][-1].mean())
    half = metrics.estimate([life.matrix[-1].mean() for life in lived[best]]).interval95
    assert f"<span>± {100 * half:.1f}</span>" in html
    table = re.search("<tbody>(.*?)</tbody>", html, re.DOTALL)[1]
    names = re.findall("</svg> (.*?)</th>", table)
    assert names == ["naive (seeds 0, 1, 2)", *(f"replay capacity={n} (seeds 0, 1, 2)" for n in (3, 30))]
    assert "mean of 3 lives with its 95 % interval; differences are paired by seed" in html
    told = re.search(r"replay capacity=3 \(seeds 0, 1, 2\) from (.*?) to (.*?);", html)
    assert told[2] == f"{100 * means['some'][-1].mean():.1f}"
    assert all(run.config["stream_sha256"] in html for run in map(Run.open, of_seeds["many"]))
    assert "<summary>Contexts" not in html  # those of each seed are others


def test_other_seeds_and_copies_are_refused(of_seeds, refused, tmp_path):
    line = refused("compare", *of_seeds["naive"], of_seeds["some"][0])
    assert "naive (seeds 0, 1, 2) on" in line
    assert "seed 0, 1, 2, examined on test" in line
    shutil.copytree(of_seeds["naive"][0], tmp_path / "copy")
    line = refused("compare", of_seeds["naive"][0], tmp_path / "copy")
    assert f"{of_seeds['naive'][0]} and {tmp_path / 'copy'} are the same life" in line


def test_a_life_alone_and_twice_is_one(folders, said):
    assert len(said("compare", folders["held"], folders["held"]).out.splitlines()) == 3


def test_lives_in_folders_of_one_name_are_told_by_their_paths(folders, said, stream, tmp_path):
    Lifelong(stream=stream, steps=2, widths=(9,)).go(tmp_path / "naive")
    rows = said("compare", folders["naive"], tmp_path / "naive").out.splitlines()[2:]
    assert [row.split(")")[0] for row in rows] == [f"naive ({folders['naive']}", f"naive ({tmp_path / 'naive'}"]


def test_what_cannot_be_compared_is_refused(folders, refused, tmp_path):
    naive = folders["naive"]
    line = refused("compare", naive, folders["task"])
    assert "only lives on the same stream" in line
    assert "scenario class, seed 0" in line
    assert "scenario task, seed 0" in line
    assert "examined on test" in refused("compare", naive, folders["others"])
    assert "leave out what says which tasks" in refused("compare", naive, "--tasks", 5)
    assert "neighbours is none" in refused("compare", naive, "neighbours")
    assert f"finish it with: quickstudy lifelong --resume {folders['killed']}" in refused("compare", folders["killed"])
    Run.create(tmp_path / "training", {"experiment": {}})
    assert "training holds no life" in refused("compare", naive, tmp_path / "training")
    assert f"its page is made by: quickstudy lifelong --resume {naive}" in refused("report", naive)


@pytest.mark.parametrize(
    ("key", "value"), [("accuracy", [[0.5], [0.5]]), ("accuracy", "none"), ("nbytes", []), ("seconds", 3)]
)
def test_a_damaged_history_is_named(folders, refused, stream, tmp_path, key, value):
    Lifelong(stream=stream, steps=2, widths=(9,)).go(tmp_path / "life")
    path = tmp_path / "life" / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    assert f"{path} is damaged" in refused("compare", tmp_path / "life")


def test_the_history_of_a_folder_is_that_of_the_life(folders):
    run = Run.open(folders["held"])
    *_, lived = from_run(run).go(folders["held"])
    assert history(run) == lived
