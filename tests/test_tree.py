from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from quickstudy import tree
from quickstudy.core import Examples


class Pair(NamedTuple):
    left: object
    right: object


def leaf(seed: int) -> torch.Tensor:
    return torch.arange(6.0).view(3, 2) + seed


def grown(branches):
    keys = st.text("abc", min_size=1, max_size=2)
    return (
        st.lists(branches, max_size=3)
        | st.lists(branches, max_size=3).map(tuple)
        | st.dictionaries(keys, branches, max_size=3)
        | st.builds(Pair, branches, branches)
    )


trees = st.recursive(st.integers(0, 99).map(leaf) | st.just(()), grown, max_leaves=8)


def same(a, b) -> bool:
    kinds = type(a) is type(b)
    if isinstance(a, dict):
        return kinds and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, tuple | list):
        return kinds and len(a) == len(b) and all(map(same, a, b))
    return kinds and torch.equal(a, b)


@given(trees)
def test_map_keeps_the_structure(some):
    assert same(tree.map(lambda a: a, some), some)
    assert same(tree.map(lambda a, b: a - b + a, some, some), some)
    assert all(torch.equal(a, 2 * b) for a, b in zip(tree.leaves(tree.map(lambda a: 2 * a, some)), tree.leaves(some)))  # noqa: B905


@given(trees)
def test_what_items_takes_apart_restore_puts_together(some):
    values = dict(tree.items(some))
    assert len(values) == len(tree.leaves(some))
    assert same(tree.restore(tree.map(torch.zeros_like, some), values), some)


@given(trees)
def test_stack_index_and_cat_undo_each_other(some):
    others = [some, tree.map(lambda a: a + 1, some), tree.map(lambda a: -a, some)]
    stacked = tree.stack(others)
    assert all(same(tree.index(stacked, i), other) for i, other in enumerate(others))
    parts = [tree.index(stacked, slice(0, 1)), tree.index(stacked, slice(1, 3))]
    assert same(tree.cat(parts), stacked)


def test_paths_join_keys_fields_and_positions():
    some = {"net": [leaf(0), Examples(leaf(1), leaf(2))], "none": (), "own": leaf(3)}
    assert [path for path, _ in tree.items(some)] == ["net.0", "net.1.x", "net.1.y", "own"]
    assert [path for path, _ in tree.items(leaf(0))] == [""]


def test_order_of_items_is_that_of_leaves():
    some = {"b": leaf(0), "a": (leaf(1), leaf(2))}
    assert all(a is b for (_, a), b in zip(tree.items(some), tree.leaves(some), strict=True))


def test_sizes():
    some = Examples(torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64))
    assert tree.size(some) == 4
    assert tree.nbytes(some) == 4 * 3 * 4 + 4 * 8
    assert tree.nbytes(()) == 0


def test_trees_of_other_shapes_do_not_fit():
    with pytest.raises(ValueError, match=r"shorter|longer"):
        tree.map(torch.add, (leaf(0), leaf(1)), (leaf(0),))
    with pytest.raises(KeyError, match="a"):
        tree.map(torch.add, {"a": leaf(0)}, {"b": leaf(0)})
    with pytest.raises(KeyError, match="1"):
        tree.restore((leaf(0), leaf(1)), {"0": leaf(0)})
