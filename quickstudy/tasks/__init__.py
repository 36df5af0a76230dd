"""Task distributions: functions of an integer."""

from quickstudy.tasks.batches import Batches, batches
from quickstudy.tasks.episodes import Episodes, episodes

__all__ = ["Batches", "Episodes", "batches", "episodes"]
