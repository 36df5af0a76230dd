"""The cache: the same pool, made once; whatever fails costs time, never an answer."""

import warnings
from pathlib import Path

import pytest
import torch

from quickstudy.data import cache
from quickstudy.data.cache import cached, identity
from quickstudy.data.pool import Pool, build


class Maker:
    """Makes a pool and counts how often."""

    def __init__(self, classes: int = 4) -> None:
        self.made, self.classes = 0, classes

    def __call__(self) -> Pool:
        self.made += 1
        pictures = torch.Generator().manual_seed(0)
        images = torch.randint(256, (self.classes * 5, 3, 8, 8), generator=pictures, dtype=torch.uint8)
        return build({f"ä/{number}": group for number, group in enumerate(images.split(5))})


def same(one: Pool, other: Pool) -> bool:
    return one.names == other.names and torch.equal(one.images, other.images) and torch.equal(one.starts, other.starts)


def test_a_cached_pool_is_the_pool(fresh_cache: Path):
    make = Maker()
    assert same(cached("some", "1", make), cached("some", "1", make))
    assert make.made == 1
    assert [path.name for path in fresh_cache.iterdir()] == ["some.safetensors"]


def test_other_originals_are_decoded_anew(fresh_cache: Path, tmp_path: Path):
    make = Maker()
    for content in ("a", "bc"):
        (tmp_path / "file").write_text(content)
        cached("some", identity([tmp_path / "file"]), make)
    assert make.made == 2


@pytest.mark.parametrize("whole", [True, False])
def test_damage_is_noticed_and_mended(fresh_cache: Path, monkeypatch: pytest.MonkeyPatch, whole: bool):
    if not whole:
        monkeypatch.setattr(cache, "WHOLE", 100)
        monkeypatch.setattr(cache, "BLOCK", 64)
    make = Maker()
    pool = cached("some", "1", make)
    path = fresh_cache / "some.safetensors"
    right = path.read_bytes()
    wrong = [b"", right[:5], right[:100], right[:-1], right + b"x", b"\xff" * len(right)]
    wrong += [right[:at] + bytes([right[at] ^ 1]) + right[at + 1 :] for at in (0, 9, 60, 200, len(right) - 1)]
    for count, damaged in enumerate(wrong):
        path.unlink()
        path.write_bytes(damaged)
        assert same(cached("some", "1", make), pool)
        assert same(cached("some", "1", make), pool)
        assert make.made == count + 2


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), PermissionError(13, "Permission denied")])
def test_without_room_or_permission_it_works_uncached(
    fresh_cache: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
):
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    make = Maker()
    with pytest.warns(UserWarning, match="some is not cached"):
        pool = cached("some", "1", make)
    assert same(pool, make())


def test_a_file_where_the_cache_should_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("QUICKSTUDY_CACHE", str(tmp_path / "file" / "pools"))
    with pytest.warns(UserWarning, match="not cached"):
        assert len(cached("some", "1", Maker())) == 4


def test_a_full_disk_in_the_middle_leaves_nothing(fresh_cache: Path, monkeypatch: pytest.MonkeyPatch):
    def half(tensors: object, path: Path, about: object) -> None:
        path.write_bytes(b"half")
        raise cache.SafetensorError("No space left on device (os error 28)")

    monkeypatch.setattr(cache, "save_file", half)
    with pytest.warns(UserWarning, match="No space left"):
        cached("some", "1", Maker())
    assert list(fresh_cache.iterdir()) == []


def test_writing_into_a_loaded_pool_leaves_the_cache_alone(fresh_cache: Path):
    make = Maker()
    cached("some", "1", make)
    cached("some", "1", make).images.zero_()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(cached("some", "1", make), make())
