"""CIFAR-10 from an archive laid out as the official one."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from quickstudy.data import cifar, cifar10
from quickstudy.files import FileProblem

EACH = 20


def archive(folder: Path, *, leave_out: str = "", wrong: bool = False) -> np.ndarray:
    """Writes one; the records (6, EACH, 3073) of the training files and the test file."""
    chance = np.random.default_rng(0)
    records = chance.integers(0, 256, (6, EACH, 3073)).astype(np.uint8)
    records[:, :, 0] = chance.integers(0, 10, (6, EACH)) + 90 * wrong
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    (folder / "cifar10").mkdir(parents=True)
    with tarfile.open(folder / "cifar10" / cifar.ARCHIVE.name, "w:gz") as tar:
        for name, part in zip(names, records, strict=True):
            if name != leave_out:
                info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
                info.size = part.nbytes
                tar.addfile(info, io.BytesIO(part.tobytes()))
    return records


@pytest.fixture(autouse=True)
def _small(monkeypatch, fresh_cache):
    monkeypatch.setattr(cifar, "EACH", EACH)
    monkeypatch.setattr(cifar, "VALID", 30)


def test_parts_are_the_first_the_last_and_the_test(tmp_path):
    records = archive(tmp_path)
    splits = cifar10(root=tmp_path)
    learn = records[:5].reshape(-1, 3073)
    for pool, rows in zip(splits[:3], (learn[:70], learn[70:], records[5]), strict=True):
        order = np.argsort(rows[:, 0], kind="stable")
        assert np.array_equal(pool.images.reshape(-1, 3072).numpy(), rows[order, 1:])
        assert np.array_equal(pool.labels.numpy(), rows[order, 0])
    assert splits.train.names[3] == "cat"
    assert cifar10(16, root=tmp_path).test.shape == (3, 16, 16)


@pytest.mark.parametrize("fault", [{"leave_out": "data_batch_3.bin"}, {"wrong": True}])
def test_what_is_no_cifar_is_refused(fault, tmp_path):
    archive(tmp_path, **fault)
    with pytest.raises(FileProblem, match="expected 20 pictures of 3073 bytes"):
        cifar10(root=tmp_path)
