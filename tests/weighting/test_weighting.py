"""Learned data weights in a training loop of one's own."""

import copy
import warnings

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from quickstudy import weighting
from quickstudy.weighting.overlap import fingerprints

RATE = 0.3


def net(*, norm=True, dropout=0.0):
    torch.manual_seed(3)
    parts = [nn.Linear(6, 8), nn.BatchNorm1d(8) if norm else nn.Identity(), nn.Tanh(), nn.Dropout(dropout)]
    return nn.Sequential(*parts, nn.Linear(8, 4)).double()


def examples(seed, count=7):
    chance = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 6, generator=chance, dtype=torch.double)
    return x, torch.randint(4, (count,), generator=chance)


def clean_loss_after(model, w, batch, clean, rate=RATE):
    """The definition, on copies: a step of gradient descent by autograd's own, then the loss."""
    stepped = copy.deepcopy(model)
    loss = (w * F.cross_entropy(stepped(batch[0]), batch[1], reduction="none")).sum()
    loss.backward()
    with torch.no_grad():
        for p in stepped.parameters():
            p -= rate * p.grad
        return F.cross_entropy(stepped(clean[0]), clean[1])


def differences(model, w, batch, clean, by=1e-6):
    """Of the clean loss by each weight, from both sides."""
    found = []
    for i in range(len(w)):
        ahead, behind = w.clone(), w.clone()
        ahead[i] += by
        behind[i] -= by
        both = [clean_loss_after(model, side, batch, clean) for side in (ahead, behind)]
        found.append((both[0] - both[1]) / (2 * by))
    return torch.stack(found)


forms = pytest.mark.parametrize("form", ["products", "exact"])


@forms
@pytest.mark.parametrize("start", [0.0, 0.2], ids=["at-zero", "elsewhere"])
@pytest.mark.parametrize("norm", [True, False], ids=["batch-norm", "plain"])
def test_slopes_are_finite_differences_of_the_clean_loss(form, start, norm):
    model, batch, clean = net(norm=norm), examples(0), examples(1, 5)
    virtual = weighting.reweight(model, clean, form=form, rate=RATE).virtual
    w = torch.full((7,), start, dtype=torch.double) * torch.arange(1, 8)
    found = virtual.judge(batch, lambda losses: w)
    torch.testing.assert_close(found.slopes, differences(model, w, batch, clean), rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(found.losses, F.cross_entropy(model(batch[0]), batch[1], reduction="none").detach())
    if not start:
        torch.testing.assert_close(virtual.judge(batch).slopes, found.slopes)


def test_slopes_are_products_of_gradients_of_single_examples():
    model, batch, clean = net(norm=False), examples(0), examples(1, 5)
    weights = list(model.parameters())

    def gradient(x, y):
        parts = torch.autograd.grad(F.cross_entropy(model(x), y), weights)
        return torch.cat([part.flatten() for part in parts])

    each = torch.stack([gradient(x[None], y[None]) for x, y in zip(*batch, strict=True)])
    want = (each @ gradient(*clean)).clamp_min(0)
    for form in ("products", "exact"):
        found = weighting.reweight(model, clean, form=form).weights(*batch)
        torch.testing.assert_close(found, want / want.sum())
        raw = weighting.reweight(model, clean, form=form, rate=RATE, normalize="count").weights(*batch)
        torch.testing.assert_close(raw, RATE * want / 7)


@forms
@pytest.mark.parametrize("valid_mode", ["same", "eval"])
def test_computing_weights_changes_nothing_of_the_model(form, valid_mode):
    model = net()
    before = copy.deepcopy(model.state_dict())
    weighting.reweight(model, examples(1), form=form, valid_mode=valid_mode).weights(*examples(0))
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_buffers_move_once_a_step_and_by_the_training_examples_alone():
    model, other, batch = net(), net(), examples(0)
    weighting.meta_weight_net(model, examples(1), rate=RATE)(*batch)
    other(batch[0])
    assert all(torch.equal(a, b) for a, b in zip(model.buffers(), other.buffers(), strict=True))
    assert int(model[1].num_batches_tracked) == 1


def test_by_running_statistics_no_clean_example_depends_on_another():
    model, batch, clean = net(), examples(0), examples(1, 5)
    for _ in range(3):
        model(examples(2, 30)[0])
    virtual = weighting.reweight(model, clean, valid_mode="eval").virtual
    apart = [virtual.clean_loss(virtual.weights(), [part[i : i + 1] for part in clean]) for i in range(5)]
    torch.testing.assert_close(virtual.clean_loss(virtual.weights(), clean), torch.stack(apart).mean())
    assert not torch.allclose(virtual.judge(batch).slopes, weighting.reweight(model, clean).virtual.judge(batch).slopes)


@forms
def test_where_no_example_agrees_the_batch_moves_nothing(form):
    model = net(norm=False)
    x, y = examples(0, 1)
    weigh = weighting.reweight(model, (x + 0.0, (y + 1) % 4), form=form)  # the same input, as something else
    weigh.overlap.warned = True
    loss = weigh(x, y)
    loss.backward()
    assert loss.item() == 0
    assert weigh.last.tolist() == [0.0]
    assert all(not p.grad.any() for p in model.parameters())


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([0.0, 1e-30, 0.5, 3.0]), min_size=1, max_size=6))
def test_weights_are_not_negative_and_add_up(values):
    raw = torch.tensor(values, dtype=torch.double)
    for name in ("sum", "count"):
        found = weighting.reweight(net(), examples(1), normalize=name).normalized(raw)
        total = float(raw.sum() > 0) if name == "sum" else float(raw.mean())
        assert bool((found >= 0).all())
        assert float(found.sum()) == pytest.approx(total)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5), st.integers(1, 4), st.booleans())
