"""Letters of real scripts, and which of the typefaces that ship inside Matplotlib draw them."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from quickstudy.files import FileProblem

FACES = (  # bold last: its thinned strokes are the least like a pen's
    "DejaVuSans",
    "DejaVuSansMono",
    "DejaVuSerif",
    "DejaVuSans-Oblique",
    "DejaVuSerif-Italic",
    "STIXGeneralItalic",
    "DejaVuSans-Bold",
)
FACES_EACH = 3  # faces of one letter: the first that have it


@dataclass(frozen=True)
class Script:
    """A script and its blocks in Unicode: first and last code points."""

    name: str
    blocks: tuple[tuple[int, int], ...]

    @property
    def letters(self) -> tuple[str, ...]:
        """Its letters that are not composed of others or forms of others."""
        letters = (chr(code) for first, last in self.blocks for code in range(first, last + 1))
        return tuple(letter for letter in letters if _plain(letter))


TRAIN = (
    Script("Latin", ((0x41, 0x7A), (0xC0, 0x2AF))),
    Script("Greek", ((0x370, 0x3E1), (0x3F0, 0x3FF))),
    Script("Cyrillic", ((0x400, 0x52F),)),
    Script("Arabic", ((0x620, 0x6D5),)),
    Script("Canadian", ((0x1401, 0x1676),)),
    Script("Lisu", ((0xA4D0, 0xA4F7),)),
    Script("Ogham", ((0x1681, 0x169A),)),
    Script("Coptic", ((0x3E2, 0x3EF),)),
)
VALID = (
    Script("Armenian", ((0x531, 0x587),)),
    Script("Lao", ((0xE81, 0xEB0),)),
)
TEST = (
    Script("Georgian", ((0x10A0, 0x10FA),)),
    Script("Hebrew", ((0x5D0, 0x5EA),)),
    Script("NKo", ((0x7CA, 0x7EA),)),
    Script("Tifinagh", ((0x2D30, 0x2D67),)),
    Script("Old_Italic", ((0x10300, 0x1032F),)),
)


def faces_of(letter: str) -> list[Path]:
    """The font files that have a drawing of the letter, at most FACES_EACH. Raises FileProblem without the fonts."""
    return [path for path, has in _coverage() if ord(letter) in has][:FACES_EACH]


def _plain(letter: str) -> bool:
    return unicodedata.category(letter) in ("Lu", "Ll", "Lo") and not unicodedata.decomposition(letter)


@lru_cache(maxsize=1)
def _coverage() -> list[tuple[Path, frozenset[int]]]:
    """(file, code points that it maps to a glyph other than the box for missing ones) of every face."""
    import matplotlib
    from fontTools.ttLib import TTFont, TTLibError

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    found = []
    for face in FACES:
        try:
            with TTFont(folder / f"{face}.ttf", lazy=True) as font:
                glyphs = font.getBestCmap()
        except (OSError, TTLibError) as error:
            raise FileProblem(f"the glyphs need the font {face}.ttf in {folder}; reinstall Matplotlib") from error
        found.append((folder / f"{face}.ttf", frozenset(code for code, name in glyphs.items() if name != ".notdef")))
    return found
