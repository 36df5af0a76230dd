"""Omniglot: complete, split without overlap, and refused where an archive is not what it should be."""

import sys
import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from quickstudy.data import Splits, omniglot
from quickstudy.files import FileProblem

module = sys.modules["quickstudy.data.omniglot"]  # the package's name of it is the function's
BOTH = ("images_background", "images_evaluation")


def test_every_character_is_there(characters: Splits):
    assert [len(part) for part in characters[:3]] == [1100, 100, 423]
    assert all((part.sizes == 20).all() and part.shape == (1, 28, 28) for part in characters[:3])
    assert len({name for part in characters[:3] for name in part.names}) == 1623
    assert len({name.partition("/")[0] for part in characters[:3] for name in part.names}) == 50


def test_ink_is_bright_and_sparse(characters: Splits):
    assert 0.03 < characters.train.images.float().mean() / 255 < 0.15
    assert (characters.train.images.amax((1, 2, 3)) > 128).all()


def test_parts_share_no_character_however_turned(characters: Splits):
    turned = omniglot()
    assert [len(part) for part in turned[:3]] == [4400, 400, 1692]
    parts = [{name.partition("@")[0] for name in part.names} for part in turned[:3]]
    assert parts == [set(part.names) for part in characters[:3]]
    assert len(set.union(*parts)) == sum(map(len, parts))
    assert torch.equal(turned.valid.images, characters.valid.rotated().images)


def test_lake_splits_by_alphabet(characters: Splits):
    lake = omniglot(split="lake", rotations=False)
    parts = [{name.partition("/")[0] for name in part.names} for part in lake[:3]]
    assert [len(part) for part in parts] == [25, 5, 20]
    assert len(set.union(*parts)) == 50
    assert len(lake.train) + len(lake.valid) == 964
    assert len(lake.test) == 659
    assert lake.sha256 != characters.sha256


def test_loading_again_gives_the_same(characters: Splits):
    again = omniglot(rotations=False)
    assert again.sha256 == characters.sha256
    assert torch.equal(again.test.images, characters.test.images)


def test_the_originals_are_kept_at_their_own_size(original, monkeypatch: pytest.MonkeyPatch):
    """A picture read without the library, upside down in brightness."""
    path = original("omniglot", "Omniglot") / "images_background.zip"
    members = [f"images_background/Greek/character01/0394_{drawer:02}.png" for drawer in (1, 2)]
    with zipfile.ZipFile(path) as archive:
        monkeypatch.setattr(module, "zip_members", lambda *_: ((name, archive.read(name)) for name in members))
        found = module._characters(path, 105)
        with archive.open(members[0]) as file:
            ink = torch.tensor(list(Image.open(file).convert("1").tobytes("raw", "1;I")))
    drawing = found["Greek/character01"][0]
    assert drawing.shape == (1, 105, 105)
    assert set(drawing.unique().tolist()) == {0, 255}
    assert int((drawing == 255).sum()) == sum(int(byte).bit_count() for byte in ink) - _padding(ink)


def _padding(ink: torch.Tensor) -> int:
    """Bits that fill up the last byte of each row of 105."""
    return sum((int(row[-1]) & 0b01111111).bit_count() for row in ink.reshape(105, 14))


def test_an_unknown_split_says_which_there_are():
    with pytest.raises(ValueError, match='"random" or "lake", got \'vinyals\''):
        omniglot(split="vinyals")


def test_size_must_be_a_size():
    with pytest.raises(ValueError, match="got 0"):
        omniglot(0)


def small(path: Path, top: str, characters: int = 1) -> None:
    """An archive of a few characters."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = path.with_suffix(".png")
    Image.new("1", (105, 105), 1).save(picture)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(characters):
            archive.write(picture, f"{top}/Greek/character{number:02}/0001_01.png")


def test_incomplete_archives_are_named_with_what_they_lack(tmp_path: Path, fresh_cache: Path):
    for name in BOTH:
        small(tmp_path / "omniglot" / f"{name}.zip", name)
    with pytest.raises(
        FileProblem, match=r"images_background.zip holds 1 alphabets and 1 characters .* expected 30, 964"
    ):
        omniglot(root=tmp_path)
    assert not fresh_cache.exists()


def test_exchanged_archives_are_named(tmp_path: Path, fresh_cache: Path):
    for name, other in zip(BOTH, BOTH[::-1], strict=True):
        small(tmp_path / "omniglot" / f"{name}.zip", other)
    with pytest.raises(FileProblem, match=r"images_background.zip holds images_evaluation/.*exchanged"):
        omniglot(root=tmp_path)


def test_a_truncated_archive_is_named(original, tmp_path: Path, fresh_cache: Path):
    source = original("omniglot", "Omniglot")
    target = tmp_path / "omniglot"
    target.mkdir()
    for name in BOTH:
        (target / f"{name}.zip").write_bytes((source / f"{name}.zip").read_bytes()[: 1 << 20])
    with pytest.raises(FileProblem, match=r"images_background.zip is damaged"):
        omniglot(root=tmp_path)


def test_missing_archives_say_what_is_wanted_and_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network here")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(FileProblem, match="no network here") as info:
        omniglot(root=tmp_path)
    for said in (str(tmp_path / "omniglot"), "images_evaluation.zip  from https://raw.github", "QUICKSTUDY_DATA"):
        assert said in str(info.value)
    assert list((tmp_path / "omniglot").iterdir()) == []
