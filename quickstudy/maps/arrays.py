"""Named arrays in .npz files, read without pickle."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from quickstudy.files import FileProblem


def read(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a file by their names. Raises FileProblem, naming it, where it is missing, damaged or pickled."""
    if not path.is_file():
        raise FileProblem(f"{path} does not exist; name an .npz file that is there")
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".npy")]
            return {name.removesuffix(".npy"): _array(archive, name) for name in names}
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError, NotImplementedError) as error:
        raise FileProblem(
            f"{path} is no .npz file of plain arrays ({error}); write it with numpy.savez, texts as texts"
        ) from error


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(name) as file:
        return np.lib.format.read_array(file, allow_pickle=False)