def test_any_numbers_of_examples_have_weights(count, clean, norm):
    weigh = weighting.reweight(net(norm=norm).eval(), examples(1, clean), draw=1)
    weights = weigh.weights(*examples(0, count))
    assert weights.shape == (count,)
    assert float(weights.sum()) in (0.0, pytest.approx(1.0))


@forms
def test_meta_weight_net_descends_the_clean_loss_by_its_own_weights(form):
    model, batch, clean = net(), examples(0), examples(1, 5)
    weigh = weighting.meta_weight_net(model, clean, rate=RATE, form=form, net_rate=1e-3, weight_decay=0.0)
    before = copy.deepcopy(weigh.net)
    losses = F.cross_entropy(copy.deepcopy(model)(batch[0]), batch[1], reduction="none").detach()

    def after(bias):
        trial = copy.deepcopy(before)
        with torch.no_grad():
            trial.layers[2].bias += bias
        w = trial(losses)
        return clean_loss_after(model, (w / w.sum()).detach(), batch, clean)

    slope = (after(1e-5) - after(-1e-5)) / 2e-5
    weigh(*batch)
    assert float(weigh.net.layers[2].bias.grad) == pytest.approx(float(slope), rel=1e-4)
    apart = [b - a for a, b in zip(before.parameters(), weigh.net.parameters(), strict=True)]
    moved = [(a, p.grad) for a, p in zip(apart, weigh.net.parameters(), strict=True)]
    assert all(bool((a * g <= 0).all()) for a, g in moved)  # Adam's first step is against the gradient
    torch.testing.assert_close(weigh.last, weigh.weigh(losses).detach())


