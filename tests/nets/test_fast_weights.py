"""The sum rule is causal linear attention; the delta rule replaces what a key had."""

from __future__ import annotations

import pytest
import torch

from quickstudy.nets.fast_weights import FEATURE_MAPS, corrections, dpfp, feature_map, read, write


def sequence(n=12, d=6, k=3, dtype=torch.float32):
    phi = feature_map("dpfp-2")
    return phi(torch.randn(n, d, dtype=dtype)), phi(torch.randn(n, d, dtype=dtype)), torch.randn(n, k, dtype=dtype)


def linear_attention(queries, keys, added):
    """(n, k): what the query of each step reads once its own key, and those before it, were written to nothing."""
    return (queries @ keys.mT).tril() @ added


def test_the_sum_rule_is_causal_linear_attention():
    queries, keys, values = sequence()
    w, said = torch.zeros(3, keys.shape[1]), []
    for q, k, v in zip(queries, keys, values, strict=True):
        w = w + torch.outer(v, k)
        said.append(w @ q)
    torch.testing.assert_close(torch.stack(said), linear_attention(queries, keys, values), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(write(torch.zeros_like(w), keys, values), w, rtol=1e-5, atol=1e-5)


def test_the_delta_rule_at_once_is_the_delta_rule_step_by_step():
    queries, keys, values = sequence(dtype=torch.float64)
    start, strength = torch.randn(3, keys.shape[1]).double(), torch.rand(12).double()
    w, said = start, []
    for q, k, v, beta in zip(queries, keys, values, strength, strict=True):
        w = w + beta * torch.outer(v - w @ k, k)
        said.append(w @ q)
    added = corrections(start, keys, values, strength)
    torch.testing.assert_close(write(start, keys, added), w)
    torch.testing.assert_close(read(start, queries) + linear_attention(queries, keys, added), torch.stack(said))


def test_what_was_written_last_is_read_back_by_the_delta_rule_alone():
    _, keys, values = sequence(n=4, dtype=torch.float64)
    twice, start = torch.cat([keys[:1], keys[:1]]), torch.zeros(3, keys.shape[1]).double()
    replaced = write(start, twice, corrections(start, twice, values[:2], torch.ones(2).double()))
    torch.testing.assert_close(read(replaced, keys[:1]), values[1:2])
    torch.testing.assert_close(read(write(start, twice, values[:2]), keys[:1]), values[:1] + values[1:2])


def test_leading_axes_are_other_matrices():
    parts = [sequence(dtype=torch.float64) for _ in range(3)]
    _, keys, values = (torch.stack(column) for column in zip(*parts, strict=True))
    start, strength = torch.randn(3, 3, keys.shape[-1]).double(), torch.rand(3, 12).double()
    together = write(start, keys, corrections(start, keys, values, strength))
    for i in range(3):
        added = corrections(start[i], keys[i], values[i], strength[i])
        torch.testing.assert_close(together[i], write(start[i], keys[i], added))


def test_dpfp_is_the_products_of_neighbours():
    x = torch.tensor([0.5, -2.0, 3.0])
    r = [0.5, 0.0, 3.0, 0.0, 2.0, 0.0]
    expected = [r[i] * r[(i - nu) % 6] for nu in (1, 2) for i in range(6)]
    assert dpfp(x, 2).tolist() == expected


@pytest.mark.parametrize("name", FEATURE_MAPS)
def test_features_are_of_unit_length_and_not_negative(name):
    found = feature_map(name)(torch.randn(50, 16).double())
    assert found.shape == (50, {"elu": 16, "dpfp-1": 32, "dpfp-2": 64, "dpfp-3": 96}[name])
    assert bool((found >= 0).all())
    torch.testing.assert_close(found.norm(dim=1), torch.ones(50).double(), rtol=1e-6, atol=1e-6)


def test_an_unknown_map_is_refused():
    with pytest.raises(ValueError, match="no feature map is called 'favor'"):
        feature_map("favor")
