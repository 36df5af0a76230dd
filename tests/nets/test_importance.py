"""Importances equal the loop over single examples, whatever the net is made of."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from quickstudy.learners.ewc import fisher
from quickstudy.learners.mas import sensitivity
from quickstudy.nets import importance as measures_of
from quickstudy.nets.conv4 import conv4
from quickstudy.nets.convolution import Conv2d
from quickstudy.nets.importance import importance
from quickstudy.nets.norm import norm

N, WAY = 7, 4


class Twice(nn.Module):
    """A layer that is used twice, a parameter of its own, and a linear layer along a sequence."""

    def __init__(self):
        super().__init__()
        self.shared, self.last = nn.Linear(6, 6), nn.Linear(6, WAY)
        self.scale = nn.Parameter(torch.randn(6))
        self.along = nn.Linear(6, 6, bias=False)

    def forward(self, x):
        z = self.along(x.view(-1, 2, 6)).mean(1)
        return self.last(self.scale * self.shared(torch.relu(self.shared(z))))


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.last = nn.Linear(12, 12), nn.Linear(12, 12, bias=False), nn.Linear(12, WAY)
        self.two.weight = self.one.weight

    def forward(self, x):
        return self.last(self.two(torch.tanh(self.one(x))))


def convolutional():
    return nn.Sequential(
        nn.Unflatten(1, (3, 2, 2)),
        nn.Conv2d(3, 5, 3, padding=1, stride=2),
        nn.BatchNorm2d(5),
        nn.ReLU(inplace=True),
        nn.Conv2d(5, 4, (1, 1), bias=False),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(4, WAY),
    )


def grouped():
    middle = nn.Conv2d(4, 4, 3, padding="same", groups=2)
    return nn.Sequential(nn.Unflatten(1, (4, 3, 1)), middle, nn.GELU(), nn.Flatten(), nn.Linear(12, WAY))


def calibrated():
    middle = norm("batch", 5)
    middle.mean.normal_()
    middle.variance.uniform_(0.5, 2)
    middle.calibrated = True
    return nn.Sequential(nn.Linear(12, 5), middle, nn.ReLU(inplace=True), nn.Dropout(0.3), nn.Linear(5, WAY))


class Patches(nn.Module):
    """A layer that reads more rows than there are examples."""

    def __init__(self):
        super().__init__()
        self.each, self.last = nn.Linear(4, 5), nn.Linear(5, WAY)

    def forward(self, x):
        return self.last(torch.tanh(self.each(x.reshape(-1, 4))).view(len(x), 3, 5).mean(1))


def steps_first():
    """Sequences whose first axis is not that of the examples."""

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.TransformerEncoderLayer(4, 2, dim_feedforward=6, dropout=0.0)
            self.last = nn.Linear(4, WAY)

        def forward(self, x):
            with sdpa_kernel(SDPBackend.MATH):
                return self.last(self.layer(x.view(len(x), 3, 4).transpose(0, 1)).mean(0))

    return Transformer()


NETS = {
    "convolutional": convolutional,
    "twice": Twice,
    "tied": Tied,
    "grouped": grouped,
    "calibrated": calibrated,
    "patches": Patches,
    "steps first": steps_first,
}


@pytest.fixture(params=NETS)
def net(request):
    made = NETS[request.param]().double()
    for part in made.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    return made.train()


@pytest.fixture
def x():
    return torch.randn(N, 12, dtype=torch.float64)


def loop(net, x, measures):
    """{name: mean over the examples}, ``measures(logits (way,))`` -> [(weight, scalar, power)], one by one."""
    net.eval()
    total = {name: torch.zeros_like(p) for name, p in net.named_parameters()}
    for one in x:
        for weight, value, power in measures(net(one[None])[0]):
            grads = torch.autograd.grad(value, list(net.parameters()), retain_graph=True, allow_unused=True)
            for name, grad in zip(total, grads, strict=True):
                if grad is not None:
                    total[name] += weight * grad.abs() ** power / len(x)
    net.train()
    return total


def same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-6, atol=1e-12)
        assert value.any(), name


def test_the_exact_fisher_is_that_of_single_examples(net, x):
    def classes(logits):
        p = logits.softmax(0).detach()
        return [(p[c], logits.log_softmax(0)[c], 2) for c in range(WAY)]

    found = fisher(net, dict(net.named_parameters()), x)
    same(found, loop(net, x, classes))


def test_the_empirical_fisher_is_that_of_the_labels(net, x):
    y = torch.arange(N) % WAY
    labels = iter(y.tolist())
    expected = loop(net, x, lambda logits: [(1.0, logits.log_softmax(0)[next(labels)], 2)])
    same(fisher(net, dict(net.named_parameters()), x, y, kind="empirical"), expected)


def test_the_predicted_fisher_is_that_of_the_likeliest_class_that_is_allowed(net, x):
    allowed = torch.ones(N, WAY, dtype=torch.bool)
    allowed[:, net.eval()(x).mean(0).argmax()] = False
    left = torch.zeros(WAY).masked_fill(~allowed[0], -torch.inf)

    def likeliest(logits):
        log_p = (logits + left).log_softmax(0)
        return [(1.0, log_p[log_p.argmax()], 2)]

    found = fisher(net, dict(net.named_parameters()), x, allowed=allowed, kind="predicted")
    same(found, loop(net, x, likeliest))


def test_the_sensitivity_is_that_of_single_examples(net, x):
    found = sensitivity(net, dict(net.named_parameters()), x)
    same(found, loop(net, x, lambda logits: [(1.0, logits.square().sum(), 1)]))


def test_sampled_labels_average_to_the_exact_fisher(x):
    net = nn.Sequential(nn.Linear(12, WAY)).double()
    weights, rng = dict(net.named_parameters()), torch.Generator().manual_seed(0)
    exact = fisher(net, weights, x)["0.weight"]
    drawn = torch.stack([fisher(net, weights, x, kind="sample", rng=rng)["0.weight"] for _ in range(400)])
    assert (drawn.mean(0) - exact).norm() < 4 * drawn.std(0).norm() / 20
    assert (drawn[0] - exact).norm() > 0


def test_classes_that_are_not_allowed_have_no_part(x):
    net = nn.Sequential(nn.Linear(12, WAY)).double()
    allowed = torch.tensor([True, False, True, False]).expand(N, WAY)
    found = fisher(net, dict(net.named_parameters()), x, allowed=allowed)["0.weight"]
    small = nn.Sequential(nn.Linear(12, 2)).double()
    small[0].weight.data, small[0].bias.data = net[0].weight.data[::2], net[0].bias.data[::2]
    torch.testing.assert_close(found[::2], fisher(small, dict(small.named_parameters()), x)["0.weight"])
    assert not found[1::2].any()


def test_the_square_of_a_mean_gradient_is_another_thing(x):
    net = nn.Sequential(nn.Linear(12, WAY)).double()
    y = torch.arange(N) % WAY
    mean = torch.autograd.grad(F.cross_entropy(net(x), y), net[0].weight)[0].square()
    right = fisher(net, dict(net.named_parameters()), x, y, kind="empirical")["0.weight"]
    assert mean.sum() < 0.6 * right.sum()


def test_the_parts_of_many_examples_add_up(net):
    x = torch.randn(300, 12, dtype=torch.float64)
    weights = dict(net.named_parameters())
    whole, first, second = (sensitivity(net, weights, part) for part in (x, x[:100], x[100:]))
    for name, value in whole.items():
        torch.testing.assert_close(value, (first[name] + 2 * second[name]) / 3)


def test_the_mode_and_the_weights_stay(net, x):
    net[-1].eval() if isinstance(net, nn.Sequential) else net.last.eval()
    modes = [part.training for part in net.modules()]
    before = {name: value.clone() for name, value in net.state_dict().items()}
    fisher(net, dict(net.named_parameters()), x)
    assert [part.training for part in net.modules()] == modes
    assert not any(part._forward_hooks for part in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize("make", [lambda: norm("batch", 5), lambda: nn.BatchNorm1d(5, track_running_stats=False)])
def test_normalization_by_the_batch_is_refused(make, x):
    net = nn.Sequential(nn.Linear(12, 5), make(), nn.Linear(5, WAY)).double()
    with pytest.raises(ValueError, match="normalizes by the batch"):
        sensitivity(net, dict(net.named_parameters()), x)


def test_no_examples_and_strange_powers_are_refused(x):
    net = nn.Linear(12, WAY).double()
    with pytest.raises(ValueError, match="at least one example"):
        sensitivity(net, dict(net.named_parameters()), x[:0])
    with pytest.raises(ValueError, match="power of 1 or 2"):
        importance(net, dict(net.named_parameters()), x, lambda logits: logits.T, power=3)
    with pytest.raises(ValueError, match="pass y"):
        fisher(net, dict(net.named_parameters()), x, kind="empirical")


class Headed(nn.Module):
    """Heads of several tasks, one of which is asked; ``scale`` is mapped unless it is another's, too."""

    def __init__(self, scaled):
        super().__init__()
        self.body, self.heads = nn.Linear(12, 6), nn.ModuleList([nn.Linear(6, WAY) for _ in range(2)])
        self.scale, self.scaled = nn.Parameter(torch.rand(6)), scaled

    def forward(self, x):
        z = self.body(x)
        return self.heads[1](self.scale * z if self.scaled else z)


