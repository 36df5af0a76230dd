"""Weights of training examples, learned by what they do to the loss on a few clean ones: two lines in any loop.

    weigh = weighting.reweight(model, (x_clean, y_clean))          # one
    for x, y in batches:
        loss = weigh(x, y)                                         # two: weighted, to be differentiated as any other
        optimizer.zero_grad(); loss.backward(); optimizer.step()

``reweight`` (Ren et al., 2018) computes the weights of each batch anew, ``meta_weight_net`` (Shu et al., 2019) learns a
function from a loss to a weight, ``likelihood`` (Hu et al., 2019) a weight for every example, and ``augmentation`` what
to make of the examples. The model is any PyTorch module, as it is; the optimizer is any.
"""

from quickstudy.weighting.augmentation import Augmentation, augmentation
from quickstudy.weighting.likelihood import Likelihood, likelihood
from quickstudy.weighting.meta_weight_net import MetaWeightNet, meta_weight_net
from quickstudy.weighting.reweight import Reweight, reweight

__all__ = [
    "Augmentation",
    "Likelihood",
    "MetaWeightNet",
    "Reweight",
    "augmentation",
    "likelihood",
    "meta_weight_net",
    "reweight",
]
