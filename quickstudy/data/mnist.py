"""MNIST (LeCun et al. 1998) and Fashion-MNIST (Xiao et al. 2017): the same ten classes in every part."""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from quickstudy.data.cache import cached, identity
from quickstudy.data.originals import Remote, data_root, fetch
from quickstudy.data.pictures import check_size, resized, tensor
from quickstudy.data.pool import Pool, Splits, build
from quickstudy.files import FileProblem

DIGITS = tuple(str(digit) for digit in range(10))
CLOTHES = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle_boot")
VALID = 5000  # the last pictures of the training set
VERSION = 1  # of the decoding: raised when it gives other pixels
FILES = {  # name: MD5 of the official packed file, and of what it unpacks to
    "mnist": {
        "train-images-idx3-ubyte.gz": ("f68b3c2dcbeaaa9fbdd348bbdeb94873", "6bbc9ace898e44ae57da46a324031adb"),
        "train-labels-idx1-ubyte.gz": ("d53e105ee54ea40749a09fcbcd1e9432", "a25bea736e30d166cdddb491f175f624"),
        "t10k-images-idx3-ubyte.gz": ("9fb629c4189551a2d022fa330f9573f3", "2646ac647ad5339dbf082846283269ea"),
        "t10k-labels-idx1-ubyte.gz": ("ec29112dd5afa0611ce80d1b7f02629c", "27ae3e4e09519cfbb04c329615203637"),
    },
    "fashion_mnist": {
        "train-images-idx3-ubyte.gz": ("8d4fb7e6c68d591d4c3dfef9ec88bf0d", "f4a8712d7a061bf5bd6d2ca38dc4d50a"),
        "train-labels-idx1-ubyte.gz": ("25c81989df183df01b3e8a0aad5dffbe", "9018921c3c673c538a1fc5bad174d6f9"),
        "t10k-images-idx3-ubyte.gz": ("bef4ecab320f06d8554ea6380940ec79", "8181f5470baa50b63fa0f6fddb340f0a"),
        "t10k-labels-idx1-ubyte.gz": ("bb300cfdad3c16e7a12a480ee83cd310", "15d484375f8d13e6eb1aabb0c3f46965"),
    },
}


def mnist(size: int = 28, *, root: Path | None = None) -> Splits:
    """Handwritten digits as (55000, 5000 and 10000, 1, size, size): the same classes, other pictures in each part.

    Raises FileProblem for missing or damaged files.
    """
    return _splits("mnist", "https://ossci-datasets.s3.amazonaws.com/mnist", DIGITS, size, root)


def fashion_mnist(size: int = 28, *, root: Path | None = None) -> Splits:
    """Ten kinds of clothes, in the numbers and parts of MNIST. Raises FileProblem for missing or damaged files."""
    source = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
    return _splits("fashion_mnist", source, CLOTHES, size, root)


def _splits(name: str, source: str, classes: tuple[str, ...], size: int, root: Path | None) -> Splits:
    check_size(size)
    files = [Remote(file, f"{source}/{file}", (f"md5:{md5}",)) for file, (md5, _) in FILES[name].items()]
    paths = fetch(files, (root or data_root()) / name)
    origin = f"{VERSION} {identity(paths)}"
    learn, test = paths[:2], paths[2:]

    def part(title: str, pair: list[Path], rows: slice) -> Pool:
        return cached(f"{name}-{size}-{title}", origin, lambda: _decode(name, pair, rows, classes, size))

    train, valid = part("train", learn, slice(None, -VALID)), part("valid", learn, slice(-VALID, None))
    return Splits(train, valid, part("test", test, slice(None)), "pictures")


def _decode(name: str, pair: list[Path], rows: slice, classes: tuple[str, ...], size: int) -> Pool:
    """The pictures of these rows by class, in the original order inside a class."""
    images, labels = (_read(path, FILES[name][path.name][1])[rows] for path in pair)
    if size != images.shape[-1]:
        images = torch.stack([tensor(resized(Image.fromarray(image.numpy()), size))[0] for image in images])
    return build({title: images[labels == number][:, None] for number, title in enumerate(classes)})


def _read(path: Path, md5: str) -> Tensor:
    """The array of an idx file (http://yann.lecun.com/exdb/mnist): two zeros, type, rank, lengths, bytes."""
    try:
        data = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise FileProblem(f"{path} is damaged ({error}); delete it, and it is downloaded again") from error
    got = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if got != md5:
        raise FileProblem(
            f"{path} unpacks to {len(data):,} bytes of MD5 {got}, expected {md5}; it is another file or another data "
            "set's: delete it, and it is downloaded again"
        )
    rank = data[3]
    shape = struct.unpack(f">{rank}I", data[4 : 4 + 4 * rank])
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape).copy())
