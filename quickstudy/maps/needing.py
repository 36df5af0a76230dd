"""The libraries that some layouts are made by, which are an extra."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needing(name: str) -> Iterator[None]:
    """Around an import: says how to install what is missing."""
    try:
        yield
    except ImportError as error:
        raise ValueError(
            f"this layout is made by {name}, which cannot be loaded ({error}); install it with: "
            "pip install 'quickstudy[maps]'"
        ) from error
