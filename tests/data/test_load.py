"""Data sets by name."""

from pathlib import Path

import pytest

from quickstudy.data import DATASETS, load
from quickstudy.files import FileProblem


def test_every_name_is_a_data_set(scripts):
    assert load("glyphs").sha256 == scripts.sha256
    assert set(DATASETS) == {"omniglot", "mini_imagenet", "mnist", "fashion_mnist", "cifar10", "glyphs"}


def test_a_split_can_be_named(characters):
    lake = load("omniglot", split="lake")
    assert lake.name == "lake"
    assert len(lake.test) == 4 * 659


def test_a_folder_is_a_data_set(album: Path):
    assert load(f"folder:{album}").train.shape == (1, 28, 28)
    assert load(f"folder:{album}", size=20).train.shape == (1, 20, 20)


@pytest.mark.parametrize(("name", "meant"), [("omniglott", "omniglot"), ("miniimagenet", "mini_imagenet")])
def test_a_wrong_name_says_what_there_is(name: str, meant: str):
    with pytest.raises(ValueError, match=f"no data set '{name}'; there are .* and folder:PATH; did you mean {meant}"):
        load(name)


def test_what_does_not_exist_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="one split only, got split='lake'"):
        load("mnist", split="lake")
    with pytest.raises(ValueError, match="no data set 'folder:'"):
        load("folder:")
    with pytest.raises(ValueError, match="got 0"):
        load(f"folder:{tmp_path}", size=0)
    with pytest.raises(FileProblem, match="is no folder"):
        load(f"folder:{tmp_path / 'absent'}")
