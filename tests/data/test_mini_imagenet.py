"""miniImageNet: Ravi and Larochelle's classes; the whole of it where it was decoded before, else a small copy."""

import csv
import gzip
import io
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from quickstudy.data import mini_imagenet
from quickstudy.files import FileProblem

module = sys.modules["quickstudy.data.mini_imagenet"]  # the package's name of it is the function's
SMALL = {"train": 5, "val": 2, "test": 3}


def jpeg(colour: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (84, 84), (colour, 0, 255 - colour)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def small(tmp_path: Path, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pictures of each of ten classes, each picture's colour being its number; the archive in reverse order."""
    monkeypatch.setattr(module, "CLASSES", SMALL)
    monkeypatch.setattr(module, "EACH", 2)
    folder = tmp_path / "miniimagenet"
    folder.mkdir()
    number = 0
    for part, classes in SMALL.items():
        rows = []
        with tarfile.open(folder / f"images_{part}.tar.xz", "w:xz") as archive:
            for _ in range(2 * classes):
                rows.append((f"n{number:03}.jpg", f"{part}{number // 2}"))
                number += 1
            for name, _ in reversed(rows):
                data = jpeg(10 * int(name[1:4]))
                info = tarfile.TarInfo(f"images/{name}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        with gzip.open(folder / f"{part}.csv.gz", "wt", newline="") as file:
            csv.writer(file).writerows([("filename", "label"), *rows])
    return tmp_path


def test_pictures_stand_in_the_order_of_the_list(small: Path):
    splits = mini_imagenet(root=small)
    assert splits.train.names == tuple(f"train{number}" for number in range(5))
    assert [part.images.shape[0] for part in splits[:3]] == [10, 4, 6]
    reds = torch.cat([part.images[:, 0].float().mean((1, 2)) for part in splits[:3]])
    assert (reds - 10 * torch.arange(20)).abs().max() < 3


def test_other_sizes_are_resized(small: Path):
    assert mini_imagenet(32, root=small).test.shape == (3, 32, 32)


def test_exchanged_lists_are_noticed(small: Path):
    folder = small / "miniimagenet"
    (folder / "images_train.tar.xz").write_bytes((folder / "images_test.tar.xz").read_bytes())
    with pytest.raises(
        FileProblem, match=r"images_train\.tar\.xz lacks 10 listed pictures .*n000\.jpg.* holds 6 others"
    ):
        mini_imagenet(root=small)


def test_a_list_that_is_no_list_is_named(small: Path):
    table = small / "miniimagenet" / "train.csv.gz"
    for content in (
        b"",
        b"filename,label\n",
        gzip.compress(b"a,b\n1,2\n"),
        gzip.compress(b"filename,label\nx.jpg,n1\n"),
    ):
        table.write_bytes(content)
        with pytest.raises(FileProblem, match=r"train\.csv\.gz"):
            mini_imagenet(root=small)


def test_a_damaged_picture_is_named(small: Path):
    path = small / "miniimagenet" / "images_train.tar.xz"
    with tarfile.open(path, "w:xz") as archive:
        for number in range(10):
            data = jpeg(0)[: 300 if number == 3 else None]
            info = tarfile.TarInfo(f"images/n{number:03}.jpg")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    with pytest.raises(FileProblem, match=r"n003\.jpg in .*images_train"):
        mini_imagenet(root=small)


def test_missing_files_say_where_they_come_from(tmp_path: Path):
    with pytest.raises(FileProblem, match=r"no official download(.|\n)*images_val\.tar\.xz(.|\n)*image-net\.org"):
        mini_imagenet(root=tmp_path)


def test_the_real_lists_are_ravi_and_larochelles(original):
    folder = original("miniimagenet", "miniImageNet")
    classes = [module._classes(folder / f"{part}.csv.gz", count) for part, count in module.CLASSES.items()]
    assert [len(part) for part in classes] == [64, 16, 20]
    assert len(set().union(*classes)) == 100
    assert "n01855672" in classes[1]


def test_the_whole_of_it(original, users_cache: Path, monkeypatch: pytest.MonkeyPatch):
    original("miniimagenet", "miniImageNet")
    if not (users_cache / "mini_imagenet-84-train.safetensors").is_file():
        pytest.skip("miniImageNet is not in the cache, and takes half a minute to decode")
    monkeypatch.setenv("QUICKSTUDY_CACHE", str(users_cache))
    splits = mini_imagenet()
    assert [(len(part), len(part.images)) for part in splits[:3]] == [(64, 38_400), (16, 9_600), (20, 12_000)]
    assert all((part.sizes == 600).all() and part.shape == (3, 84, 84) for part in splits[:3])
    assert np.isclose(splits.valid.images[::50].float().mean(), 113, atol=8)
