"""MNIST and Fashion-MNIST: official pictures, sorted by class, in three parts."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from quickstudy.data import fashion_mnist, mnist
from quickstudy.files import FileProblem

SETS = [("mnist", mnist, "MNIST"), ("fashion_mnist", fashion_mnist, "Fashion-MNIST")]


@pytest.mark.parametrize(("name", "data", "title"), SETS)
def test_parts_are_the_first_the_last_and_the_test(original, name: str, data, title: str):
    root = original(name, title).parent
    splits = data(root=root)
    assert [len(part.images) for part in splits[:3]] == [55_000, 5_000, 10_000]
    assert splits.train.names == splits.valid.names == splits.test.names
    pictures, labels = (
        np.frombuffer(gzip.decompress((root / name / f"train-{kind}.gz").read_bytes()), np.uint8)[offset:]
        for kind, offset in (("images-idx3-ubyte", 16), ("labels-idx1-ubyte", 8))
    )
    order = np.argsort(labels[:55_000], kind="stable")
    assert np.array_equal(splits.train.images.reshape(-1, 784).numpy(), pictures.reshape(-1, 784)[order])
    assert np.array_equal(splits.valid.labels.numpy(), np.sort(labels[55_000:]))
    again = data(root=root)
    assert torch.equal(again.valid.images, splits.valid.images)


def test_other_pictures_under_a_right_name_are_refused(tmp_path: Path, fresh_cache: Path):
    (tmp_path / "mnist").mkdir()
    kinds = ("images-idx3", "labels-idx1")
    for name in (f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in kinds):
        (tmp_path / "mnist" / name).write_bytes(gzip.compress(b"\0\0\x08\x01\0\0\0\x01\x07"))
    with pytest.raises(
        FileProblem, match=r"train-images-idx3-ubyte.gz unpacks to 9 bytes of MD5 .*, expected 6bbc9ace"
    ):
        mnist(root=tmp_path)


@pytest.mark.parametrize("kept", [0, 3, 500])
def test_a_truncated_file_is_named(original, tmp_path: Path, fresh_cache: Path, kept: int):
    source = original("mnist", "MNIST")
    (tmp_path / "mnist").mkdir()
    for path in source.iterdir():
        (tmp_path / "mnist" / path.name).write_bytes(path.read_bytes()[:kept])
    with pytest.raises(FileProblem, match=r"train-images-idx3-ubyte\.gz"):
        mnist(root=tmp_path)
