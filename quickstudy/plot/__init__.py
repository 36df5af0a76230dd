"""Figures for papers and readmes, as Matplotlib figures that know no global state: ``task(shown).savefig(path)``."""

from quickstudy.plot.learning import Panel as Panel
from quickstudy.plot.learning import by_budget as by_budget
from quickstudy.plot.learning import descents as descents
from quickstudy.plot.learning import learning_curves as learning_curves
from quickstudy.plot.planes import planes as planes
from quickstudy.plot.regression import regression as regression
from quickstudy.plot.scores import accuracies as accuracies
from quickstudy.plot.scores import by_examples as by_examples
from quickstudy.plot.scores import by_size as by_size
from quickstudy.plot.task import task as task
from quickstudy.plot.weights import weights as weights
