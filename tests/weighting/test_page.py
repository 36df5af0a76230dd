"""docs/data-weights.md says what is so."""

import re
from pathlib import Path

import torch
from torch import nn

from quickstudy import weighting

PAGE = (Path(__file__).parents[2] / "docs" / "data-weights.md").read_text()


def test_the_two_lines_run():
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
    model = nn.Linear(3, 2)
    batches = [(torch.randn(5, 3), torch.randint(2, (5,))) for _ in range(3)]
    given = {
        "model": model,
        "optimizer": torch.optim.Adam(model.parameters()),
        "batches": batches,
        "x_clean": torch.randn(4, 3),
        "y_clean": torch.tensor([0, 1, 0, 1]),
    }
    before = model.weight.detach().clone()
    exec(code, given)
    assert given["weigh"].last.shape == (5,)
    assert not torch.equal(model.weight, before)


def test_every_way_is_on_the_page():
    functions = [name for name in weighting.__all__ if name.islower()]
    assert len(functions) == 4
    assert all(f"`{name}(model, clean" in PAGE for name in functions)
