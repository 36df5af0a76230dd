"""Named arrays in .npz files, read without pickle."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from quickstudy.files import FileProblem


def names(path: Path) -> list[str]:
    """The names of the arrays in a file, without reading them. Raises FileProblem likewise."""
    with _opened(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def read(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a file by their names. Raises FileProblem, naming it, where it is missing, damaged or pickled."""
    with _opened(path) as archive:
        return {name: _array(archive, f"{name}.npy") for name in names(path)}


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    if not path.is_file():
        raise FileProblem(f"{path} does not exist; name an .npz file that is there")
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError, NotImplementedError) as error:
        raise FileProblem(
            f"{path} is no .npz file of plain arrays ({error}); write it with numpy.savez, texts as texts"
        ) from error


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(name) as file:
        return np.lib.format.read_array(file, allow_pickle=False)
