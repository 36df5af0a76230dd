from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from quickstudy import tree
from quickstudy.core import Examples
from quickstudy.learners.matching import FullContext, Matching
from quickstudy.nets.attention import cosine
from quickstudy.nets.lstm import LSTMCell


def test_equals_the_attention_written_by_hand(make_task):
    """Equation 1: the probability of a class is the attention its examples get."""
    task = make_task(way=3, shot=4, query=5, shape=(6,))
    learner = Matching(nn.Identity(), 6, scale=7.0).double()
    with torch.no_grad():
        probability, scale = learner(task.support, task.query.x, 3).softmax(-1), learner.log_scale.exp()
    for q, query in enumerate(task.query.x):
        attention = (scale * F.cosine_similarity(query[None], task.support.x)).softmax(0)
        for c in range(3):
            expected = sum(a for a, label in zip(attention, task.support.y, strict=True) if label == c)
            assert float(probability[q, c]) == pytest.approx(float(expected), rel=1e-9)


def reference(context: FullContext, support: torch.Tensor, queries: torch.Tensor):
    """Appendix A of the paper, one example at a time, by torch's own LSTMs."""
    d = support.shape[1]
    g = nn.LSTM(d, d, bidirectional=True).double()
    f = nn.LSTMCell(2 * d, d).double()
    with torch.no_grad():
        for cell, suffix in ((context.g.forwards, "l0"), (context.g.backwards, "l0_reverse")):
            getattr(g, f"weight_ih_{suffix}").copy_(cell.weight_ih)
            getattr(g, f"weight_hh_{suffix}").copy_(cell.weight_hh)
            getattr(g, f"bias_ih_{suffix}").copy_(cell.bias)
            getattr(g, f"bias_hh_{suffix}").zero_()
        f.weight_ih.copy_(context.f.weight_ih)
        f.weight_hh.copy_(context.f.weight_hh)
        f.bias_ih.copy_(context.f.bias)
        f.bias_hh.zero_()
        forwards, backwards = g(support)[0].chunk(2, dim=1)
        keys = forwards + backwards + support
        answers = []
        for query in queries:
            h, c = torch.zeros(1, d).double(), torch.zeros(1, d).double()
            for _ in range(context.steps):
                attention = torch.stack([h[0] @ key for key in keys]).softmax(0)  # equation 6
                read = sum(a * key for a, key in zip(attention, keys, strict=True))  # equation 5
                h, c = f(torch.cat([query, read])[None], (h, c))  # equation 3: r beside f', h the recurrent state
                h = h + query  # equation 4
            answers.append(h[0])
    return keys, torch.stack(answers)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_full_context_equals_the_equations_of_the_paper(steps):
    context = FullContext(4, steps=steps).double()
    support, queries = torch.randn(5, 4).double(), torch.randn(3, 4).double()
    keys = context.support(support)
    read = context.query(queries, keys, torch.ones(5, dtype=torch.bool))
    expected_keys, expected_queries = reference(context, support, queries)
    torch.testing.assert_close(keys, expected_keys, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(read, expected_queries, rtol=1e-10, atol=1e-12)


def test_full_context_is_what_the_attention_compares(make_task):
    task = make_task(way=3, shot=2, query=2, shape=(4,))
    context = FullContext(4, steps=3).double()
    learner = Matching(nn.Identity(), 4, context=context, scale=5.0).double()
    keys, queries = reference(context, task.support.x, task.query.x)
    plain = Matching(nn.Identity(), 4, scale=5.0).double()
    expected = plain(Examples(keys, task.support.y), queries, 3)
    torch.testing.assert_close(learner(task.support, task.query.x, 3), expected, rtol=1e-10, atol=1e-10)


def test_full_context_reads_the_order(make_task):
    task = make_task(way=3, shot=2, shape=(4,))
    learner = Matching(nn.Identity(), 4, context=FullContext(4, steps=3)).double()
    assert learner.ordered
    backwards = Examples(task.support.x.flip(0), task.support.y.flip(0))
    difference = learner(backwards, task.query.x, 3) - learner(task.support, task.query.x, 3)
    assert difference.abs().max() > 1e-4


def test_full_context_does_not_read_padding_in_f():
    context = FullContext(4, steps=3).double()
    keys, queries = torch.randn(5, 4).double(), torch.randn(2, 4).double()
    seen = torch.tensor([True, True, True, False, False])
    torch.testing.assert_close(context.query(queries, keys, seen), context.query(queries, keys[:3], seen[:3]))


def test_padding_is_not_read_in_f_by_the_learner():
    context = FullContext(4, steps=3)
    learner = Matching(nn.Identity(), 4, context=context, scale=2.0)
    x, queries, y = torch.randn(5, 4), torch.randn(2, 4), torch.tensor([0, 1, 1, -1, -1])
    keys = context.support(x)
    expected = 2 * cosine(context.query(queries, keys, y >= 0), keys)
    said = learner.similarities(queries, learner.adapt(learner.init(2), Examples(x, y)))
    torch.testing.assert_close(said, expected)


def test_full_contexts_of_many_tasks_are_read_together(make_task, monkeypatch):
    """By the kernel for all steps, to what a task alone gives, in answers and gradients."""
    tasks = [make_task(way=3, shot=2, query=4, shape=(4,), seed=seed) for seed in range(3)]
    learner = Matching(nn.Linear(4, 4), 4, context=FullContext(4, steps=3)).double()
    alone = torch.stack([learner(task.support, task.query.x, 3) for task in tasks])
    sweep, swept = LSTMCell.sweep, []
    monkeypatch.setattr(LSTMCell, "sweep", lambda cell, *given: (swept.append(cell), sweep(cell, *given))[1])
    stacked = tree.stack(tasks)
    together = learner.predict_all(learner.adapt_all(stacked.support, 3), stacked.query.x)
    assert swept == [learner.context.g.forwards, learner.context.g.backwards]
    torch.testing.assert_close(together, alone, rtol=1e-10, atol=1e-10)
    weights = list(learner.parameters())
    for a, b in zip(*(torch.autograd.grad(said.square().sum(), weights) for said in (together, alone)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)


def test_without_context_nothing_of_it_is_there():
    learner = Matching(nn.Identity(), 4)
    assert not learner.ordered
    assert [name for name, _ in learner.named_parameters()] == ["log_scale"]
    assert learner.log_scale.exp().item() == pytest.approx(10)
