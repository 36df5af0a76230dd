"""The weights that come with the package."""

import numpy as np
import pytest
import torch

from quickstudy import data
from quickstudy.estimator import FewShotClassifier, shipped

NAMES = shipped.names()


def test_the_usual_one_is_there():
    assert NAMES[0] == shipped.USUAL


@pytest.mark.parametrize("name", NAMES)
def test_each_is_small_and_says_what_it_reaches_and_how_it_was_made(name):
    about = shipped.figures(name)
    size = (shipped.folder() / f"{name}.safetensors").stat().st_size
    assert size < 500_000
    assert about["kilobytes"] == round(size / 1000)
    assert about["command"].startswith("quickstudy train ")
    assert {"5-way 1-shot", "20-way 1-shot"} <= about["figures"].keys()
    recipe = shipped.load(name).recipe
    assert len(recipe.temperatures) == 5
    assert list(recipe.novelty) == sorted(recipe.novelty)


@pytest.mark.parametrize("name", NAMES)
def test_letters_of_another_kind_are_read_from_two_examples(name):
    pool = data.glyphs().test
    rows = pool.starts[:10, None] + torch.arange(6)
    pages = pool.images[rows][:, :, 0].numpy()  # (10, 6, 28, 28)
    letters = np.repeat(np.array(pool.names[:10]), 2), np.repeat(np.array(pool.names[:10]), 4)
    made = FewShotClassifier(name).fit(pages[:, :2].reshape(20, 28, 28), letters[0])
    assert made.score(pages[:, 2:].reshape(40, 28, 28), letters[1]) > 0.8
    assert made.leave_one_out_accuracy_ > 0.3  # of one example a letter, mostly from another font


@pytest.mark.parametrize("name", NAMES)
def test_one_example_a_class_is_enough_to_be_calibrated_and_to_reject(name):
    pool = data.glyphs().test
    pages = pool.images[pool.starts[:5], 0].numpy()
    made = FewShotClassifier(name, reject=0.1).fit(pages, list("abcde"))
    assert made.temperature_ == pytest.approx(made.taught_.recipe.temperatures[0])
    assert list(made.predict(pages)) == list("abcde")
    noise = np.random.default_rng(0).integers(0, 255, (3, 28, 28), dtype=np.uint8)
    assert (made.predict(noise) == "unknown").all()
