"""Lives: what is measured along them, and that a killed one ends with the same bits."""

import contextlib
import dataclasses
import functools
import html
import json
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from quickstudy import data, learners, lifelong, lives, metrics, tree
from quickstudy.__main__ import main
from quickstudy.commands import options as options_of
from quickstudy.commands.lifelong import _facts, _samples, command
from quickstudy.core import Examples, Learner
from quickstudy.data.pool import build
from quickstudy.experiment import Experiment
from quickstudy.files import FileProblem
from quickstudy.lifelong import exams, live, right, stored
from quickstudy.lives import Lifelong, from_run
from quickstudy.storage import Run
from quickstudy.tasks import episodes, streams
from quickstudy.train import calibrate


@pytest.fixture(scope="module")
def stream(make_pool):
    return streams.split(make_pool([12] * 6), make_pool([5] * 6, seed=0), 2)


def methods():
    torch.manual_seed(0)
    base = learners.continual((1, 16, 16), widths=(8,), steps=4, batch=5)
    generative = learners.generative(base, (1, 16, 16), widths=(8,), latent=3, steps=3, batch=4)
    return {"joint": learners.joint(base), "ewc": learners.ewc(base), "generative": generative, "si": learners.si(base)}


@pytest.mark.parametrize("name", methods())
def test_a_killed_life_ends_with_the_same_bits(name, stream, tmp_path, monkeypatch):
    whole, expected = live(methods()[name], stream)
    run, calls = Run.create(tmp_path / "run", {}), []
    learned = lifelong._learned

    def killed(*arguments):
        calls.append(arguments[3])
        if calls == [0, 1]:
            raise KeyboardInterrupt
        return learned(*arguments)

    monkeypatch.setattr(lifelong, "_learned", killed)
    with pytest.raises(KeyboardInterrupt):
        live(methods()[name], stream, run=run)
    ended, history = live(methods()[name], stream, run=run)
    assert calls == [0, 1, 1, 2]  # from the start of the context in which it was killed
    assert all(torch.equal(a, b) for a, b in zip(tree.leaves(whole), tree.leaves(ended), strict=True))
    assert history.accuracy == expected.accuracy
    ready = methods()[name]
    again, _ = live(ready, stream, run=run)
    assert not ready.training
    assert calls == [0, 1, 1, 2]
    assert all(torch.equal(a, b) for a, b in zip(tree.leaves(again), tree.leaves(ended), strict=True))


class Oracle(Learner[torch.Tensor]):
    """Knows the classes that it has seen, by the mean of their pixels."""

    def init(self, way):
        return torch.zeros(way)

    def adapt(self, state, support):
        return state + torch.nn.functional.one_hot(support.y, len(state)).sum(0)

    def predict(self, state, x):
        known = torch.nn.functional.one_hot(x[:, 0, 0, 0].mul(255).round().long(), len(state)).float()
        return torch.where(state > 0, known, -torch.inf) if state.any() else torch.zeros_like(known)


@pytest.mark.parametrize("scenario", streams.SCENARIOS)
def test_accuracies_are_those_of_the_scenario(scenario):
    shades = [c % 2 if scenario == "domain" else c for c in range(6)]
    pool = build({str(c): torch.full((4, 1, 2, 2), shade, dtype=torch.uint8) for c, shade in enumerate(shades)})
    _, history = live(Oracle(), streams.split(pool, pool, 2, scenario=scenario))
    first = {"task": 1 / 2, "domain": 1 / 2, "class": 1 / 6}[scenario]
    assert history.accuracy[0] == pytest.approx([first] * 3)
    later = {"task": 1 / 2, "domain": 1.0, "class": 0.0}[scenario]  # of contexts that did not come yet
    assert history.accuracy[1] == pytest.approx([1.0, later, later])
    assert history.accuracy[3] == [1.0] * 3


def test_costs_are_read_off_the_state(stream):
    state, history = live(learners.replay(methods()["joint"].learner, capacity=9), stream)
    assert history.examples == [9, 9, 9]
    assert history.nbytes[-1] == sum(leaf.numel() * leaf.element_size() for leaf in tree.leaves(state))
    assert len(history.seconds) == 3
    assert stored(live(methods()["joint"], stream)[0]) == 72
    assert history.measures()["state_bytes"] == history.nbytes[-1]