@pytest.mark.parametrize("normalize", ["sum", "count"])
def test_likelihood_moves_the_weights_of_the_examples_it_met(normalize):
    model, batch, clean = net(norm=False), examples(0, 3), examples(1, 5)
    weigh = weighting.likelihood(model, clean, examples=10, rate=RATE, logits_rate=2.0, normalize=normalize)
    index = torch.tensor([4, 0, 9])

    def after(logits):
        w = logits[index].softmax(0) if normalize == "sum" else 10 * logits.softmax(0)[index] / 3
        return clean_loss_after(model, w, batch, clean)

    want = torch.zeros(10, dtype=torch.double)
    for i in range(10):
        step = torch.zeros(10, dtype=torch.double)
        step[i] = 1e-5
        want[i] = -2.0 * (after(step) - after(-step)) / 2e-5
    weigh(*batch, index=index)
    torch.testing.assert_close(weigh.logits, want, rtol=1e-4, atol=1e-8)
    if normalize == "sum":
        assert set(weigh.logits.nonzero().flatten().tolist()) == {0, 4, 9}
    with pytest.raises(ValueError, match="from 0 to 9, got 4 to 10"):
        weigh(*batch, index=torch.tensor([4, 5, 10]))


class Shift(nn.Module):
    def __init__(self):
        super().__init__()
        self.by = nn.Parameter(torch.zeros(6, dtype=torch.double))

    def forward(self, x, y):
        return x + self.by


def test_augmentation_descends_the_clean_loss_after_the_step():
    model, batch, clean = net(norm=False), examples(0), examples(1, 5)
    change = Shift()
    weigh = weighting.augmentation(model, clean, change, rate=RATE)

    def after(i, by):
        shift = torch.zeros(6, dtype=torch.double)
        shift[i] = by
        return clean_loss_after(model, torch.full((7,), 1 / 7), (batch[0] + shift, batch[1]), clean)

    want = torch.stack([(after(i, 1e-5) - after(i, -1e-5)) / 2e-5 for i in range(6)])
    weigh(*batch)
    torch.testing.assert_close(change.by.grad, want, rtol=1e-4, atol=1e-8)
    assert torch.equal(change.by.detach().sign(), -want.sign())
    with pytest.raises(ValueError, match="no parameter"):
        weighting.augmentation(model, clean, nn.Identity(), rate=RATE)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 5, batch_first=True)
        self.out = nn.Linear(5, 4)

    def forward(self, x):
        return self.out(self.lstm(x.float().view(len(x), 2, 3))[0][:, -1])


def test_any_module_any_loss_any_optimizer():
    model, (x, y) = Recurrent(), examples(0)
    with pytest.raises(NotImplementedError, match='form="exact"'):
        weighting.reweight(model, examples(1)).weights(x, y)

    def losses(model, x, y, scale):
        return scale * F.cross_entropy(model(x), y, reduction="none", label_smoothing=0.1)

    weigh = weighting.reweight(model, (*examples(1), torch.ones(7)), losses=losses, form="exact")
    for make in (torch.optim.Adam, torch.optim.Adagrad, torch.optim.LBFGS):
        optimizer = make(model.parameters())

        def closure(optimizer=optimizer):
            optimizer.zero_grad()
            loss = weigh(x, y, torch.ones(7))
            loss.backward()
            return loss

        before = copy.deepcopy(model)
        optimizer.step(closure)
        assert any(not torch.equal(a, b) for a, b in zip(model.parameters(), before.parameters(), strict=True))


def test_frozen_and_tied_parameters():
    model = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6)).double()
    model[2].weight = model[0].weight
    model[0].bias.requires_grad_(False)
    batch, clean = examples(0), examples(1)
    by_form = [weighting.reweight(model, clean, form=form).weights(*batch) for form in ("products", "exact")]
    torch.testing.assert_close(*by_form)
    model.requires_grad_(False)
    with pytest.raises(ValueError, match="no parameter of the model is trained"):
        weighting.reweight(model, clean).weights(*batch)


