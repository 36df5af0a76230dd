"""The command line as a user meets it: every command, and every kind of bad input."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
from PIL import Image

from quickstudy import __main__, evaluate
from quickstudy.commands import evaluate as judging
from quickstudy.storage import load_tensors


def call(*arguments, env=None, ok=True):
    """The finished process; ``ok``: whether it is expected to succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "quickstudy", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
        timeout=300,
    )
    assert (done.returncode == 0) == ok, done.stderr
    return done


def refused(*arguments, env=None):
    """The one line of a refusal."""
    done = call(*arguments, env=env, ok=False)
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("quickstudy: "), done.stderr
    return done.stderr.strip()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of 30 class folders with 8 pictures each: noisy copies of a random blob."""
    root = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for c in range(30):
        (root / f"class {c:02}").mkdir()
        blob = generator.random((7, 7))
        for i in range(8):
            noisy = np.kron(np.clip(blob + generator.normal(0, 0.15, blob.shape), 0, 1), np.ones((4, 4)))
            Image.fromarray((255 * noisy).astype(np.uint8)).save(root / f"class {c:02}" / f"{i}.png")
    return root


SMALL = ("--way", 4, "--shot", 1, "--query", 3, "--precision", "float32", "--options", "width=8")


@pytest.fixture(scope="module")
def run(pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    call("train", "prototypes", "--data", f"folder:{pictures}", *SMALL, "--steps", 60, "--out", folder)
    return folder


def test_help_and_version():
    assert "quickstudy demo" in call("--help").stdout
    for command in __main__.COMMANDS:
        assert "Example" in call(command, "--help").stdout
    assert call("--version").stdout.startswith("quickstudy 0.")


@pytest.mark.parametrize("how", ["evaluate", "compare", "report"])
def test_a_killed_measurement_goes_on(how, run, tmp_path, monkeypatch, capsys):
    folder, on = shutil.copytree(run, tmp_path / "run"), judging.TestTasks(tasks=80, query=3)
    measure = {
        "evaluate": lambda: judging.run(str(folder), on, (), as_json=False),
        "compare": lambda: judging.run_comparison([str(folder)], on, None, as_json=False),
        "report": lambda: judging.report(folder, on, None),
    }[how]
    measure()
    whole = capsys.readouterr().out
    monkeypatch.setattr(evaluate, "EVERY", 0)
    answers, left = evaluate._answers, [2, 3]  # blocks until it is killed, and after it

    def counted(*arguments):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return answers(*arguments)

    monkeypatch.setattr(evaluate, "_answers", counted)
    with pytest.raises(KeyboardInterrupt):
        measure()
    assert (folder / "answers.safetensors").exists()
    del left[0]
    measure()
    assert left == [0]
    assert _without_seconds(capsys.readouterr().out) == _without_seconds(whole)
    assert not (folder / "answers.safetensors").exists()


def _without_seconds(line):
    return re.sub(r"[0-9.]+ s\)", "", line)


def test_how_gradients_are_made_is_a_choice(pictures, tmp_path):
    asked = ("train", "maml", "--data", f"folder:{pictures}", *SMALL, "--steps", 2)
    call(*asked, "--estimator", "reptile", "--optimizer", "sgd", "--rate", 1, "--out", tmp_path / "one")
    kept = json.loads((tmp_path / "one" / "config.json").read_text())["experiment"]
    assert (kept["estimator"], kept["optimizer"], kept["rate"]) == ("reptile", "sgd", 1)
    assert "proximal" in refused(*asked, "--estimator", "implicit", "--out", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_train_evaluate_compare_report(run, tmp_path):
    assert {p.name for p in run.iterdir()} == {
        "config.json",
        "checkpoint.safetensors",
        "weights.safetensors",
        "metrics.json",
    }
    one = json.loads(call("evaluate", run, "--tasks", 40, "--query", 3, "--json").stdout)
    assert {
        "learner",
        "data",
        "split",
        "split_sha256",
        "way",
        "shot",
        "query",
        "tasks",
        "accuracy",
        "interval95",
    } <= set(one)
    assert (one["way"], one["shot"], one["tasks"], one["transductive"]) == (4, 1, 40, False)
    assert (one["learner"], one["run"]) == ("prototypes", str(run))
    assert one["accuracy"] > 0.35  # chance is 0.25
    page = tmp_path / "page.html"
    both = call("compare", run, "neighbours", "--tasks", 40, "--query", 3, "--json", "--out", page)
    both = json.loads(both.stdout)
    assert both["results"][0]["accuracy"] == one["accuracy"]
    gap = both["results"][1]["accuracy"] - both["results"][0]["accuracy"]
    assert both["differences"][0]["difference"] == pytest.approx(gap)
    assert "neighbours" in page.read_text()
    call("report", run, "--tasks", 20, "--way", 3)
    assert "<html" in (run / "report.html").read_text()


def test_a_training_begins_with_the_net_of_another(run, pictures, tmp_path):
    asked = ("train", "maml", "--data", f"folder:{pictures}", *SMALL[:-1], "--steps", 2, "--pretrained", run, "--out")
    folder = tmp_path / "maml"
    done = call(*asked, folder, "--options", "width=8", "stride=false")
    assert "kept: the weights of step" in done.stdout
    assert f"next: quickstudy evaluate {folder}   |   quickstudy report {folder}" in done.stderr
    assert json.loads((folder / "config.json").read_text())["experiment"]["pretrained"] == str(run)
    said = refused(*asked, tmp_path / "no", "--options", "width=4")
    assert f"this learner has no net like that of {run}" in said
    assert not (tmp_path / "no").exists()


STREAMS = ("--way", 3, "--batch", 4, "--precision", "float32", "--options", "hidden=8", "rows=12", "width=4")


def test_a_learner_of_sequences_is_trained_measured_by_instance_and_looked_into(pictures, tmp_path):
    folder, page = tmp_path / "mann", tmp_path / "page.html"
    asked = ("train", "mann", "--data", f"folder:{pictures}", *STREAMS, "--length", 12, "--steps", 4, "--out", folder)
    assert f"next: quickstudy instances {folder} --out {folder / 'instances.html'}" in call(*asked).stderr
    said = call("instances", folder, "neighbours", "--streams", 20, "--most", 3, "--json", "--out", page).stdout
    one, two = json.loads(said)["results"]
    assert (one["way"], one["length"], one["streams"], len(one["accuracy"])) == (3, 12, 20, 3)
    assert (one["learner"], two["learner"]) == ("mann", "neighbours")
    assert two["accuracy"][0] < two["accuracy"][1]
    assert "write weights" in page.read_text()
    call("report", folder, "--tasks", 5, "--query", 3)
    words = (folder / "report.html").read_text()
    assert "Accuracy by instance" in words
    assert "Inside the memory" in words
    assert "give 3 labels and cannot start with 4" in refused("instances", folder, "--way", 4)


def test_a_learned_head_answers_for_its_own_number_of_classes_alone(pictures, tmp_path):
    """The way of the training is that of the learner; a head that starts anew takes any."""
    folder, fresh = tmp_path / "maml", tmp_path / "fresh"
    call("train", "maml", "--data", f"folder:{pictures}", *SMALL, "--steps", 2, "--out", folder)
    line = refused("evaluate", folder, "--way", 3, "--query", 3, "--tasks", 4)
    assert "each of 4 classes and cannot start with 3" in line
    assert "4-way 1-shot" in call("evaluate", folder, "--query", 3, "--tasks", 4).stdout
    call("train", "maml", "--data", f"folder:{pictures}", *SMALL, "head=fresh", "--steps", 2, "--out", fresh)
    assert "3-way 1-shot" in call("evaluate", fresh, "--way", 3, "--query", 3, "--tasks", 4).stdout


def test_pages_say_of_which_part_the_tasks_are(pictures, tmp_path):
    asked = ("--data", f"folder:{pictures}", "--way", 3, "--part", "train", "--out")
    call("compare", "neighbours", "density", "--query", 3, "--tasks", 3, *asked, tmp_path / "tasks.html")
    call("instances", "neighbours", "--streams", 3, "--length", 5, *asked, tmp_path / "streams.html")
    for name in ("tasks", "streams"):
        words = (tmp_path / f"{name}.html").read_text()
        assert "classes of the training part" in words
        assert "never seen" not in words
        assert re.search(r"split, \d+ train classes", words)


def test_runs_in_folders_of_the_same_name_are_told_apart(run, tmp_path):
    folders = [shutil.copytree(run, tmp_path / place / "run") for place in "ab"]
    page = tmp_path / "page.html"
    said = call("compare", *folders, "neighbours", "--query", 3, "--tasks", 1, "--json", "--out", page).stdout
    assert [one["interval95"] for one in json.loads(said)["differences"]] == [None, None]
    legend = page.read_text().split("<h2>Learning</h2>")[1].split("</ul>")[0]
    assert all(f"prototypes ({folder})" in legend for folder in folders)


def test_a_baseline_needs_no_run(pictures):
    words = call(
        "evaluate", "neighbours", "--data", f"folder:{pictures}", "--way", 3, "--query", 3, "--tasks", 20
    ).stdout
    assert "3-way 1-shot, 20 tasks" in words


def test_a_table_is_reproduced_and_drawn(tmp_path):
    results, picture = tmp_path / "results", tmp_path / "sinusoid.png"
    arguments = ("reproduce", "sinusoid", "--only", "step 1", "--seeds", 1, "--scale", 1e-4, "--tasks", 5)
    said = call(*arguments, "--runs", tmp_path / "runs", "--results", results, "--picture", picture).stdout
    assert "published  0.67" in said
    assert picture.read_bytes().startswith(b"\x89PNG")
    found = [json.loads(path.read_text()) for path in (results / "sinusoid").iterdir()]
    assert {one["metric"] for one in found} == {"mse"}
    elsewhere = call(*arguments, "--runs", tmp_path / "none", "--results", results, "--missing")
    assert elsewhere.stdout == ""
    assert not (tmp_path / "none").exists()


def test_a_killed_run_ends_with_the_same_bits(pictures, tmp_path):
    """kill -9 at random moments, again and again, until it is done."""
    arguments = ("prototypes", "--data", f"folder:{pictures}", *SMALL, "--steps", 400, "--seed", 5, "--out")
    call("train", *arguments, tmp_path / "whole")
    folder, dice = tmp_path / "killed", random.Random(1)
    kills = 0
    command = [sys.executable, "-m", "quickstudy", "train"]
    while not (folder / "metrics.json").exists() and kills < 40:
        what = ["--resume", folder] if (folder / "config.json").exists() else [*arguments, folder]
        process = subprocess.Popen([*command, *map(str, what)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        _until(folder / "checkpoint.safetensors", process)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(dice.uniform(0, 0.6) if kills < 6 else 60)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    assert kills > 3
    call("train", "--resume", folder)
    whole, killed = (load_tensors(f / "weights.safetensors")[0] for f in (tmp_path / "whole", folder))
    assert whole.keys() == killed.keys()
    assert all((whole[name] == killed[name]).all() for name in whole)
    assert (tmp_path / "whole" / "weights.safetensors").read_bytes() == (folder / "weights.safetensors").read_bytes()


def test_other_threads_than_before_are_told_in_one_line(run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy, ignore=lambda *_: ["metrics.json"])
    before = load_tensors(copy / "checkpoint.safetensors")[1]["sums"]["threads"]
    assert call("train", "--resume", copy).stderr.startswith("next: ")
    (copy / "metrics.json").unlink()
    told = call("train", "--resume", copy, env={"OMP_NUM_THREADS": str(before % 2 + 1)}).stderr.splitlines()
    assert told[0].startswith(f"quickstudy: {copy} was saved under PyTorch ")
    assert told[1].startswith("next: ")


def _until(path, process):
    """Waits for a checkpoint written after now, or for the end."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    while process.poll() is None and (not path.exists() or path.stat().st_mtime_ns == before):
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("train",), "name a learner"),
        (("train", "nonsense"), "no learner is called 'nonsense'"),
        (("train", "neighbours"), "no weights to train"),
        (("train", "prototypes", "--steps", 5, "--minutes", 1), "two ways to say how long"),
        (("train", "prototypes", "--options", "width"), "KEY=VALUE"),
        (("train", "prototypes", "--options", "wdith=3"), "wdith"),
        (("train", "prototypes", "--shot", 40), "shot 40 .* lower shot"),
        (("train", "prototypes", "--way", 4000), "4000-way tasks need 4000 classes"),
        (("train", "prototypes", "--data", "omniglott"), "did you mean omniglot"),
        (("train", "--resume", "nowhere"), "not a run folder"),
        (("evaluate", "nowhere"), "neither a run folder nor a learner"),
        (("evaluate", "prototypes"), "has to be trained first"),
        (("evaluate", "neighbours", "--way", 500), "lower way"),
        (("evaluate", "neighbours", "--options", "k=0"), "k is the number"),
        (("train", "mann", "--way", 5, "--labels", 3), "5 classes need as many labels, got 3"),
        (("train", "mann", "--way", 5, "--options", "strings=true"), "strings of five letters are 3125 labels, got 5"),
        (("train", "lstm", "--way", 5, "--estimator", "reptile"), "Reptile reads episodes"),
        (("train", "prototypes", "--length", 50), "prototypes reads episodes; length, labels"),
        (("train", "mann", "--way", 5, "--letters", 4), "4 letters make no 5 strings of one length"),
        (("compare",), "name at least one"),
        (("instances",), "name at least one"),
        (("instances", "neighbours", "--streams", 0), "at least 1, got 10 and 0"),
        (("reproduce", "nonsense"), "no table is called"),
        (("reproduce", "omniglot-fewshot", "--only", "nonsense"), "no cell"),
        (("reproduce", "omniglot-fewshot", "--picture", "a.png"), "no picture; there is one for sinusoid"),
        (("data", "nonsense"), "no data set"),
        (("demo", "--minutes", 0), "positive time"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, says, tmp_path, monkeypatch):
    """In this process: two dozen others would take minutes to start."""
    extra = ("--out", tmp_path / "run") if arguments[0] == "train" and "--resume" not in arguments else ()
    monkeypatch.setattr(sys, "argv", ["quickstudy", *map(str, (*arguments, *extra))])
    with pytest.raises(SystemExit, match=r"^quickstudy: ") as ended:
        __main__.main()
    assert re.search(says, ended.value.code), ended.value.code
    assert not (tmp_path / "run").exists()