def test_a_bar_counts_the_steps_of_a_generator_as_well(stream, capsys):
    learner = methods()["generative"]
    live(learner, stream, progress=True)
    assert f"{4 + 3}/{4 + 3}" in capsys.readouterr().err
    assert learner.memory.told is None


def test_a_bar_says_when_importances_are_measured(stream, capsys):
    live(methods()["ewc"], stream, progress=True)
    bars = capsys.readouterr().err.strip().replace("\n", "\r").split("\r")
    assert any("measuring" in bar for bar in bars)
    assert "measuring" not in bars[-1]


def test_answers_that_are_alike_count_as_guesses(stream):
    class Silent(Oracle):
        def predict(self, state, x):
            return torch.zeros(len(x), len(state))

    assert np.allclose(right(Silent(), torch.zeros(6), stream, 1), 1 / 6)


def test_measures_of_a_matrix():
    r = [[0.5, 0.5, 0.5], [0.9, 0.6, 0.4], [0.7, 0.8, 0.5], [0.6, 0.85, 0.95]]
    found = metrics.of_a_life(r)
    assert found == pytest.approx(
        {
            "average_accuracy": 0.8,
            "learning_accuracy": (0.9 + 0.8 + 0.95) / 3,
            "forgetting": ((0.9 - 0.6) + (0.8 - 0.85)) / 2,
            "backward_transfer": ((0.6 - 0.9) + (0.85 - 0.8)) / 2,
            "forward_transfer": ((0.6 - 0.5) + (0.5 - 0.5)) / 2,
        }
    )
    assert metrics.of_a_life([[0.5], [0.9]])["forgetting"] is None
    with pytest.raises(ValueError, match="contexts"):
        metrics.of_a_life([[0.5, 0.5]])


def test_few_examples_fold_over_contexts(stream):
    learner = learners.neighbours(stream.shape)
    _, history = live(learner, stream)
    every = Examples(*(torch.cat(part) for part in zip(*stream, strict=True)))
    at_once = learner.adapt(learner.init(6), every)
    for i in range(3):
        exam = stream.exam(i)
        share = (learner.predict(at_once, exam.x).argmax(1) == exam.y).float().mean()
        assert history.accuracy[-1][i] == pytest.approx(float(share))


def test_support_and_query_are_read_alike_along_a_life(make_pool):
    """By calibrated statistics: in training they would be those of the context, and prototypes in another space."""
    train, test = make_pool([12] * 6), make_pool([5] * 6)
    stream = streams.split(train, test, 1)
    learner = calibrate(learners.prototypes(stream.shape, width=4), episodes(train, 3, 1, 2), range(4))
    expected = functools.reduce(learner.eval().adapt, stream, learner.init(6))
    state, _ = live(learner, stream)
    for ours, theirs in zip(tree.leaves(state), tree.leaves(expected), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    small = {"options": {"width": 4}, "way": 5, "query": 2, "steps": 1, "validations": 1}
    Experiment(learner="prototypes", data="glyphs", **small).run(folder)
    return str(folder)


def test_what_was_meta_trained_is_examined_on_what_it_has_not_seen(trained, monkeypatch):
    asked = Lifelong("prototypes", stream="split-glyphs", run=trained)
    stream = asked.contexts()
    assert {*stream.test.names} == {*data.glyphs().test.names}
    asked.build(stream)
    with pytest.raises(ValueError, match=r"trained on \d+ of the \d+ classes that this life examines"):
        asked.build(dataclasses.replace(asked, run=None).contexts())
    permuted = dataclasses.replace(asked, stream="permuted-glyphs").contexts()
    with pytest.raises(ValueError, match="reads pictures of 1x28x28, split-glyphs has 1x32x32"):
        asked.build(permuted)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"experiment": {}}, "holds no life; quickstudy lifelong METHOD makes one"),
        ({"lifelong": {}}, "is damaged: 'widths'"),
        ({"lifelong": {"widths": ["x"]}}, "is damaged: widths is a list, each a whole number"),
    ],
)
def test_what_holds_no_life_is_named(config, says, tmp_path):
    with pytest.raises(FileProblem, match=says):
        lives.from_run(Run.create(tmp_path / "run", config))


