from __future__ import annotations

import itertools

import pytest
import torch

from quickstudy.core import cross_entropy
from quickstudy.nets.codes import OneHot, Strings, code

LIKE = torch.empty(0, dtype=torch.float64)


def test_one_hot_labels_are_what_they_are():
    labels = OneHot(3)
    assert labels.encode(torch.tensor([2, -1]), LIKE).tolist() == [[0, 0, 1], [0, 0, 0]]
    outputs = torch.randn(4, 3)
    assert torch.equal(labels.logits(outputs), outputs)


def test_strings_are_written_letter_by_letter():
    labels, words = Strings(), list(itertools.product(range(5), repeat=5))
    assert (labels.labels, labels.width, len(words)) == (3125, 25, 3125)
    encoded = labels.encode(torch.arange(3125), LIKE).unflatten(-1, (5, 5))
    assert encoded.argmax(-1).tolist() == [list(word) for word in words]
    assert bool((encoded.sum(-1) == 1).all())
    assert not bool(labels.encode(torch.tensor([-1]), LIKE).any())


def test_the_loss_on_a_string_is_the_sum_of_the_losses_on_its_letters():
    labels, y = Strings(), torch.randint(0, 3125, (2, 6))
    outputs = torch.randn(2, 6, 25, dtype=torch.float64)
    letters = labels.encode(y, LIKE).unflatten(-1, (5, 5)).argmax(-1)
    each = torch.nn.functional.cross_entropy(outputs.reshape(-1, 5), letters.reshape(-1), reduction="none")
    torch.testing.assert_close(cross_entropy(labels.logits(outputs), y), each.view(2, 6, 5).sum(-1).mean(-1))
    torch.testing.assert_close(labels.logits(outputs).exp().sum(-1), torch.ones(2, 6, dtype=torch.float64))


def test_the_loss_letter_by_letter_is_that_of_the_logits_of_all_strings():
    labels, y = Strings(), torch.randint(0, 3125, (2, 6))
    outputs = torch.randn(2, 6, 25, dtype=torch.float64, requires_grad=True)
    y[1, 4:] = -1
    loss, spelled_out = labels.loss(outputs, y), cross_entropy(labels.logits(outputs), y)
    torch.testing.assert_close(loss, spelled_out)
    grads = (torch.autograd.grad(part.sum(), outputs)[0] for part in (loss, spelled_out))
    torch.testing.assert_close(*grads)


def test_strings_of_another_number_are_refused():
    assert isinstance(code(3125, strings=True), Strings)
    assert isinstance(code(3125, strings=False), OneHot)
    with pytest.raises(ValueError, match="3125 labels, got 5; say labels 3125"):
        code(5, strings=True)
