"""The sizes that a net can have."""

from __future__ import annotations

from numbers import Integral


def check_sizes(**sizes: int) -> None:
    """Raises ValueError for what is no whole number of at least 1, by its name."""
    for name, size in sizes.items():
        if not isinstance(size, Integral) or size < 1:
            raise ValueError(f"{name} is a whole number, at least 1; got {size!r}")
