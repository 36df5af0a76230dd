"""Learners: one file a method. What is listed here is what tests, tables, documentation and the command line know."""

from quickstudy.learners.alone import alone as alone
from quickstudy.learners.anil import anil
from quickstudy.learners.baseline_plus_plus import baseline_plus_plus
from quickstudy.learners.classifier import classifier
from quickstudy.learners.continual import continual as continual
from quickstudy.learners.density import density
from quickstudy.learners.ewc import ewc as ewc
from quickstudy.learners.fast_weights import fast_weights
from quickstudy.learners.feedforward import feedforward
from quickstudy.learners.finetune import finetune
from quickstudy.learners.generative import generative as generative
from quickstudy.learners.in_context import in_context as in_context
from quickstudy.learners.joint import joint as joint
from quickstudy.learners.least_squares import least_squares as least_squares
from quickstudy.learners.lstm import lstm
from quickstudy.learners.lwf import lwf as lwf
from quickstudy.learners.maml import maml
from quickstudy.learners.maml_regressor import maml_regressor as maml_regressor
from quickstudy.learners.mann import mann
from quickstudy.learners.mas import mas as mas
from quickstudy.learners.matching import matching
from quickstudy.learners.meta_lstm import meta_lstm
from quickstudy.learners.meta_networks import meta_networks
from quickstudy.learners.meta_sgd import meta_sgd
from quickstudy.learners.neighbours import neighbours
from quickstudy.learners.neural_process import neural_process
from quickstudy.learners.prototypes import prototypes
from quickstudy.learners.replay import noise as noise
from quickstudy.learners.replay import replay as replay
from quickstudy.learners.reptile import reptile
from quickstudy.learners.si import si as si
from quickstudy.learners.siamese import siamese
from quickstudy.learners.snail import snail

__all__ = [
    "anil",
    "baseline_plus_plus",
    "classifier",
    "density",
    "fast_weights",
    "feedforward",
    "finetune",
    "lstm",
    "maml",
    "mann",
    "matching",
    "meta_lstm",
    "meta_networks",
    "meta_sgd",
    "neighbours",
    "neural_process",
    "prototypes",
    "reptile",
    "siamese",
    "snail",
]
REGRESSORS = ["in_context", "least_squares", "maml_regressor"]  # learn values, not classes
AROUND = ["alone", "ewc", "generative", "joint", "lwf", "mas", "noise", "replay", "si"]  # lifelong, around `continual`
