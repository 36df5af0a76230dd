"""Folders of anybody's pictures: whatever mode, size and litter, and errors that name the file."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from quickstudy.data import folder, folder_pool
from quickstudy.files import FileProblem

SHAPES = ((30, 30), (41, 17), (1, 1), (1, 60), (200, 3))


def one(tmp_path: Path, picture: Image.Image, name: str = "a.png", **options: object) -> torch.Tensor:
    """(channels, 16, 16) the picture as a pool of it alone has it."""
    (tmp_path / "set" / "c").mkdir(parents=True, exist_ok=True)
    picture.save(tmp_path / "set" / "c" / name, **options)
    pool = folder_pool(tmp_path / "set", 16)
    (tmp_path / "set" / "c" / name).unlink()
    assert len(pool.images) == 1
    return pool.images[0]


def test_classes_are_folders_and_split_without_overlap(album: Path):
    pool, splits = folder_pool(album), folder(album)
    assert pool.names == tuple(f"class{number}" for number in range(5))
    assert pool.sizes.tolist() == [2, 3, 4, 5, 6]
    assert [len(part) for part in splits[:3]] == [3, 1, 1]
    assert {name for part in splits[:3] for name in part.names} == set(pool.names)
    assert splits.sha256 == folder(str(album)).sha256


def test_ink_is_bright_whatever_the_paper(album: Path):
    pool = folder_pool(album, 40)
    assert (pool.images[:, 0, 0] < 10).all()
    assert (pool.images.amax((1, 2, 3)) > 200).all()
    for path in album.rglob("*.png"):
        Image.eval(Image.open(path), lambda value: 255 - value).save(path)
    assert torch.equal(folder_pool(album, 40).images, pool.images)


def test_proportions_are_kept(tmp_path: Path):
    paper = Image.new("L", (20, 60), 0)
    paper.paste(255, (8, 10, 12, 50))
    ink = one(tmp_path, paper)[0].float()
    columns, rows = (ink > 60).any(0).sum(), (ink > 60).any(1).sum()
    assert rows > 4 * columns
    assert (ink[:, 0] == 0).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F", "YCbCr", "PA"])
def test_every_mode_and_shape_is_read_alike(tmp_path: Path, mode: str, shape: tuple[int, int]):
    """Half black, half white, in every mode: the same picture."""
    grey = np.zeros(shape[::-1], np.uint8)
    grey[: shape[1] // 2] = 255
    reference = one(tmp_path, Image.fromarray(grey).convert("RGB"))
    if mode == "I;16":
        picture = Image.fromarray(grey.astype(np.uint16) * 257)
    elif mode == "F":
        picture = Image.fromarray(grey.astype(np.float32) / 255)
    else:
        picture = Image.fromarray(grey).convert("RGB" if mode in ("CMYK", "YCbCr") else "L").convert(mode)
    found = one(tmp_path, picture, "a.png" if mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16") else "a.tif")
    assert found.shape == reference.shape == (1, 16, 16)
    assert (found.int() - reference.int()).abs().max() <= 2


def test_transparency_is_white_paper(tmp_path: Path):
    picture = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    picture.paste((0, 0, 0, 255), (8, 8, 12, 12))
    assert torch.equal(one(tmp_path, picture), one(tmp_path, _square("L", 255, 0)))
    palette = Image.new("P", (20, 20), 0)
    palette.putpalette([9, 9, 9, 0, 0, 0])
    palette.paste(1, (8, 8, 12, 12))
    assert torch.equal(one(tmp_path, palette, transparency=0), one(tmp_path, _square("L", 255, 0)))


def _square(mode: str, paper: object, ink: object) -> Image.Image:
    picture = Image.new(mode, (20, 20), paper)
    picture.paste(ink, (8, 8, 12, 12))
    return picture


def test_turned_photographs_are_set_upright(tmp_path: Path):
    picture = Image.new("RGB", (32, 16), "red")
    picture.paste("blue", (0, 0, 16, 16))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    found = one(tmp_path, picture, exif=exif)
    assert torch.equal(found, one(tmp_path, picture.transpose(Image.Transpose.ROTATE_270)))
    assert not torch.equal(found, one(tmp_path, picture))


def test_colour_is_kept_unless_grey_is_asked_for(album: Path):
    assert folder_pool(album).shape == (1, 28, 28)
    _square("RGB", "white", "red").save(album / "class0" / "red.bmp")
    assert folder_pool(album).shape == (3, 28, 28)
    assert folder_pool(album, grey=True).shape == (1, 28, 28)
    assert folder_pool(album, grey=False).images.amin() < 60


def test_litter_is_passed_over(album: Path):
    before = folder_pool(album).images
    for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        (album / "class1" / name).write_bytes(b"litter")
    (album / "class1" / "more").mkdir()
    (album / "class1" / "more" / "a.txt").write_text("not searched")
    (album / "README.txt").write_text("beside the classes")
    (album / ".git").mkdir()
    (album / "__MACOSX").mkdir()
    assert torch.equal(folder_pool(album).images, before)


def test_a_file_that_is_no_picture_is_named(album: Path):
    (album / "class2" / "notes.txt").write_text("no picture")
    with pytest.raises(FileProblem, match=r"class2.notes\.txt is no picture"):
        folder_pool(album)


def test_postscript_is_not_run(album: Path):
    (album / "class2" / "a.png").write_text(
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    )
    with pytest.raises(FileProblem, match=r"class2.a\.png is no picture.*PostScript"):
        folder_pool(album)


def test_classes_without_pictures_and_folders_without_classes(album: Path, tmp_path: Path):
    (album / "empty" / "deeper").mkdir(parents=True)
    with pytest.raises(FileProblem, match=r"empty holds no pictures"):
        folder_pool(album)
    (tmp_path / "bare").mkdir()
    with pytest.raises(FileProblem, match=r"bare holds no folders"):
        folder_pool(tmp_path / "bare")


def test_two_classes_make_a_pool_but_no_split(album: Path):
    for path in (path for number in (0, 1, 2) for path in (album / f"class{number}").iterdir()):
        path.unlink()
    for number in (0, 1, 2):
        (album / f"class{number}").rmdir()
    assert len(folder_pool(album)) == 2
    with pytest.raises(FileProblem, match=r"has 2 class folders, expected at least 3.*folder_pool"):
        folder(album)


def test_links_out_of_the_folder_are_refused(album: Path, tmp_path: Path):
    _square("L", 255, 0).save(tmp_path / "secret.png")
    os.symlink(album / "class1" / "0.png", album / "class0" / "inside.png")  # noqa: PTH211
    assert folder_pool(album).sizes[0] == 3
    os.symlink(tmp_path / "secret.png", album / "class0" / "link.png")  # noqa: PTH211
    with pytest.raises(FileProblem, match=r"link\.png is a link that leads out"):
        folder_pool(album)


def test_names_may_be_of_any_script(tmp_path: Path):
    for name in ("ქართული", "weiß & schwarz", "a.b", "-rf"):
        (tmp_path / "set" / name).mkdir(parents=True)
        _square("L", 255, 0).save(tmp_path / "set" / name / "ß ø.png")
    assert set(folder_pool(tmp_path / "set").names) == {"ქართული", "weiß & schwarz", "a.b", "-rf"}


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "tiff", "bmp", "webp"])
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_damaged_pictures_are_read_or_named(tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject):
    """Cut off or changed anywhere: never another error than the one that names the file."""
    file = io.BytesIO()
    _square("RGB", "white", "green").save(file, kind)
    content = bytearray(file.getvalue())[: data.draw(st.integers(0, len(file.getvalue())))]
    for at in data.draw(st.lists(st.integers(0, max(0, len(content) - 1)), max_size=3)):
        content[at : at + 1] = bytes([data.draw(st.integers(0, 255))])
    root = tmp_path_factory.mktemp("damaged")
    (root / "c").mkdir()
    (root / "c" / "a").write_bytes(content)
    said = ""
    try:
        assert folder_pool(root, 8).images.shape[2:] == (8, 8)
    except FileProblem as problem:
        said = str(problem)
    assert not said or str(root / "c" / "a") in said
