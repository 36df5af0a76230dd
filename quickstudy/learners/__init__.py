"""Learners: one file a method. What is listed here is what tests, tables, documentation and the command line know."""

from quickstudy.learners.anil import anil
from quickstudy.learners.baseline_plus_plus import baseline_plus_plus
from quickstudy.learners.classifier import classifier
from quickstudy.learners.density import density
from quickstudy.learners.feedforward import feedforward
from quickstudy.learners.finetune import finetune
from quickstudy.learners.lstm import lstm
from quickstudy.learners.maml import maml
from quickstudy.learners.maml_regressor import maml_regressor as maml_regressor
from quickstudy.learners.mann import mann
from quickstudy.learners.matching import matching
from quickstudy.learners.meta_lstm import meta_lstm
from quickstudy.learners.meta_sgd import meta_sgd
from quickstudy.learners.neighbours import neighbours
from quickstudy.learners.neural_process import neural_process
from quickstudy.learners.prototypes import prototypes
from quickstudy.learners.reptile import reptile
from quickstudy.learners.siamese import siamese

__all__ = [
    "anil",
    "baseline_plus_plus",
    "classifier",
    "density",
    "feedforward",
    "finetune",
    "lstm",
    "maml",
    "mann",
    "matching",
    "meta_lstm",
    "meta_sgd",
    "neighbours",
    "neural_process",
    "prototypes",
    "reptile",
    "siamese",
]
REGRESSORS = ["maml_regressor"]  # learn values, not classes
