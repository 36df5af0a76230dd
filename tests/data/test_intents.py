"""Sentences and intents: the real files where they are, damage where they are not."""

import gzip
import json
from collections import Counter

import pytest

from quickstudy.data.intents import INTENTS, clinc150
from quickstudy.data.originals import data_root
from quickstudy.files import FileProblem

FILES = {"BANKING77": ("banking77.tar.gz", 77), "CLINC150": ("clinc150_data_full.json.gz", 150)}


@pytest.mark.parametrize("name", INTENTS)
def test_the_real_files(name):
    file, classes = FILES[name]
    if not (data_root() / "text" / file).exists():
        pytest.skip(f"{file} is not in $QUICKSTUDY_DATA")
    found = INTENTS[name]()
    assert len(set(found.train.intents)) == len(set(found.test.intents)) == classes
    assert set(found.train.intents) == set(found.test.intents)
    assert not set(found.outside) & set(found.test.texts)
    assert min(Counter(found.train.intents).values()) >= 10


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileProblem, match="clinc150_data_full"):
        clinc150(tmp_path)


@pytest.mark.parametrize("text", ["{", json.dumps({"train": [["a", "b"]], "test": [["a", "b"]], "oos_test": []}), "{}"])
def test_a_damaged_file_is_named(text, tmp_path):
    (tmp_path / "text").mkdir()
    with gzip.open(tmp_path / "text" / "clinc150_data_full.json.gz", "wt") as file:
        file.write(text)
    with pytest.raises(FileProblem, match="get it again"):
        clinc150(tmp_path)
