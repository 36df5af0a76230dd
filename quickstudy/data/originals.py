"""The original files of a data set: found on disk, or downloaded once from their official source and verified."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from quickstudy.files import FileProblem

ATTEMPTS = 3  # a dropped connection is taken up again where it stopped
BLOCK = 1 << 18  # bytes


@dataclass(frozen=True)
class Remote:
    """A file, where it is officially had, and the digests that official bytes may have, such as ``"md5:6b91..."``."""

    name: str
    url: str | None = None  # None: nobody may offer it for download
    digests: tuple[str, ...] = ()


def data_root() -> Path:
    """The folder of the originals: ``$QUICKSTUDY_DATA``, or ``quickstudy/data`` in the user's cache folder."""
    named = os.environ.get("QUICKSTUDY_DATA")
    return Path(named).expanduser() if named else user_cache() / "quickstudy" / "data"


def user_cache() -> Path:
    """``$XDG_CACHE_HOME``, or ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def fetch(files: Sequence[Remote], folder: Path) -> list[Path]:
    """The paths of the files in ``folder``; what is missing is downloaded, verified and moved there whole.

    A file that is there already is taken as it is: its reader judges it by its contents.
    Raises FileProblem, naming all files that are wanted, where one cannot be had.
    """
    for file in files:
        if not (folder / file.name).is_file():
            _download(file, folder, files)
    return [folder / file.name for file in files]


def _download(file: Remote, folder: Path, wanted: Sequence[Remote]) -> None:
    if file.url is None:
        raise FileProblem(_wanted(f"{file.name} is missing and has no official download", folder, wanted))
    part = folder / f"{file.name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _receive(file.url, part)
        _verify(part, file)
        part.replace(folder / file.name)
    except (OSError, http.client.HTTPException) as error:  # urllib's errors are OSErrors
        raise FileProblem(_wanted(f"{file.name} could not be downloaded ({error})", folder, wanted)) from error


def _receive(url: str, part: Path) -> None:
    """Downloads to ``part``, going on where an earlier attempt stopped."""
    for attempt in range(ATTEMPTS):
        try:
            return _append(url, part)
        except urllib.error.HTTPError as error:
            if error.code != 416 or attempt:  # 416: what is there cannot be gone on from
                raise
            part.unlink()
        except (ConnectionResetError, http.client.IncompleteRead, TimeoutError):
            if attempt == ATTEMPTS - 1:
                raise


def _append(url: str, part: Path) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=60) as answer:
        have = have if answer.status == 206 else 0  # 200: the server sends the whole file again
        total = have + int(answer.headers.get("Content-Length") or 0)
        with part.open("ab" if have else "wb") as file:
            received = have + _copy(answer, file, part.stem, have, total)
    if received < total:
        raise http.client.IncompleteRead(b"", total - received)


def _copy(answer: BinaryIO, file: BinaryIO, name: str, have: int, total: int) -> int:
    """Bytes copied, with a progress bar on a terminal."""
    copied = 0
    with tqdm(total=total or None, initial=have, desc=name, unit="B", unit_scale=True, disable=None) as bar:
        while block := answer.read(BLOCK):
            file.write(block)
            copied += len(block)
            bar.update(len(block))
    return copied


def _verify(part: Path, file: Remote) -> None:
    got = []
    for kind in dict.fromkeys(digest.partition(":")[0] for digest in file.digests):
        with part.open("rb") as stream:
            got.append(f"{kind}:{hashlib.file_digest(stream, kind).hexdigest()}")
    if file.digests and not set(got) & set(file.digests):
        size = part.stat().st_size
        part.unlink()
        raise FileProblem(
            f"{file.name} from {file.url} ({size:,} bytes) has {' and '.join(got)}, expected "
            f"{' or '.join(file.digests)}; the download was deleted: try again, or put the right file there by hand"
        )


def _wanted(problem: str, folder: Path, files: Sequence[Remote]) -> str:
    lines = [f"  {file.name}  from {file.url or 'its owners, on request'}" for file in files]
    return (
        f"{problem}. Wanted in {folder}:\n" + "\n".join(lines) + "\n"
        "Put the files there, or set QUICKSTUDY_DATA to the folder that holds "
        f"{folder.name}/ (now {data_root()})."
    )
