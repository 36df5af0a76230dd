"""What users have, arrays, tensors, files or folders, as the tensors that a learner reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from quickstudy.data.folder import class_files, litter
from quickstudy.data.reading import ink, prepared, read
from quickstudy.files import FileProblem

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class Looks:
    """How inputs of ``shape`` look to a learner: (channels, height, width) of pictures from 0 to 1, or (features,).

    Pictures of one channel have bright ink, whatever they had; with ``contrast`` their paper becomes 0 and the
    brightest ink 1. ``mean`` and ``spread`` (channels,) standardize what is left.
    """

    shape: tuple[int, ...]
    contrast: bool = False
    mean: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()

    @property
    def pictures(self) -> bool:
        return len(self.shape) == 3


def tensors(x: Any, looks: Looks) -> Tensor:
    """(n, *shape): float32 of pictures, float64 of vectors.

    Pictures are files (a path, a list of paths, a folder), PIL images, or arrays: (n, height, width), with channels
    first or last, uint8 or floats from 0 to 1, of any size. Raises ValueError or FileProblem for what cannot be read.
    """
    if not looks.pictures:
        if are_pictures(x):
            raise ValueError(f"this learner reads vectors of {looks.shape[0]} features, and these are pictures")
        return vectors(x, looks.shape[0])
    if not len(things := _each(x, looks)):
        raise ValueError("there is no picture to read; pass at least one")
    pictures = torch.stack([_picture(thing, looks.shape[-1]) for thing in things])  # (n, 3, size, size) uint8
    return seen(pictures, looks)


def seen(pictures: Tensor, looks: Looks) -> Tensor:
    """(n, *shape) as the learner sees uint8 pictures (n, 3, size, size)."""
    return finished((ink(pictures) if looks.shape[0] == 1 else pictures).float() / 255, looks)


def finished(pictures: Tensor, looks: Looks) -> Tensor:
    """The same of (n, *shape) numbers from 0 to 1, of any polarity."""
    if looks.shape[0] == 1:
        bright = _paper(pictures) > 127 / 255
        pictures = torch.where(bright, 1 - pictures, pictures)
    if looks.contrast:
        above = (pictures - _paper(pictures)).clamp_min(0)
        most = above.amax((1, 2, 3), keepdim=True)  # a blank picture is all paper
        pictures = above / torch.where(most > 0, most, torch.ones_like(most))
    if looks.mean:
        mean, spread = (torch.tensor(part)[:, None, None] for part in (looks.mean, looks.spread))
        pictures = (pictures - mean) / spread
    return pictures


def _paper(pictures: Tensor) -> Tensor:
    """(n, 1, 1, 1): the median of the border of (n, 1, h, w); by sorting, which every exporter knows."""
    edge = torch.cat([pictures[..., 0, :], pictures[..., -1, :], pictures[..., 0], pictures[..., -1]], -1).flatten(1)
    return edge.sort(1).values[:, (edge.shape[1] - 1) // 2, None, None, None]


def vectors(x: Any, features: int) -> Tensor:
    """(n, features) float64 of an array, a tensor or a sparse matrix."""
    from scipy import sparse

    dense = x.toarray() if sparse.issparse(x) else (x.detach().cpu() if isinstance(x, Tensor) else np.array(x))
    out = torch.as_tensor(dense, dtype=torch.float64)
    if out.dim() != 2 or out.shape[1] != features:
        raise ValueError(f"this learner reads vectors of {features} features, got an array of {tuple(out.shape)}")
    return out


def are_pictures(x: Any) -> bool:
    """Whether these are pictures: files, images, or arrays with more than two axes."""
    if isinstance(x, str | Path):
        return True
    if isinstance(x, np.ndarray | Tensor):
        return x.ndim > 2 or (x.ndim == 1 and len(x) > 0 and isinstance(x[0], str | Path))
    return isinstance(x, Sequence) and len(x) > 0 and (_is_picture(x[0]))


def is_folder(x: Any) -> bool:
    """Whether it is the path of a folder that is there."""
    return isinstance(x, str | Path) and Path(x).is_dir()


def taught_by(folder: Path | str) -> tuple[list[Path], list[str]]:
    """The files in a folder of class folders, and the class of each. Raises FileProblem where there are none."""
    classes = class_files(Path(folder))
    files = [file for members in classes.values() for file in members]
    return files, [name for name, members in classes.items() for _ in members]


def files_of(x: Any) -> list[Path]:
    """The files that a path, a folder of class folders, a folder of pictures, or a list of paths stands for."""
    if not isinstance(x, str | Path):
        return [Path(file) for file in x]
    path = Path(x)
    if not path.is_dir():
        return [path]
    return loose(path) or taught_by(path)[0]


def loose(folder: Path) -> list[Path]:
    """The files in a folder, by name; beside other folders the pictures alone, since notes lie beside class folders."""
    inside = sorted(entry for entry in folder.iterdir() if not litter(entry))
    files = [entry for entry in inside if entry.is_file()]
    return files if len(files) == len(inside) else [file for file in files if file.suffix.lower() in PICTURES]


def size_of(x: Any) -> tuple[int, int] | None:
    """(channels, side) of pictures in an array; None of files and images."""
    if not isinstance(x, np.ndarray | Tensor) or x.ndim < 3:
        return None
    first = _pixels(x[0])
    return (1 if first.ndim == 2 else 3), max(first.shape[:2])


def _each(x: Any, looks: Looks) -> Sequence[Any]:
    if isinstance(x, str | Path):
        return files_of(x)
    if isinstance(x, np.ndarray | Tensor) and x.ndim == 2 and x.shape[1] == np.prod(looks.shape):
        return list(x.reshape(len(x), *looks.shape))  # flattened pictures of this very shape
    if isinstance(x, np.ndarray | Tensor) and x.ndim not in (1, 3, 4):
        raise ValueError(
            f"pictures are arrays of (n, height, width) or (n, height, width, channels), got {tuple(x.shape)}; a table "
            f"of numbers needs learner='prototypes', a learner of pictures reads {looks.shape}"
        )
    return list(x)


def _picture(thing: Any, size: int) -> Tensor:
    """(3, size, size) uint8."""
    from PIL import Image

    if isinstance(thing, str | Path):
        return read(_found(Path(thing)), size)
    if isinstance(thing, Image.Image):
        return prepared(thing, size)
    return prepared(Image.fromarray(_pixels(thing)), size)


def _found(path: Path) -> Path:
    if path.is_dir():
        raise FileProblem(f"{path} is a folder, expected a picture; name the pictures in it")
    if not path.exists():
        raise FileProblem(f"{path} does not exist; name a picture that is there")
    return path


def _pixels(array: Any) -> np.ndarray:
    """(height, width) or (height, width, 3) uint8 of one picture, channels first or last."""
    pixels = array.detach().cpu().numpy() if isinstance(array, Tensor) else np.asarray(array)
    if pixels.ndim == 3 and pixels.shape[0] in (1, 3) and pixels.shape[-1] not in (1, 3):
        pixels = pixels.transpose(1, 2, 0)
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[-1] not in (3, 4)):
        raise ValueError(f"a picture is (height, width), with 1, 3 or 4 channels or without, got {pixels.shape}")
    return np.ascontiguousarray(_bytes(pixels))


def _bytes(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == bool:
        return pixels.astype(np.uint8) * 255
    if not np.isfinite(pixels).all() or pixels.min() < 0 or pixels.max() > (1 if pixels.dtype.kind == "f" else 255):
        raise ValueError(
            f"pixels are integers from 0 to 255 or floats from 0 to 1, got {pixels.dtype} from {pixels.min():g} to "
            f"{pixels.max():g}; scale them, or convert to uint8"
        )
    return (np.rint(pixels * 255) if pixels.dtype.kind == "f" else pixels).astype(np.uint8)


def _is_picture(thing: Any) -> bool:
    from PIL import Image

    return isinstance(thing, str | Path | Image.Image) or (isinstance(thing, np.ndarray | Tensor) and thing.ndim > 1)
