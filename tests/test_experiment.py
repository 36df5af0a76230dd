from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from quickstudy import experiment
from quickstudy.data import Splits
from quickstudy.experiment import Experiment, usual_way
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
