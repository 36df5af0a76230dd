"""Learners: one file a method. What is listed here is what tests, tables, documentation and the command line know."""

from quickstudy.learners.alone import alone as alone
from quickstudy.learners.anil import anil
from quickstudy.learners.baseline_plus_plus import baseline_plus_plus
from quickstudy.learners.classifier import classifier
from quickstudy.learners.continual import continual as continual
from quickstudy.learners.density import density
from quickstudy.learners.ewc import ewc as ewc
from quickstudy.learners.finetune import finetune
from quickstudy.learners.generative import generative as generative
from quickstudy.learners.joint import joint as joint
from quickstudy.learners.lwf import lwf as lwf
from quickstudy.learners.maml import maml
from quickstudy.learners.maml_regressor import maml_regressor as maml_regressor
from quickstudy.learners.mas import mas as mas
from quickstudy.learners.matching import matching
from quickstudy.learners.meta_lstm import meta_lstm
from quickstudy.learners.meta_sgd import meta_sgd
from quickstudy.learners.neighbours import neighbours
from quickstudy.learners.prototypes import prototypes
from quickstudy.learners.replay import noise as noise
from quickstudy.learners.replay import replay as replay
from quickstudy.learners.reptile import reptile
from quickstudy.learners.si import si as si
from quickstudy.learners.siamese import siamese

__all__ = [
    "anil",
    "baseline_plus_plus",
    "classifier",
    "density",
    "finetune",
    "maml",
    "matching",
    "meta_lstm",
    "meta_sgd",
    "neighbours",
    "prototypes",
    "reptile",
    "siamese",
]
REGRESSORS = ["maml_regressor"]  # learn values, not classes
AROUND = ["alone", "ewc", "generative", "joint", "lwf", "mas", "noise", "replay", "si"]  # lifelong, around `continual`
