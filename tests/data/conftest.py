"""Where the tests find real data, and caches that no test shares with the user."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from quickstudy.data import Splits, glyphs, omniglot
from quickstudy.data.cache import cache_root
from quickstudy.data.originals import data_root


def need(folder: str, title: str) -> Path:
    """The data set's folder; skips the test where there is none."""
    path = data_root() / folder
    if "QUICKSTUDY_DATA" not in os.environ or not path.is_dir():
        pytest.skip(f"{title} is not in QUICKSTUDY_DATA")
    return path


@pytest.fixture(scope="session")
def original() -> Callable[[str, str], Path]:
    return need


@pytest.fixture(scope="session")
def users_cache() -> Path:
    """The cache of the user who runs the tests: read only by the test of a data set too long to decode here."""
    return cache_root()


@pytest.fixture(scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory, users_cache: Path) -> Path:
    return tmp_path_factory.mktemp("pools")


@pytest.fixture(autouse=True)
def isolated(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUICKSTUDY_CACHE", str(own_cache))


@pytest.fixture
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUICKSTUDY_CACHE", str(tmp_path / "pools"))
    return tmp_path / "pools"


@pytest.fixture(scope="session")
def characters(own_cache: Path) -> Splits:
    """Omniglot's random split without rotations, decoded once for all tests."""
    need("omniglot", "Omniglot")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUICKSTUDY_CACHE", str(own_cache))
        return omniglot(rotations=False)


@pytest.fixture(scope="session")
def scripts(own_cache: Path) -> Splits:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUICKSTUDY_CACHE", str(own_cache))
        return glyphs()


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """A folder of five classes with 2 to 6 pictures of dark ink on light paper."""
    random = np.random.default_rng(0)
    for number in range(5):
        inner = tmp_path / "album" / f"class{number}"
        inner.mkdir(parents=True)
        for drawing in range(2 + number):
            pixels = np.full((40, 30), 250, np.uint8)
            pixels[10 : 12 + number, 5:25] = random.integers(0, 30)
            Image.fromarray(pixels).save(inner / f"{drawing}.png")
    return tmp_path / "album"
