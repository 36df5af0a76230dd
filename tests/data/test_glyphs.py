"""Glyphs: real letters, clearly different, drawn differently each time and the same on every run."""

import random
import sys
import time
import unicodedata

import numpy as np
import pytest
import torch

from quickstudy.data import Splits, glyphs
from quickstudy.data.handwriting import chances, drawn
from quickstudy.data.scripts import TEST, TRAIN, VALID, faces_of
from quickstudy.data.strokes import SIDE, differences, distances, printed, thinned

module = sys.modules["quickstudy.data.glyphs"]  # the package's name of it is the function's


def test_hundreds_of_classes_with_twenty_drawings(scripts: Splits):
    assert [len(part) >= least for part, least in zip(scripts[:3], (500, 50, 100), strict=True)] == [True] * 3
    assert all((part.sizes == 20).all() and part.shape == (1, 28, 28) for part in scripts[:3])


def test_parts_are_different_scripts(scripts: Splits):
    parts = [{name.partition("/")[0] for name in part.names} for part in scripts[:3]]
    assert parts == [{script.name for script in group} for group in (TRAIN, VALID, TEST)]
    assert len(set.union(*parts)) == sum(map(len, parts))


def test_names_are_letters_of_their_script(scripts: Splits):
    for name in (name for part in scripts[:3] for name in part.names):
        script, _, code = name.partition("/U+")
        official = unicodedata.name(chr(int(code, 16)))
        assert name.isascii()
        assert script.replace("_", " ").upper() in official, (name, official)


def test_all_drawings_of_all_classes_differ(scripts: Splits):
    drawings = [image.numpy().tobytes() for part in scripts[:3] for image in part.images]
    assert len(set(drawings)) == len(drawings)


def test_no_drawing_is_blank_or_a_blot(scripts: Splits):
    for part in scripts[:3]:
        ink = part.images.float().mean((1, 2, 3)) / 255
        assert ink.min() > 0.01
        assert ink.max() < 0.4


def test_drawings_depend_on_no_order():
    letters = ["Ω", "ב", "ж"]
    fields = {letter: _field(letter) for letter in letters}

    def draw(order: list[str]) -> dict[str, torch.Tensor]:
        chance = torch.cat([chances(letter, 3) for letter in order])
        lines = torch.stack([fields[letter] for letter in order for _ in range(3)])
        return dict(zip(order, drawn(lines, chance, 28).split(3), strict=True))

    together, reverse = draw(letters), draw(letters[::-1])
    for letter in letters:
        assert torch.equal(together[letter], reverse[letter])
        assert torch.equal(together[letter], draw([letter])[letter])


def _field(letter: str) -> torch.Tensor:
    mask = printed(letter, faces_of(letter)[0])
    assert mask is not None
    return distances(thinned(mask[None]))[0]


def test_drawing_again_gives_the_same_within_twenty_seconds(scripts: Splits, fresh_cache):
    begin = time.process_time()
    again = glyphs()
    assert time.process_time() - begin < 20
    assert again.sha256 == scripts.sha256
    assert all(torch.equal(one.images, other.images) for one, other in zip(again[:3], scripts[:3], strict=True))


def test_every_letter_is_in_its_faces():
    """No face draws its box for missing letters, and nothing is blank."""
    chosen = random.Random(0).sample([letter for script in (*TRAIN, *VALID, *TEST) for letter in script.letters], 100)
    for letter in chosen:
        for path in faces_of(letter):
            mask, box = printed(letter, path), printed("\U000e0fff", path)
            assert mask is not None
            assert box is None or not np.array_equal(mask, box), (letter, path)


def test_look_alikes_of_other_scripts_are_one_class(scripts: Splits):
    names = {name for part in scripts[:3] for name in part.names}
    assert "Latin/U+0041" in names
    assert not {"Greek/U+0391", "Cyrillic/U+0410", "Lisu/U+A4EE"} & names  # Alpha, A, A
    assert {"Cyrillic/U+0416", "Georgian/U+10E5", "Hebrew/U+05D0", "Tifinagh/U+2D63"} <= names


def test_differences_are_symmetric_and_none_of_itself():
    differ = differences(torch.stack([_field(letter) for letter in "AΑБʘחג"]))
    assert torch.equal(differ, differ.T)
    assert (differ.diagonal() == 0).all()
    assert differ[0, 1] == 0
    assert ((differ < module.ALIKE).sum(), differ.max() <= 1) == (8, True)


def test_lines_are_thin_connected_and_inside():
    mask = np.zeros((1, SIDE, SIDE), np.uint8)
    mask[0, 10:70, 30:42] = 1
    line = thinned(mask)[0]
    assert not (line & ~mask[0]).any()
    assert line.sum(1).max() <= 2
    assert 40 < line.sum() < 70


def test_other_sizes_show_the_same_drawings():
    field = _field("Ж")[None].expand(4, -1, -1)
    small, large = (drawn(field, chances("Ж", 4), size).float() for size in (28, 84))
    reduced = torch.nn.functional.avg_pool2d(large, 3)
    assert (small - reduced).abs().mean() < 8


def test_fonts_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path):
    import quickstudy.data.scripts as found

    found._coverage.cache_clear()
    monkeypatch.setattr("matplotlib.get_data_path", lambda: str(tmp_path))
    with pytest.raises(found.FileProblem, match=r"DejaVuSans\.ttf.*reinstall"):
        faces_of("A")
