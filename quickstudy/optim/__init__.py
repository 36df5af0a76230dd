"""The face of PyTorch: learned optimizers that take the place of ``torch.optim.Adam``."""

from quickstudy.optim.learned import LearnedOptimizer
from quickstudy.optim.weights import names, rule, ship

__all__ = ["LearnedOptimizer", "names", "rule", "ship"]
