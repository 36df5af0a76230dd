"""How labels enter a net, and how they are read off its outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from quickstudy.core import cross_entropy, one_hot

LETTERS = 5  # of the alphabet, and of a string


class Code(nn.Module, ABC):
    """Labels as ``width`` numbers, there and back."""

    labels: int
    width: int

    @abstractmethod
    def encode(self, y: Tensor, like: Tensor) -> Tensor:
        """(..., width) from labels (...), of the type of ``like``; zeros for padding."""

    @abstractmethod
    def logits(self, outputs: Tensor) -> Tensor:
        """(..., labels) from a net's (..., width) outputs."""

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """(...): the cross-entropy of the logits of a net's outputs (..., n, width) and the labels (..., n)."""
        return cross_entropy(self.logits(outputs), y)


class OneHot(Code):
    """A number for each label."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.labels = self.width = labels

    def encode(self, y: Tensor, like: Tensor) -> Tensor:
        return one_hot(y, self.labels, like.dtype)

    def logits(self, outputs: Tensor) -> Tensor:
        return outputs


class Strings(Code):
    """Strings of five letters out of five, each letter one-hot (Santoro et al., 2016): 3,125 labels in 25 numbers.

    The logits are sums of five log-softmaxes, one a letter: cross-entropy over all labels is the sum of the letters',
    which is how it is computed, without the 3,125.
    """

    labels = LETTERS**LETTERS
    width = LETTERS * LETTERS

    def encode(self, y: Tensor, like: Tensor) -> Tensor:
        return one_hot(self._letters(y), LETTERS, like.dtype).flatten(-2)

    def logits(self, outputs: Tensor) -> Tensor:
        first, *rest = outputs.unflatten(-1, (LETTERS, LETTERS)).log_softmax(-1).unbind(-2)
        for letter in rest:
            first = (first[..., None] + letter[..., None, :]).flatten(-2)
        return first

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        letters = outputs.unflatten(-1, (LETTERS, LETTERS)).transpose(-2, -3)  # (..., letters of a string, n, 5)
        return cross_entropy(letters, self._letters(y).mT).sum(-1)

    def _letters(self, y: Tensor) -> Tensor:
        """(..., 5) letters of labels (...); -1 for padding."""
        places = LETTERS ** torch.arange(LETTERS - 1, -1, -1, device=y.device)
        return torch.where(y[..., None] < 0, -1, y[..., None] // places % LETTERS)


def code(labels: int, *, strings: bool) -> Code:
    """One-hot for so many labels; or strings, of which there are 3,125. Raises ValueError for strings of another
    number of labels."""
    if strings and labels != Strings.labels:
        raise ValueError(
            f"strings of five letters are {Strings.labels} labels, got {labels}; say labels {Strings.labels}"
        )
    return Strings() if strings else OneHot(labels)
