"""Outer estimators: how an objective becomes gradients of the slow weights."""

from quickstudy.outer.unroll import Unroll

__all__ = ["Unroll"]