def test_clean_examples_that_are_learned_from_are_named_once():
    model, (x, y) = net(), examples(0)
    weigh = weighting.reweight(model, (x[:3].clone(), y[:3]))
    with pytest.warns(UserWarning, match="2 of 4 examples of this batch are clean") as caught:
        weigh(x[1:5], y[1:5])
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        weigh(x[1:5], y[1:5])
        weighting.reweight(model, (x[:3], y[:3]))(x[3:], y[3:])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.float32, torch.double, torch.long])
def test_rows_are_told_apart_by_whole_numbers(dtype):
    x = torch.randint(0, 200, (40, 3, 37, 41)).to(dtype)
    found = fingerprints(x)
    assert len(set(found.tolist())) == 40
    assert torch.equal(fingerprints(x.flip(0)[::3]), found.flip(0)[::3])
    assert torch.equal(fingerprints(x[:, 0, 0, 0]), fingerprints(x[:, 0, 0, :1]))


def test_draws_of_clean_examples_are_those_of_the_seed():
    clean = examples(1, 9)
    one, two = (weighting.reweight(net(), clean, draw=4, seed=5).virtual for _ in range(2))
    for _ in range(3):
        drawn = one.clean_batch()
        assert torch.equal(drawn[0], two.clean_batch()[0])
        assert len({tuple(row.tolist()) for row in drawn[0]}) == 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"form": "second"}, "products or exact"),
        ({"normalize": "mean"}, "sum or count"),
        ({"valid_mode": "train"}, "same or eval"),
        ({"rate": 0.0}, "above 0"),
        ({"draw": 8}, "at most all"),
        ({"losses": lambda model, x, y: F.cross_entropy(model(x), y)}, 'reduction="none"'),
    ],
)
def test_what_makes_no_sense_is_refused(options, said):
    with pytest.raises(ValueError, match=said):
        weighting.reweight(net(), examples(1), **options)(*examples(0))
    with pytest.raises(ValueError, match="clean example"):
        weighting.reweight(net(), (torch.zeros(0, 6), torch.zeros(0)))


def blobs(count, seed):
    chance = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % 4
    middle = 2 * torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    return middle[y] + 0.7 * torch.randn(count, 6, generator=chance), y


MAKES = {
    "reweight": lambda model, clean: weighting.reweight(model, clean),
    "meta_weight_net": lambda model, clean: weighting.meta_weight_net(model, clean, rate=0.1, net_rate=0.01),
    "likelihood": lambda model, clean: weighting.likelihood(model, clean, examples=400, rate=0.1, logits_rate=100),
}


@pytest.mark.parametrize("name", MAKES)
def test_wrong_labels_come_to_weigh_less(name):
    x, y = blobs(400, 1)
    wrong = torch.arange(400) % 5 < 2
    noisy = torch.where(wrong, (y + 1 + torch.arange(400) // 5 % 3) % 4, y)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 4))
    weigh = MAKES[name](model, blobs(20, 2))
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    kept = torch.zeros(400)
    for epoch in range(6):
        for index in torch.randperm(400).split(50):
            index_of = {"index": index} if name == "likelihood" else {}
            optimizer.zero_grad()
            weigh(x[index], noisy[index], **index_of).backward()
            optimizer.step()
            if epoch >= 2:
                kept[index] += weigh.last
    assert float(kept[~wrong].mean()) > 1.5 * float(kept[wrong].mean())


class Attention(nn.Module):
    """A net that has no batch, but attention."""

    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(3, 1, dim_feedforward=5, dropout=0.0, batch_first=True)
        self.last = nn.Linear(3, 4)

    def forward(self, x):
        return self.last(self.layer(x.view(len(x), 2, 3)).mean(1))


@forms
def test_models_with_attention_are_weighed(form):
    model, batch, clean = Attention().double(), examples(0), examples(1)
    found = weighting.reweight(model, clean, rate=RATE, form=form).virtual.judge(batch)
    expected = differences(model, torch.zeros(7, dtype=torch.double), batch, clean)
    torch.testing.assert_close(found.slopes, expected, rtol=1e-4, atol=1e-7)
