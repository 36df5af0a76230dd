"""Task distributions: functions of an integer."""

from quickstudy.tasks.arithmetic import Arithmetic, arithmetic
from quickstudy.tasks.batches import Batches, batches
from quickstudy.tasks.episodes import Episodes, episodes
from quickstudy.tasks.linear import Linear, linear
from quickstudy.tasks.sequences import Sequences, sequences
from quickstudy.tasks.sines import Sines, sines
from quickstudy.tasks.streams import Streams, streams

__all__ = [
    "Arithmetic",
    "Batches",
    "Episodes",
    "Linear",
    "Sequences",
    "Sines",
    "Streams",
    "arithmetic",
    "batches",
    "episodes",
    "linear",
    "sequences",
    "sines",
    "streams",
]
