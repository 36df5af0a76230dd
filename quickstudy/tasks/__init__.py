"""Task distributions: functions of an integer."""

from quickstudy.tasks.arithmetic import Arithmetic, arithmetic
from quickstudy.tasks.batches import Batches, batches
from quickstudy.tasks.episodes import Episodes, episodes
from quickstudy.tasks.linear import Linear, linear
from quickstudy.tasks.losses import Losses
from quickstudy.tasks.prompts import Prompts, prompts
from quickstudy.tasks.quadratics import Quadratics, quadratics
from quickstudy.tasks.sequences import Sequences, sequences
from quickstudy.tasks.sines import Sines, sines
from quickstudy.tasks.streams import Stream

__all__ = [
    "Arithmetic",
    "Batches",
    "Episodes",
    "Linear",
    "Losses",
    "Prompts",
    "Quadratics",
    "Sequences",
    "Sines",
    "Stream",
    "arithmetic",
    "batches",
    "episodes",
    "linear",
    "prompts",
    "quadratics",
    "sequences",
    "sines",
]
