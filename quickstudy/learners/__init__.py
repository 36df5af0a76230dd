"""Learners: one file a method. What is listed here is what tests, tables, documentation and the command line know."""

from quickstudy.learners.classifier import classifier
from quickstudy.learners.density import density
from quickstudy.learners.maml import maml
from quickstudy.learners.maml_regressor import maml_regressor as maml_regressor
from quickstudy.learners.matching import matching
from quickstudy.learners.neighbours import neighbours
from quickstudy.learners.prototypes import prototypes
from quickstudy.learners.siamese import siamese

__all__ = ["classifier", "density", "maml", "matching", "neighbours", "prototypes", "siamese"]
REGRESSORS = ["maml_regressor"]  # learn values, not classes
