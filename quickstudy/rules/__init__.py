"""Rules: gradients to updates, one file a rule. Written for one task; learners and ``vmap`` run them over many."""

from quickstudy.rules.adam import adam
from quickstudy.rules.lstm import lstm
from quickstudy.rules.meta_lstm import meta_lstm
from quickstudy.rules.meta_sgd import meta_sgd
from quickstudy.rules.mlp import mlp
from quickstudy.rules.rmsprop import rmsprop
from quickstudy.rules.rnnprop import rnnprop
from quickstudy.rules.rule import Rule
from quickstudy.rules.sgd import sgd
from quickstudy.rules.step_size import step_size

__all__ = ["Rule", "adam", "lstm", "meta_lstm", "meta_sgd", "mlp", "rmsprop", "rnnprop", "sgd", "step_size"]
