"""Which tasks a measurement is on: the arguments that measuring commands share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TestTasks:
    """The same numbers give the same tasks, whatever is measured on them."""

    data: str | None = None
    """the run's own unless given; glyphs for a bare learner."""
    split: str | None = None
    """the run's own unless given."""
    size: int | None = None
    """the run's own unless given."""
    part: Literal["test", "valid", "train"] = "test"
    """which classes the tasks are drawn from."""
    way: int | None = None
    """classes a task; as in training, at most 20, unless given; 5 for a bare learner. Runs that differ need it said."""
    shot: int | None = None
    """examples of each class; as in training unless given; 1 for a bare learner."""
    query: int | None = None
    """pictures of each class to answer for; 15, or as many as the smallest class has, unless given."""
    tasks: int = 1000
    """how many tasks."""


@dataclass(frozen=True)
class TestStreams:
    """The same numbers give the same streams, whatever is measured on them."""

    data: str | None = None
    """the run's own unless given; glyphs for a bare learner."""
    split: str | None = None
    """the run's own unless given."""
    size: int | None = None
    """the run's own unless given."""
    part: Literal["test", "valid", "train"] = "test"
    """which classes the streams are drawn from."""
    way: int | None = None
    """classes a stream; as in training unless given; 5 for a bare learner."""
    length: int | None = None
    """steps of a stream; as in training, ten times way, unless given."""
    labels: int | None = None
    """names that the classes are drawn from; as in training, as many as classes, unless given."""
    streams: int = 1000
    """how many streams."""
