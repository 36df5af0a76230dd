"""Files that are whole or absent: written beside their place, then moved there."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FileProblem(Exception):
    """A file or folder that cannot be used as it is; the message names it and the cure."""


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A path to write to; on leaving without an error it becomes ``path`` at once, otherwise nothing changes.

    A link stays one, and what it leads to is written. Raises FileProblem where there is no room or no permission, and
    for what is no regular file.
    """
    if path.is_symlink():
        path = path.resolve()
    if path.exists() and not path.is_file():
        raise FileProblem(f"{path} is no regular file; choose another name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise _explained(error, path) from error
    os.close(handle)
    part = Path(name)
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.chmod(0o666 & ~_umask())
        part.replace(path)
    except OSError as error:
        raise _explained(error, path) from error
    finally:
        part.unlink(missing_ok=True)


def _umask() -> int:
    """Which permissions new files are not to have; to be read, it has to be set."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def write(path: Path, text: str) -> None:
    """Writes a text file atomically, as UTF-8."""
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8")


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _explained(error: OSError, path: Path) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FileProblem(f"no room on the disk to write {path}; make room and run the same command again")
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return FileProblem(f"no permission to write {path}; choose another folder")
    return error
