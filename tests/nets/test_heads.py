from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from quickstudy.nets.heads import Cosine, Fresh, Learned, LearnedCosine, head

LIKE = torch.empty(0, dtype=torch.float64)


def test_a_learned_head_starts_as_what_it_has_learned():
    learned = Learned(4, 3).double()
    start = learned.start(3, LIKE)
    assert start["weight"] is learned.weight
    z = torch.randn(2, 5, 4, dtype=torch.float64)
    torch.testing.assert_close(learned(z, start), F.linear(z, learned.weight, learned.bias))


@pytest.mark.parametrize("fixed", [Learned(4, 3), LearnedCosine(4, 3, scale=2.0)])
def test_another_number_of_classes_is_refused(fixed):
    with pytest.raises(ValueError, match="each of 3 classes and cannot start with 4; train it with way 4"):
        fixed.start(4, LIKE)


def test_a_fresh_head_is_zero_for_any_number():
    start = Fresh(4).start(7, LIKE)
    assert start["weight"].shape == (7, 4)
    assert start["weight"].dtype == torch.float64
    assert not any(bool(w.any()) for w in start.values())


@pytest.mark.parametrize("made", [Cosine(6, scale=3.0), LearnedCosine(6, 4, scale=3.0)])
def test_cosines_are_those_of_the_definition(made):
    weights = {"weight": torch.randn(2, 4, 6, dtype=torch.float64)}
    z = torch.randn(2, 5, 6, dtype=torch.float64)
    expected = 3 * F.cosine_similarity(z[:, :, None], weights["weight"][:, None], dim=-1)
    torch.testing.assert_close(made(z, weights), expected)


def test_first_directions_do_not_depend_on_how_many_there_are():
    few, many = (Cosine(64, scale=1.0).start(way, LIKE)["weight"] for way in (3, 9))
    assert torch.equal(few, many[:3])
    usual = torch.nn.Linear(64, 9).weight.detach()
    assert float(many.norm(dim=1).mean()) == pytest.approx(float(usual.norm(dim=1).mean()), rel=0.2)
    assert float(F.cosine_similarity(few[0], few[1], dim=0)) < 0.5


def test_heads_have_names():
    assert isinstance(head("learned", 4, 3), Learned)
    assert isinstance(head("fresh", 4, 3), Fresh)
    with pytest.raises(ValueError, match="no head is called 'bald'; choose learned or fresh"):
        head("bald", 4, 3)
