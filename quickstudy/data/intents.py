"""Sentences and what their speakers want: BANKING77 (Casanueva et al., 2020) and CLINC150 (Larson et al., 2019)."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from quickstudy.data.originals import Remote, data_root, fetch
from quickstudy.files import FileProblem

FOLDER = "text"


class Sentences(NamedTuple):
    """Texts and their intents."""

    texts: list[str]
    intents: list[str]


class Intents(NamedTuple):
    """A data set of intents: 77 or 150 of them in both parts; ``outside`` has texts that mean none of them."""

    train: Sentences
    test: Sentences
    outside: list[str]


def banking77(root: Path | None = None) -> Intents:
    """10,003 and 3,080 questions to a bank, 77 intents. Raises FileProblem for a missing or damaged archive."""
    path = _found("banking77.tar.gz", root)
    try:
        with tarfile.open(path) as archive:
            train, test = (_rows(archive, f"banking77/{part}.csv") for part in ("train", "test"))
    except (OSError, tarfile.TarError, KeyError, EOFError) as error:
        raise FileProblem(f"{path} is damaged ({error}); get it again") from error
    return _counted(path, Intents(train, test, []), (10_003, 3_080, 0))


def clinc150(root: Path | None = None) -> Intents:
    """15,000 and 4,500 requests to an assistant, 150 intents, and 1,000 that are none of them.

    Raises FileProblem for a missing or damaged file.
    """
    path = _found("clinc150_data_full.json.gz", root)
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            parts = json.load(file)
        train, test = (Sentences(*map(list, zip(*parts[part], strict=True))) for part in ("train", "test"))
        found = Intents(train, test, [text for text, _ in parts["oos_test"]])
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise FileProblem(f"{path} is damaged ({error}); get it again") from error
    return _counted(path, found, (15_000, 4_500, 1_000))


INTENTS: dict[str, Callable[[], Intents]] = {"BANKING77": banking77, "CLINC150": clinc150}


def _found(name: str, root: Path | None) -> Path:
    return fetch([Remote(name)], (root or data_root()) / FOLDER)[0]


def _rows(archive: tarfile.TarFile, member: str) -> Sentences:
    file = archive.extractfile(member)
    if file is None:
        raise KeyError(member)
    rows = list(csv.DictReader(io.TextIOWrapper(file, encoding="utf-8", newline="")))
    return Sentences([row["text"] for row in rows], [row["category"] for row in rows])


def _counted(path: Path, found: Intents, expected: tuple[int, int, int]) -> Intents:
    got = len(found.train.texts), len(found.test.texts), len(found.outside)
    if got != expected:
        raise FileProblem(f"{path} holds {got} texts (train, test, outside), expected {expected}; get it again")
    return found
