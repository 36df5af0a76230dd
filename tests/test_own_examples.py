"""The tables of one's own examples: what is learned from, what is asked, and that a cell measures what it says."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from quickstudy.data.originals import data_root
from quickstudy.recipes import intents, own_examples
from quickstudy.recipes.own_examples import MOST, LetterCell, Rejection

HERE = (data_root() / "omniglot" / "images_evaluation.zip").exists()
TEXTS = (data_root() / "text" / "banking77.tar.gz").exists()


@pytest.fixture(scope="module")
def angelic(tmp_path_factory):
    if not HERE:
        pytest.skip("Omniglot is not in $QUICKSTUDY_DATA")
    return own_examples.alphabet(0, tmp_path_factory.mktemp("pictures"))


def test_nothing_that_is_asked_was_learned_from(angelic):
    assert (angelic.name, len(set(angelic.query.y))) == ("Angelic", 20)
    assert not set(angelic.support.files) & set(angelic.query.files)
    assert len(angelic.query.y) == 20 * 15
    for shot in range(1, MOST + 1):
        some = angelic.shots(shot)
        assert sorted(set(np.unique(some.y, return_counts=True)[1])) == [shot]
        assert all(file.parent.name == letter for file, letter in zip(some.files, some.y, strict=True))


def test_more_drawings_include_the_fewer(angelic):
    assert set(angelic.shots(1).files) < set(angelic.shots(2).files) < set(angelic.shots(5).files)


def test_cells_measure_what_they_say(angelic, tmp_path):
    some, query = angelic.shots(2), angelic.query
    made = KNeighborsClassifier(1).fit(some.x.reshape(len(some.x), -1), some.y)
    want = made.score(query.x.reshape(len(query.x), -1), query.y)
    assert own_examples.by_sklearn(own_examples.nearest)(angelic, 2, tmp_path) == want
    assert want + 0.3 < own_examples.ours(angelic, 2, tmp_path)
    assert own_examples.rejection(own_examples.by_distance)(angelic, 2, tmp_path) > 0.8
    assert own_examples.calibration(True)(angelic, 2, tmp_path) < 0.15


def test_every_cell_has_a_name_of_its_own():
    for cells in (own_examples.CELLS, intents.CELLS):
        assert len({cell.name for cell in cells}) == len(cells)
    kinds = {type(cell) for cell in own_examples.CELLS}
    assert {LetterCell, Rejection} <= kinds


def test_a_draw_of_sentences():
    if not TEXTS:
        pytest.skip("BANKING77 is not in $QUICKSTUDY_DATA")
    task = intents.drawn("BANKING77", 2, 3)
    assert task.support.shape[0] == len(task.y) == 2 * 77
    assert task.query.shape == (3080, task.support.shape[1])
    assert task.support.shape[1] < 5000  # words of the few examples alone
    again = intents.drawn.__wrapped__("BANKING77", 2, 3)
    assert (again.support != task.support).nnz == 0
