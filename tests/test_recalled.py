"""Generators that several lives share."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from quickstudy import tree
from quickstudy.core import Examples
from quickstudy.files import FileProblem
from quickstudy.learners import continual, generative
from quickstudy.lives import Lifelong
from quickstudy.recalled import Recalled
from quickstudy.storage import load_tensors, save_tensors

ASKED = Lifelong(
    "generative", {"latent": 3}, stream="split-glyphs", each=270, examples=3, steps=4, batch=5, widths=(6,)
)


def names(folder):
    return {path.name for path in folder.iterdir()}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The generators of a life, and its state."""
    home = tmp_path_factory.mktemp("kept")
    return home / "generators", ASKED.go(home / "life", generators=home / "generators")[1]


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"scenario": "task"},
        {"scenario": "domain"},
        {"mask": "all"},
        {"options": {"latent": 3, "temperature": 2.0}},
        {"method": "generative+si"},
    ],
    ids=str,
)
def test_lives_that_see_the_same_pictures_train_one_generator(other, kept, tmp_path):
    generators, _ = kept
    before = names(generators)
    assert len(before) == len(ASKED.contexts()) == 3
    asked = dataclasses.replace(ASKED, **other)
    recalled = asked.go(tmp_path / "recalled", generators=generators)[1]
    assert names(generators) == before
    alone = asked.go(tmp_path / "alone")[1]
    assert all(torch.equal(a, b) for a, b in zip(tree.leaves(recalled), tree.leaves(alone), strict=True))


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"steps": 3},
        {"batch": 4},
        {"rate": 1e-2},
        {"widths": (5,)},
        {"examples": 2},
        {"each": 400},
        {"options": {"latent": 4}},
        {"options": {"latent": 3, "generator": "gan"}},
    ],
    ids=str,
)
def test_other_pictures_or_generators_are_trained(other, kept, tmp_path):
    asked = dataclasses.replace(ASKED, **other)
    asked.go(tmp_path / "life", generators=tmp_path / "generators")
    assert not names(tmp_path / "generators") & names(kept[0])


def test_each_of_what_a_training_reads_is_in_the_name(tmp_path):
    generator = generative(continual((1, 4, 4)), (1, 4, 4), widths=(3,), latent=2, steps=1, batch=2).memory
    recalled, state = Recalled(generator, tmp_path), generator.init(2)
    later = state._replace(weights={name: w + 1 for name, w in state.weights.items()})
    some = Examples(torch.ones(6, 1, 4, 4), torch.arange(6) % 2)
    usual = {"state": state, "support": some, "contexts": 1, "seed": 0}
    others = [{"state": later}, {"support": Examples(some.x / 2, some.y)}, {"contexts": 2}, {"seed": 1}]

    def add(state, support, contexts, seed):
        recalled.add(state, support, contexts, torch.Generator().manual_seed(seed))
        return len(names(tmp_path))

    assert [add(**usual | other) for other in [{}, *others]] == [1, 2, 3, 4, 5]
    assert [add(**usual | other) for other in [{}, *others, {"support": Examples(some.x, some.y * 0)}]] == [5] * 6


def test_a_life_that_recalls_says_what_it_would_have_taken(kept, tmp_path):
    generators, _ = kept
    for path in generators.iterdir():
        save_tensors(tmp_path / "generators" / path.name, load_tensors(path)[0], {"seconds": 1000.0})
    history = ASKED.go(tmp_path / "life", generators=tmp_path / "generators")[3]
    assert all(1000 < seconds < 1100 for seconds in history.seconds)


def test_a_bar_counts_recalled_steps(kept, tmp_path, capsys):
    ASKED.go(tmp_path / "life", generators=kept[0], progress=True)
    assert "8/8" in capsys.readouterr().err


def test_a_damaged_generator_is_named(kept, tmp_path):
    generators, _ = kept
    some = tmp_path / "generators"
    some.mkdir()
    for path in generators.iterdir():
        (some / path.name).write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FileProblem, match=r"generators.*damaged.*delete it, and it is trained again"):
        ASKED.go(tmp_path / "life", generators=some)