def test_offline_it_says_which_files_it_wants(tmp_path):
    env = {"QUICKSTUDY_DATA": str(tmp_path), "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    line = refused("data", "omniglot", env=env)
    assert "images_background.zip" in line
    assert str(tmp_path) in line


def test_a_truncated_archive_is_named(tmp_path):
    folder = tmp_path / "omniglot"
    folder.mkdir()
    for name in ("images_background.zip", "images_evaluation.zip"):
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr("images_background/Greek/character01/0001_01.png", b"x" * 5000)
        (folder / name).write_bytes((folder / name).read_bytes()[:3000])
    env = {"QUICKSTUDY_DATA": str(tmp_path), "QUICKSTUDY_CACHE": str(tmp_path / "cache")}
    assert "images_background.zip" in refused("data", "omniglot", env=env)


def test_an_unreadable_picture_is_named(tmp_path):
    for c in range(5):
        (tmp_path / f"c{c}").mkdir()
        Image.new("L", (28, 28), c).save(tmp_path / f"c{c}" / "a.png")
    (tmp_path / "c3" / "b.png").write_bytes(b"not a picture")
    assert "b.png" in refused("data", f"folder:{tmp_path}")


def test_a_damaged_run_is_named(run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    data = (copy / "weights.safetensors").read_bytes()
    (copy / "weights.safetensors").write_bytes(data[: len(data) // 2])
    assert "weights.safetensors is damaged" in refused("evaluate", copy)
    (copy / "checkpoint.safetensors").write_bytes(b"")
    assert "checkpoint.safetensors is damaged" in refused("train", "--resume", copy)
    (copy / "config.json").write_text((copy / "config.json").read_text().replace('"format": 1', '"format": 7'))
    assert "run format 7" in refused("evaluate", copy)


def test_runs_of_different_way_are_not_compared_blindly(run, pictures, tmp_path):
    other = tmp_path / "other"
    call("train", "prototypes", "--data", f"folder:{pictures}", *SMALL, "--way", 3, "--steps", 20, "--out", other)
    assert "different way" in refused("compare", run, other, "--tasks", 5, "--query", 3)
    assert "other" in call("compare", run, other, "--tasks", 5, "--query", 3, "--way", 3).stdout


def test_a_run_is_not_overwritten(run, pictures):
    assert "--resume" in refused("train", "prototypes", "--data", f"folder:{pictures}", *SMALL, "--out", run)


def test_no_room_on_the_disk_is_said(run, pictures, tmp_path):
    """A limit on the size of files stands in for a full disk."""
    code = (
        "import errno, os, sys\n"
        "real = os.fsync\n"
        "def full(fd): raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "os.fsync = full\n"
        "sys.argv = ['quickstudy', *sys.argv[1:]]\n"
        "from quickstudy.__main__ import main\n"
        "main()\n"
    )
    arguments = ["train", "prototypes", "--data", f"folder:{pictures}", *map(str, SMALL), "--out", str(tmp_path / "r")]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert "no room on the disk" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "r").glob("*"))
