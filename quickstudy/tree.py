"""Arithmetic over nested tensors: tuples, named tuples, lists and dictionaries with tensors as leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor


def map(f: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """The tree of ``f(leaf, *leaves at the same place in rest)``."""
    if isinstance(tree, dict):
        return {key: map(f, tree[key], *(other[key] for other in rest)) for key in tree}
    if isinstance(tree, tuple | list):
        branches = [map(f, *parts) for parts in zip(tree, *rest, strict=True)]
        return type(tree)(*branches) if _is_named(tree) else type(tree)(branches)
    return f(tree, *rest)


def _is_named(tree: Any) -> bool:
    return isinstance(tree, tuple) and type(tree) is not tuple


def items(tree: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """(path, leaf) of every leaf, in order; the path joins keys, field names and positions by dots."""
    if isinstance(tree, dict):
        pairs = list(tree.items())
    elif isinstance(tree, tuple | list):
        names = getattr(tree, "_fields", range(len(tree)))
        pairs = list(zip(names, tree, strict=True))
    else:
        yield path, tree
        return
    for name, branch in pairs:
        yield from items(branch, f"{path}.{name}" if path else str(name))


def leaves(tree: Any) -> list[Tensor]:
    """The leaves, in order."""
    return [leaf for _, leaf in items(tree)]


def restore(template: Any, values: dict[str, Tensor]) -> Any:
    """The tree shaped like the template with the leaves of ``dict(items(...))``. Raises KeyError for a missing leaf."""
    paths = iter([path for path, _ in items(template)])
    return map(lambda _: values[next(paths)], template)


def stack(trees: Sequence[Any]) -> Any:
    """Trees of one shape as one tree, along a new first axis."""
    return map(lambda *parts: torch.stack(parts), *trees)


def cat(trees: Sequence[Any]) -> Any:
    """Trees of one shape as one tree, along the first axis."""
    return map(lambda *parts: torch.cat(parts), *trees)


def index(tree: Any, i: Any) -> Any:
    """The tree of ``leaf[i]``."""
    return map(lambda leaf: leaf[i], tree)


def size(tree: Any) -> int:
    """The length of the first axis, which all leaves share."""
    return len(leaves(tree)[0])


def nbytes(tree: Any) -> int:
    """What the leaves take, in bytes."""
    return sum(leaf.numel() * leaf.element_size() for leaf in leaves(tree))