def test_alphabets_are_the_contexts_of_glyphs():
    stream = Lifelong(stream="split-glyphs").contexts()
    scripts = {name.partition("/")[0] for part in data.glyphs()[:3] for name in part.names}
    assert {context.words for context in stream.contexts} == scripts
    assert {len(context.classes) for context in Lifelong(stream="split-glyphs", each=3).contexts().contexts} == {3}


def test_options_as_tuples_are_those_of_the_folder(tmp_path):
    asked = Lifelong("generative", {"widths": (4,), "steps": 1}, stream="split-glyphs", each=60, steps=1, widths=(4,))
    few = dataclasses.replace(asked, examples=2)
    few.go(tmp_path)
    few.go(tmp_path)


def test_changed_pictures_are_noticed(tmp_path, monkeypatch, make_pool):
    pools = [make_pool([6] * 4, seed=seed) for seed in (0, 1)]
    asked = Lifelong(stream="split-mnist", steps=1, widths=(4,))
    for pool, problem in zip(pools, (False, True), strict=True):
        monkeypatch.setattr(lives.data, "load", lambda *_, pool=pool, **__: data.Splits(pool, pool, pool, "all"))
        with pytest.raises(FileProblem, match="data have changed") if problem else contextlib.nullcontext():
            asked.go(tmp_path)


def test_weights_that_are_no_numbers_end_a_life_with_a_reason(stream):
    with pytest.raises(ArithmeticError, match="no numbers any more; lower the rate"):
        live(learners.continual((1, 16, 16), widths=(8,), steps=20, batch=5, rate=1e30), stream)


@pytest.mark.parametrize("wrappers", ["generative+ewc", "ewc+generative"])
def test_what_the_generator_draws_is_found_inside(wrappers, stream):
    asked = Lifelong(wrappers, {"latent": 3}, steps=1, widths=(4,))
    learner = asked.build(stream)
    assert _samples(learner, learner.init(stream.way)) is not None
    plain = learners.ewc(learner.learner.learner)
    assert _samples(plain, plain.init(stream.way)) is None


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Lifelong("neighbours", steps=3, stream="split-glyphs"), "takes no steps; leave out steps"),
        (Lifelong("prototypes", {"width": 3}, run="runs/a", stream="split-glyphs"), "trained with its own options"),
        (Lifelong("ewc", {"examples": 0}, stream="split-glyphs"), "at least 1 example"),
        (Lifelong("ewc", {"learner": 3}, stream="split-glyphs"), "learner is no option"),
        (Lifelong("ewc", {"strength": "x"}, stream="split-glyphs"), "strength is a number, got 'x'"),
        (Lifelong(stream="permuted-glyphs", each=3), "classes of a split"),
        (Lifelong(stream="split-glyphs", each=0), "at least 1; got 0"),
        (Lifelong(stream="split-glyphs", examples=0), "at least 1; got 0"),
        (Lifelong(stream="split-glyphs", seed=-1), "a seed is at least 0"),
        (Lifelong("ewc", {"speed": 1}, stream="split-glyphs"), "no option speed"),
        (Lifelong("ewd", stream="split-glyphs"), "no lifelong method is called 'ewd'"),
        (Lifelong(mask="own", scenario="class", stream="split-glyphs"), "never compared"),
        (Lifelong(mask="own", scenario="domain", stream="permuted-glyphs"), "no own classes"),
        (Lifelong("ewc+joint", stream="split-glyphs"), "keeps all data"),
        (Lifelong("alone+ewc", stream="split-glyphs"), "forgets what is held"),
        (Lifelong("neighbours", mask="seen", stream="split-glyphs"), "takes no steps"),
        (Lifelong("ewc", run="runs/a", stream="split-glyphs"), "a run is of a learner"),
        (Lifelong(stream="split"), "a stream is"),
        (Lifelong(stream="shuffled-glyphs"), "a stream is"),
        (Lifelong("prototypes", stream="split-glyphs"), "meta-trained first"),
        (Lifelong(stream="split-glyphs", examine="valid"), "no validation part"),
    ],
)
def test_what_makes_no_sense_is_refused(asked, words):
    with pytest.raises(ValueError, match=words):
        asked.build(asked.contexts())


