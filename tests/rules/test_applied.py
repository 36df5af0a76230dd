"""A rule at work on a module: what torch's optimizers do, without what they load."""

import math
import subprocess
import sys

import pytest
import torch
from torch import nn

from quickstudy import tree
from quickstudy.batching import trainable
from quickstudy.rules.applied import OPTIMIZERS, Applied

STEPS = 150  # Adam clears its means at 64 and 128
SHARES = {"adam": lambda done: (1 + math.cos(math.pi * done)) / 2, "adam-constant": lambda _: 1, "sgd": lambda d: 1 - d}


def net(dtype=torch.float32):
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(12, 2)).to(dtype)
    made[0].weight.data = made[0].weight.data.contiguous(memory_format=torch.channels_last)
    made[2].bias.requires_grad_(False)
    return made


def slopes(module, step):
    chance = torch.Generator().manual_seed(step)
    x = torch.randn(5, 2, 4, 4, generator=chance, dtype=module[0].weight.dtype)
    loss = module(x).square().mean()
    return torch.autograd.grad(loss, trainable(module)), loss


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_is_torchs_with_a_falling_rate_bit_for_bit(name, dtype):
    ours, theirs = net(dtype), net(dtype)
    applied = Applied(ours, name, rate=0.1)
    kind = torch.optim.SGD if name == "sgd" else torch.optim.Adam
    optimizer = kind(trainable(theirs), lr=0.1, fused=True)
    for step in range(STEPS):
        applied.step(*slopes(ours, step)[:1], step / STEPS, slopes(ours, step)[1])
        optimizer.param_groups[0]["lr"] = 0.1 * SHARES[name](step / STEPS)
        for weight, grad in zip(trainable(theirs), slopes(theirs, step)[0], strict=True):
            weight.grad = grad
        optimizer.step()
    assert all((a == b).all() for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    assert (ours[2].bias == net(dtype)[2].bias).all()


def test_a_memory_that_was_kept_goes_on_to_the_same_bits():
    whole, halves = net(), net()
    applied = Applied(whole, rate=0.1)
    for step in range(10):
        if step == 5:
            kept = {path: leaf.clone().contiguous() for path, leaf in tree.items(applied.memory)}
            halves.load_state_dict(whole.state_dict())
        applied.step(*slopes(whole, step)[:1], step / 10, torch.zeros(()))
    again = Applied(halves, rate=0.1)
    again.restore(kept)
    for step in range(5, 10):
        again.step(*slopes(halves, step)[:1], step / 10, torch.zeros(()))
    assert all((a == b).all() for a, b in zip(whole.parameters(), halves.parameters(), strict=True))
    del kept["mean.0.weight"]
    with pytest.raises(KeyError, match=r"mean\.0\.weight"):
        again.restore(kept)


def test_a_name_that_is_none_is_refused():
    with pytest.raises(ValueError, match="no outer optimizer is called 'guess'; there are adam"):
        Applied(net(), "guess", rate=0.1)


def test_a_training_loads_no_compiler():
    """torch.optim does when its first optimizer is made, which took as long as torch itself."""
    lines = (
        "import sys",
        "from quickstudy import train",
        "from quickstudy.learners import maml_regressor",
        "from quickstudy.tasks import sines",
        "train.train(maml_regressor(), sines(5, 5), steps=2)",
        "print('torch._dynamo' in sys.modules)",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("False", 0), done.stderr
