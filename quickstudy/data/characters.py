"""Text as a sequence of characters: the plays that character models are usually tried on (Karpathy, 2015)."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from quickstudy.data.originals import Remote, data_root, fetch
from quickstudy.files import FileProblem

NAME, LENGTH = "tinyshakespeare.txt.gz", 1_115_394
TRAIN = 0.9  # of the text; the rest examines


class Characters(NamedTuple):
    """Codes of characters, and what they stand for."""

    train: Tensor  # (n,) int64, below len(alphabet)
    test: Tensor
    alphabet: str


def shakespeare(root: Path | None = None) -> Characters:
    """A million characters of Shakespeare's plays. Raises FileProblem for a missing or damaged file."""
    (path,) = fetch([Remote(NAME)], (root or data_root()) / "text")
    try:
        text = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise FileProblem(f"{path} is damaged ({error}); get it again") from error
    if len(text) != LENGTH:
        raise FileProblem(f"{path} holds {len(text):,} characters, expected {LENGTH:,}; get it again")
    letters, codes = np.unique(np.frombuffer(text, np.uint8), return_inverse=True)
    cut = int(TRAIN * len(codes))
    whole = torch.from_numpy(codes.astype(np.int64))
    return Characters(whole[:cut], whole[cut:], bytes(letters).decode("ascii"))