def quickstudy(*arguments):
    return subprocess.run([sys.executable, "-m", "quickstudy", *arguments], capture_output=True, text=True, timeout=300)


def test_the_command_lives_and_goes_on(tmp_path):
    out = tmp_path / "life"
    chance = np.random.default_rng(0)
    for name in "abcdefghijkl":
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(8):
            pixels = chance.integers(0, 255, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{i}.png")
    stream = f"split-folder:{tmp_path / 'pictures'}"
    asked = ["lifelong", "ewc+replay", "--stream", stream, "--each", "4", "--steps", "2", "--widths", "9"]
    done = quickstudy(*asked, "--options", "strength=10", "capacity=20", "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["accuracy"]) == len(found["accuracy"][0]) + 1
    assert found["measures"]["examples_stored"] == 20
    page = (out / "report.html").read_text()
    assert "ewc+replay on split-folder" in page
    assert f"{100 * found['measures']['average_accuracy']:.1f}" in page
    assert sorted(", ".join(found["contexts"]).split(", ")) == list("abcdefghijkl")
    for number, title in enumerate(found["contexts"], 1):  # beside the curves and above the map
        assert page.count(f"context {number}: {title}</li>") == 2
    assert "<dd>strength=10 capacity=20</dd>" in page
    told = html.unescape(re.search("<code>(.+)</code>", page)[1])
    assert shlex.split(told)[1:] == [*asked[:2], "--options", "strength=10", "capacity=20", *asked[2:]]
    again = quickstudy("lifelong", "--resume", str(out), "--json")
    assert json.loads(again.stdout) == found
    learner, state, contexts, _ = from_run(Run.open(out)).go(out)  # as docs/lifelong.md goes on with it
    assert exams(learner, state, contexts) == found["accuracy"][-1]
    assert learner.adapt(state, contexts[0]).contexts == len(contexts) + 1
    other = quickstudy(*asked, "--seed", "3", "--out", str(out))
    assert other.returncode != 0
    assert "asked something else" in other.stderr
    assert other.stderr.count("\n") == 1


OPTIONS = st.dictionaries(
    st.from_regex(r"[a-z]+", fullmatch=True),
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.lists(st.floats(0)),
)


@given(OPTIONS)
@example({"text": ""})
def test_options_that_are_told_are_read_alike(options):
    assert options_of.parse(options_of.told(options)) == options


@pytest.mark.parametrize(
    "asked",
    [
        Lifelong(),
        Lifelong("ewc+replay", {"strength": 1e7, "fisher": "predicted", "online": True}, "permuted-mnist", "domain"),
        Lifelong("prototypes", stream="split-folder:some pictures", run="runs/my run", each=3, examples=7, size=28),
        Lifelong("si", mask="all", steps=9, batch=2, rate=1e-4, widths=(7,), seed=5, examine="valid", shuffled=True),
    ],
    ids=lambda asked: asked.method,
)
def test_the_command_on_the_page_is_that_of_the_life(asked, monkeypatch):
    lived = []
    monkeypatch.setattr(Lifelong, "go", lambda self, *_, **__: lived.append(self))
    monkeypatch.setattr(sys, "argv", shlex.split(command(asked)))
    with pytest.raises(TypeError):  # of what did not live there is no page
        main()
    assert lived == [asked]


def test_the_setting_is_what_the_life_read(tmp_path):
    run = Run.create(tmp_path / "run", {"stream_sha256": "5e", "versions": {"torch": "2"}})
    shuffled = _facts(Lifelong("si", {"strength": 2.0}, shuffled=True), run)
    assert shuffled["options"] == "strength=2.0"
    assert (shuffled["shuffled"], shuffled["widths"]) == ("yes", "400 400")
    assert (shuffled["stream SHA-256"], shuffled["versions"]) == ("5e", "torch 2")
    assert not {"mask", "each", "run"} & {*shuffled}
    assert not {*lives.STEPPING, "options", "shuffled"} & {*_facts(Lifelong("neighbours"), run)}


def test_the_command_without_a_method_says_which_there_are():
    done = quickstudy("lifelong")
    assert done.returncode != 0
    assert "naive, alone, ewc" in done.stderr
