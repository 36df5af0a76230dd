from __future__ import annotations

import pytest
import torch
from scipy.spatial.distance import cdist

from quickstudy.nets.attention import METRICS, attend, class_logsumexp, class_sums, cosine, euclidean, metric

SCIPY = {
    "squared_euclidean": lambda a, b: -cdist(a, b, "sqeuclidean"),
    "euclidean": lambda a, b: -cdist(a, b, "euclidean"),
    "manhattan": lambda a, b: -cdist(a, b, "cityblock"),
    "cosine": lambda a, b: 1 - cdist(a, b, "cosine"),
}


@pytest.mark.parametrize("name", sorted(METRICS))
def test_similarities_equal_scipy(name):
    a, b = torch.randn(5, 7).double(), torch.randn(4, 7).double()
    torch.testing.assert_close(metric(name)(a, b), torch.from_numpy(SCIPY[name](a, b)), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_gradients_are_finite_at_zero_vectors_and_distances(name):
    a = torch.zeros(2, 3, requires_grad=True)
    b = torch.stack([torch.zeros(3), torch.ones(3)]).requires_grad_()
    said = metric(name)(a, b)
    assert bool(said.isfinite().all())
    assert all(bool(grad.isfinite().all()) for grad in torch.autograd.grad(said.sum(), (a, b)))


def test_zero_vectors_are_like_nothing():
    assert torch.equal(cosine(torch.zeros(1, 3), torch.randn(2, 3)), torch.zeros(1, 2))
    assert euclidean(torch.ones(1, 3), torch.ones(1, 3)).abs().item() < 1e-15


def test_cosine_does_not_depend_on_lengths():
    a, b = torch.randn(3, 4).double(), torch.randn(2, 4).double()
    torch.testing.assert_close(cosine(1e-3 * a, 1e4 * b), cosine(a, b))
    torch.testing.assert_close(cosine(1e-30 * a, 1e30 * b), cosine(a, b))
    torch.testing.assert_close(cosine((1e-30 * a).float(), (1e30 * b).float()), cosine(a, b).float())


def test_attend_is_a_sum_of_values_by_softmax_over_what_was_seen():
    scores, values = torch.randn(2, 4).double(), torch.randn(4, 3).double()
    seen = torch.tensor([True, False, True, True])
    for q in range(2):
        shares = [float(scores[q, i].exp()) for i in (0, 2, 3)]
        expected = sum(share * values[i] for share, i in zip(shares, (0, 2, 3), strict=True)) / sum(shares)
        torch.testing.assert_close(attend(scores, values, seen)[q], expected)


def test_class_logsumexp_is_the_log_of_a_sum_for_each_class():
    scores, y = torch.randn(2, 5).double(), torch.tensor([0, 2, 0, -1, 2])
    labels = (y[:, None] == torch.arange(3)).double()
    said = class_logsumexp(scores, labels)
    for q in range(2):
        for c in (0, 2):
            expected = sum(scores[q, i].exp() for i in range(5) if y[i] == c)
            torch.testing.assert_close(said[q, c].exp(), expected)
    assert bool((said[:, 1] == -torch.inf).all())


def test_class_logsumexp_of_large_scores_is_finite():
    said = class_logsumexp(torch.tensor([[1e4, -1e4]]), torch.eye(2))
    assert said.tolist() == [[1e4, -1e4]]


def test_a_class_without_members_sends_no_nan_backwards():
    scores = torch.randn(2, 3, requires_grad=True)
    labels = torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 0, 0]])
    loss = class_logsumexp(scores, labels)[:, :2].sum()
    assert bool(torch.autograd.grad(loss, scores)[0].isfinite().all())


def test_softmax_of_class_logsumexp_is_the_attention_a_class_gets():
    scores, y = torch.randn(3, 6).double(), torch.tensor([0, 1, 2, 0, 1, 0])
    labels = (y[:, None] == torch.arange(3)).double()
    attention = attend(scores, labels, torch.ones(6, dtype=torch.bool))
    torch.testing.assert_close(class_logsumexp(scores, labels).softmax(-1), attention)


def test_class_sums_by_a_loop():
    z, y = torch.randn(5, 3).double(), torch.tensor([1, 0, 1, -1, 1])
    labels = (y[:, None] == torch.arange(2)).double()
    torch.testing.assert_close(class_sums(z, labels), torch.stack([z[y == c].sum(0) for c in range(2)]))


def test_sums_leave_mixed_precision():
    z, labels = torch.full((300, 1), 1.01), torch.ones(300, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert class_sums(z, labels).item() == pytest.approx(303, rel=1e-4)
        assert cosine(torch.randn(2, 4), torch.randn(3, 4)).dtype == torch.float32