@pytest.mark.parametrize("scaled", [True, False])
def test_what_is_not_read_matters_nothing_and_costs_nothing(monkeypatch, scaled):
    left = []
    mapped = measures_of._mapped
    monkeypatch.setattr(measures_of, "_mapped", lambda *given: (left.append({*given[1]} - given[2]), mapped(*given)))
    net = Headed(scaled).double()
    weights, x = dict(net.named_parameters()), torch.rand(N, 12, dtype=torch.float64)
    found = fisher(net, weights, x)
    assert left == [{"scale"} if scaled else set()]
    assert not any(found[name].any() for name in ("heads.0.weight", "heads.0.bias"))
    assert found["heads.1.weight"].any()
    assert bool(found["scale"].any()) is scaled
    unread = {name: weights[name] for name in ("heads.0.weight", "heads.0.bias")}
    for frozen in (False, True):
        net.requires_grad_(not frozen)
        assert not any(found.any() for found in fisher(net, unread, x).values())


def test_the_convolutions_of_the_few_shot_net_are_not_mapped(monkeypatch):
    closed = set()
    monkeypatch.setattr(measures_of, "_mapped", lambda *given: closed.update(given[2]))
    net = nn.Sequential(conv4((1, 16, 16), width=4, normalization="group"), nn.Linear(4, 3))
    sensitivity(net, dict(net.named_parameters()), torch.rand(2, 1, 16, 16))
    convolutions = {f"{name}.weight" for name, layer in net.named_modules() if isinstance(layer, Conv2d)}
    assert len(convolutions) == 3
    assert convolutions <= closed
