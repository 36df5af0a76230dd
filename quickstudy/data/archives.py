"""Members of zip and tar archives, read in memory: nothing is ever written to disk under a member's name."""

from __future__ import annotations

import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from quickstudy.files import FileProblem

LARGEST = 1 << 26  # bytes of one member: a picture is far smaller, a bomb far larger


def zip_members(path: Path, suffix: str) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of the members that end in ``suffix``, in the archive's order.

    Raises FileProblem for an archive that is damaged or that holds a name which climbs out of its folder.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                _checked(path, info.filename, info.file_size)
            for info in archive.infolist():
                if info.filename.endswith(suffix):
                    yield info.filename, archive.read(info)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _damaged(path, error) from error


def tar_members(path: Path, suffix: str) -> Iterator[tuple[str, bytes]]:
    """The same of a tar archive, plain or compressed; links and devices are passed over."""
    try:
        with tarfile.open(path, "r:*") as archive:  # unlike "r|*", it notices where xz breaks off
            for info in archive:
                _checked(path, info.name, info.size)
                stream = archive.extractfile(info) if info.isfile() and info.name.endswith(suffix) else None
                if stream is not None:
                    yield info.name, stream.read()
            _to_the_end(archive)
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError) as error:
        raise _damaged(path, error) from error


def _to_the_end(archive: tarfile.TarFile) -> None:
    """Compressed streams have their checksum behind what tar reads."""
    while archive.fileobj is not None and archive.fileobj.read(1 << 20):
        pass


def _checked(path: Path, name: str, size: int) -> None:
    """Refuses what no data set holds: a member outside the archive's own folder, or one that fills the memory."""
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name) or ".." in re.split(r"[/\\]", name):
        raise FileProblem(f"{path} holds {name!r}, which climbs out of its folder; get the archive from its own source")
    if size > LARGEST:
        raise FileProblem(f"{path} holds {name!r} of {size:,} bytes, expected a picture of at most {LARGEST:,}")


def _damaged(path: Path, error: Exception) -> FileProblem:
    return FileProblem(f"{path} is damaged or no archive ({error}); delete it, and it is downloaded again if it can be")
