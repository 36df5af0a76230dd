from __future__ import annotations

import pytest
import torch
from torch import nn

from quickstudy import devices
from quickstudy.nets.cells import FeedForward, Recurrent


def test_a_recurrent_cell_is_pytorch_s_over_sequences_with_an_axis_of_their_own():
    cell, peer = Recurrent(3, 4).double(), nn.LSTM(3, 4, batch_first=True).double()
    with torch.no_grad():
        peer.weight_ih_l0.copy_(cell.cell.weight_ih)
        peer.weight_hh_l0.copy_(cell.cell.weight_hh)
        peer.bias_ih_l0.copy_(cell.cell.bias)
        peer.bias_hh_l0.zero_()
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    expected, (last, inner) = peer(x)
    for way in (cell.run, cell.sweep):
        outputs, (h, c) = way(x, cell.start(x[:, 0]))
        torch.testing.assert_close(outputs, expected)
        torch.testing.assert_close((h, c), (last[0], inner[0]))


@pytest.mark.parametrize("make", [Recurrent, FeedForward])
def test_a_sequence_in_two_parts_is_the_sequence(make):
    cell, x = make(3, 4).double(), torch.randn(6, 3, dtype=torch.float64)
    whole, _ = cell.run(x, cell.start(x[0]))
    first, state = cell.run(x[:2], cell.start(x[0]))
    second, _ = cell.run(x[2:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole)
    assert whole.shape == (6, cell.outputs)
    assert cell.project(x).shape == (6, cell.projected)


def test_a_feed_forward_cell_remembers_nothing():
    cell, x = FeedForward(3, 4), torch.randn(6, 3)
    forwards, _ = cell.run(x, cell.start(x[0]))
    backwards, _ = cell.run(x.flip(0), cell.start(x[0]))
    torch.testing.assert_close(backwards.flip(0), forwards)


@pytest.mark.parametrize(
    ("processor", "precision", "kernel"),
    [("AVX2", "float32", True), ("AVX2", "bfloat16", False), ("AVX512", "bfloat16", True)],
)
def test_steps_are_taken_one_by_one_where_the_kernel_for_all_of_them_would_fail(
    processor, precision, kernel, monkeypatch
):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: processor)
    whole, cell, x = [], Recurrent(3, 4), torch.randn(2, 5, 3)
    monkeypatch.setattr(cell.cell, "sweep", lambda *given: (whole.append(True), cell.run(*given))[1])
    with devices.precision(precision, torch.device("cpu")):
        outputs, _ = cell.sweep(x, cell.start(x[:, 0]))
    assert bool(whole) == kernel
    torch.testing.assert_close(outputs.float(), cell.run(x, cell.start(x[:, 0]))[0], rtol=0.05, atol=0.05)
