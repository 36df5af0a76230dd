"""Archives that climb, lie, or break off."""

import io
import random
import tarfile
import zipfile
from pathlib import Path

import pytest

from quickstudy.data import archives
from quickstudy.data.archives import tar_members, zip_members
from quickstudy.files import FileProblem

CLIMBING = ("../evil.png", "a/../../evil.png", "/etc/evil.png", "C:evil.png", "..\\evil.png", "\\\\host\\evil.png")


def zipped(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), b"picture" * 100)
    return path


def tarred(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:xz") as archive:
        for member in members:
            member.size = 7 if member.isfile() else 0
            archive.addfile(member, io.BytesIO(b"picture"))
    return path


def test_members_come_in_order_with_their_bytes(tmp_path: Path):
    path = zipped(tmp_path / "a.zip", "b/2.png", "b/1.png", "note.txt")
    assert list(zip_members(path, ".png")) == [("b/2.png", b"picture" * 100), ("b/1.png", b"picture" * 100)]
    path = tarred(tmp_path / "a.tar.xz", tarfile.TarInfo("b/2.jpg"), tarfile.TarInfo("note.txt"))
    assert list(tar_members(path, ".jpg")) == [("b/2.jpg", b"picture")]


@pytest.mark.parametrize("name", CLIMBING)
def test_a_name_that_climbs_out_is_refused(tmp_path: Path, name: str):
    with pytest.raises(FileProblem, match=r"evil\.png.*climbs out"):
        list(zip_members(zipped(tmp_path / "a.zip", "fine.png", name), ".png"))
    with pytest.raises(FileProblem, match=r"evil\.png.*climbs out"):
        list(tar_members(tarred(tmp_path / "a.tar.xz", tarfile.TarInfo(name)), ".png"))


def test_links_are_passed_over(tmp_path: Path):
    link = tarfile.TarInfo("passwd.jpg")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    assert list(tar_members(tarred(tmp_path / "a.tar.xz", link), ".jpg")) == []


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archives, "LARGEST", 100)
    with pytest.raises(FileProblem, match=r"of 700 bytes, expected a picture of at most 100"):
        list(zip_members(zipped(tmp_path / "a.zip", "a.png"), ".png"))


@pytest.mark.parametrize("kept", [0, 0.1, 0.5, 0.9])
def test_a_broken_off_archive_is_named(tmp_path: Path, kept: float):
    path = zipped(tmp_path / "a.zip", "a.png", "b.png")
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(FileProblem, match=r"a\.zip is damaged"):
        list(zip_members(path, ".png"))
    names = [random.Random(seed).randbytes(40).hex() for seed in range(500)]
    path = tarred(tmp_path / "a.tar.xz", *(tarfile.TarInfo(f"{name}.jpg") for name in names))
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(FileProblem, match=r"a\.tar\.xz is damaged"):
        list(tar_members(path, ".jpg"))


def test_changed_bytes_inside_are_noticed(tmp_path: Path):
    path = zipped(tmp_path / "a.zip", "a.png")
    data = bytearray(path.read_bytes())
    data[40] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(FileProblem, match="damaged"):
        list(zip_members(path, ".png"))


def test_changed_bytes_in_a_compressed_tar_are_noticed(tmp_path: Path):
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=0) as archive:
        info = tarfile.TarInfo("a.png")
        info.size = 5000
        archive.addfile(info, io.BytesIO(random.Random(0).randbytes(5000)))
    data = bytearray(path.read_bytes())
    data[3000] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(FileProblem, match=r"a\.tar\.gz is damaged"):
        list(tar_members(path, ".png"))
