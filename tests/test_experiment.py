from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from quickstudy import experiment
from quickstudy.data import Splits
from quickstudy.experiment import Experiment, usual_way
from quickstudy.files import FileProblem
from quickstudy.storage import Run
from quickstudy.tasks import Sequences


@pytest.fixture
def splits(pool):
    return Splits(pool, pool, pool, "all")


@pytest.mark.parametrize(
    ("name", "options", "outputs"),
    [("maml", {}, 4), ("maml", {"way": 3}, 3), ("classifier", {}, 12), ("finetune", {}, 12), ("anil", {}, 4)],
)
def test_a_learner_is_told_what_it_asks_for(name, options, outputs, splits):
    made = experiment.learner(name, splits, {"width": 4, **options}, way=4)
    assert len(made.head.bias) == outputs


def test_a_wrong_option_is_one_clear_line(splits):
    with pytest.raises(ValueError, match=r"maml does not take these options: .*wdith"):
        experiment.learner("maml", splits, {"wdith": 4}, way=4)
    with pytest.raises(ValueError, match=r"^steps is a whole number, got 2\.5$"):
        experiment.learner("maml", splits, {"steps": 2.5}, way=4)


def test_validation_has_the_way_of_a_learned_head_and_few_classes_else(splits):
    asked = Experiment(learner="maml", options={"width": 4}, way=12, shot=1, query=2)
    assert asked.validation(splits, asked.build(splits)).way == 12
    wide = Experiment(learner="prototypes", options={"width": 4}, way=40, shot=1, query=2)
    assert wide.validation(splits, wide.build(splits)).way == 12  # as many as there are
    assert usual_way(asked.build(splits), 12, 5) == 12
    assert usual_way(wide.build(splits), 12, 5) == 5


def test_learners_of_sequences_are_trained_and_validated_on_streams(splits):
    asked = Experiment(learner="lstm", options={"hidden": 4, "strings": True}, way=3, labels=3125)
    made = asked.build(splits)
    lessons, exam = asked.tasks(splits, made), asked.validation(splits, made)
    assert isinstance(lessons, Sequences)
    assert isinstance(exam, Sequences)
    assert (lessons.classes, lessons.way, lessons.length) == (3, 3125, 30)
    assert 0 <= asked.scores(splits, made).mean() < 0.1
    assert replace(asked, length=7).tasks(splits, made).length == 7
    spelled = replace(asked, letters=5)
    assert (spelled.tasks(splits, made).letters, spelled.validation(splits, made).letters) == (5, None)


def test_what_only_streams_have_is_refused_elsewhere(splits):
    asked = Experiment(learner="prototypes", options={"width": 4}, way=3, length=9)
    with pytest.raises(ValueError, match="prototypes reads episodes; length, labels and letters are for learners"):
        asked.tasks(splits, asked.build(splits))


def test_the_same_seed_makes_the_same_learner(splits):
    one, two = (Experiment(learner="meta_sgd", options={"width": 4}, way=3).build(splits) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_building_leaves_the_random_numbers_of_others_alone(splits):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    Experiment(learner="prototypes", options={"width": 4}, seed=3).build(splits)
    assert torch.equal(torch.rand(3), expected)


SMALL = {"options": {"width": 4}, "way": 3, "query": 2, "steps": 2, "validations": 1, "size": 16}


def test_a_run_of_training_classes_is_measured_on_data_with_others(tmp_path, monkeypatch, make_pool):
    pools = {"many": make_pool([6] * 9), "few": make_pool([6] * 5, seed=1)}
    monkeypatch.setattr(experiment.data, "load", lambda name, **_: Splits(pools[name], pools[name], pools[name], "all"))
    Experiment(learner="classifier", data="many", **SMALL).run(tmp_path / "run")
    made = experiment.trained(Run.open(tmp_path / "run"), experiment.data.load("few"))
    assert len(made.head.bias) == 9
    wide = make_pool([6] * 5, shape=(3, 16, 16))
    with pytest.raises(FileProblem, match="fits no 16 x 16 pictures of 3 channels"):
        experiment.trained(Run.open(tmp_path / "run"), Splits(wide, wide, wide, "all"))


def test_a_run_goes_on_wherever_lies_what_it_began_with_but_not_for_other_steps(tmp_path, monkeypatch, splits):
    monkeypatch.setattr(experiment.data, "load", lambda *_, **__: splits)
    before = Experiment(learner="prototypes", data="all", **SMALL)
    before.run(tmp_path / "before")
    asked = replace(before, learner="matching", pretrained=str(tmp_path / "before"))
    asked.run(tmp_path / "run")
    replace(asked, pretrained="elsewhere/before").run(tmp_path / "run")
    for other in ({"pretrained": "elsewhere/another"}, {"steps": 7}):
        with pytest.raises(FileProblem, match="asked something else"):
            replace(asked, **other).run(tmp_path / "run")


@pytest.mark.parametrize(("wrong", "words"), [({"seed": -1}, "a seed is at least 0"), ({"steps": 0}, "at least 1")])
def test_what_cannot_be_trained_leaves_no_folder(wrong, words, tmp_path, monkeypatch, splits):
    monkeypatch.setattr(experiment.data, "load", lambda *_, **__: splits)
    with pytest.raises(ValueError, match=words):
        replace(Experiment(learner="prototypes", data="all", **SMALL), **wrong).run(tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "wrong", [{"way": "5"}, {"way": None}, {"options": []}, {"data": 3}, {"size": "x"}, {"rate": "a"}, {"steps": True}]
)
def test_a_config_changed_by_hand_is_named(wrong, tmp_path):
    (key,) = wrong
    run = Run.create(tmp_path, {"experiment": {"learner": "prototypes", **wrong}})
    with pytest.raises(FileProblem, match=rf"config\.json is damaged: {key} is"):
        experiment.from_run(run)
    good = Run.create(tmp_path / "good", {"experiment": {"learner": "prototypes", "rate": 1, "size": None}})
    assert experiment.from_run(good).rate == 1
