"""Task distributions: functions of an integer."""

from quickstudy.tasks.batches import Batches, batches
from quickstudy.tasks.episodes import Episodes, episodes
from quickstudy.tasks.sequences import Sequences, sequences
from quickstudy.tasks.sines import Sines, sines
from quickstudy.tasks.streams import Stream

__all__ = ["Batches", "Episodes", "Sequences", "Sines", "Stream", "batches", "episodes", "sequences", "sines"]
