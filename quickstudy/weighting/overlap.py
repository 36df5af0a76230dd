"""Whether examples that are learned from stand among the clean ones by which they are judged."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

READ = 1000  # numbers of a row, about, that are looked at
INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # by bytes of an element


class Overlap:
    """Remembers the clean inputs, and warns once when one of them is learned from.

    The loss on a clean example that is itself learned from falls whatever its label, so that it vouches for itself.
    """

    def __init__(self, clean: Tensor) -> None:
        self.clean = fingerprints(clean)
        self.warned = False

    def check(self, batch: Sequence[Any]) -> None:
        """Warns where a row of the inputs (n, *shape), the first of the batch, is a clean one, bit for bit; once. To be
        called by what the user calls, to which the warning points."""
        x = batch[0] if batch else None
        if self.warned or not isinstance(x, Tensor) or x.element_size() not in INTEGERS:
            return
        found = int(torch.isin(fingerprints(x), self.clean.to(x.device)).sum())
        if found:
            self.warned = True
            warnings.warn(
                f"{found} of {len(x)} examples of this batch are clean validation examples too, and vouch for "
                "themselves; take the clean examples out of the training set",
                stacklevel=3,
            )


def fingerprints(x: Tensor) -> Tensor:
    """(n,) whole numbers of the rows of x (n, *shape): equal rows of one type have equal ones, others hardly ever. Of
    long rows they are those of numbers here and there, since this is done every batch."""
    rows = x.detach().reshape(len(x), -1)
    rows = rows[:, :: max(1, rows.shape[1] // READ)].contiguous()
    bits = rows.view(INTEGERS[x.element_size()]).long()
    chance = torch.Generator().manual_seed(bits.shape[1])
    factors = torch.randint(-(2**62), 2**62, (bits.shape[1],), generator=chance)
    return (bits * factors.to(bits.device)).sum(1)  # modulo 2^64, so that no order of adding matters
