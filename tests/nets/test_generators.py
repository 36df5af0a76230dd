"""Generators: what they lower is what they say, and they learn to draw."""

import pytest
import torch

from quickstudy.core import Examples
from quickstudy.learners.generative import Adversarial, Autoencoded
from quickstudy.nets.vae import vae
from quickstudy.nets.wgan import wgan
from quickstudy.rules import adam

SHAPE = (1, 4, 4)


def two_pictures(n):
    """Halves of ink, the upper or the lower."""
    x = torch.zeros(n, *SHAPE)
    x[: n // 2, :, :2], x[n // 2 :, :, 2:] = 1, 1
    return Examples(x, (torch.arange(n) >= n // 2).long())


def test_the_bound_is_that_of_the_definition():
    net = vae(SHAPE, widths=(6,), latent=3).double()
    x, noise = torch.rand(5, *SHAPE).double(), torch.randn(5, 3).double()
    share = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.0]).double()
    mean, log_variance = net.code(net.encoder(x)).chunk(2, 1)
    code = torch.distributions.Normal(mean, (log_variance / 2).exp())
    prior = torch.distributions.Normal(torch.zeros_like(mean), 1.0)
    apart = torch.distributions.kl_divergence(code, prior).sum(1)
    p = net.decode(mean + code.stddev * noise).flatten(1)
    ink = -(x.flatten(1) * p.log() + (1 - x.flatten(1)) * (1 - p).log()).sum(1)
    torch.testing.assert_close(net(x, noise, share), (share * (ink + apart) / 16).sum())


def test_the_critic_s_loss_is_that_of_the_paper():
    net = wgan(SHAPE, widths=(6,), latent=3).double()
    x, z, between = torch.rand(5, *SHAPE).double(), torch.randn(5, 3).double(), torch.rand(5).double()
    share = torch.full((5,), 0.2).double()
    drawn, expected = net.decode(z), 0.0
    for i in range(5):
        middle = ((1 - between[i]) * x[i] + between[i] * drawn[i]).detach()[None]
        slope = torch.func.grad(lambda m: net.critic(m).sum())(middle).norm()
        expected += (net.critic(drawn[i][None]) - net.critic(x[i][None])).sum() + 10 * (slope - 1) ** 2
    torch.testing.assert_close(net("critic", z, x, share, between), expected / 5)
    torch.testing.assert_close(net("generator", z, x, share, between), -net.critic(drawn).mean())


@pytest.mark.parametrize("kind", ["vae", "gan"])
def test_it_learns_to_draw_and_keeps_the_past(kind):
    torch.manual_seed(0)
    if kind == "vae":
        memory = Autoencoded(vae(SHAPE, widths=(32,), latent=2), adam(0.01), steps=300, batch=16)
    else:
        memory = Adversarial(wgan(SHAPE, widths=(32,), latent=2), adam(0.003, betas=(0.5, 0.9)), steps=2400, batch=16)
    data, rng = two_pictures(40), torch.Generator().manual_seed(0)
    state = memory.init(2)
    for number in (1, 2):
        part = Examples(data.x[data.y == number - 1], data.y[data.y == number - 1])
        state = memory.add(state, part, number, rng)
    drawn = memory.sample(state, 400, rng)
    near = torch.cdist(drawn.flatten(1), torch.stack([data.x[0], data.x[-1]]).flatten(1))
    share = (near.argmin(1) == 0).float().mean()
    assert 0.2 < share < 0.8  # the first is not forgotten, the second is learned
    assert near.min(1)[0].mean() < 1.2  # of a distance of 4 between the two


def test_the_generator_steps_once_in_six_and_touches_its_own_weights():
    memory = Adversarial(wgan(SHAPE, widths=(6,), latent=2), adam(0.01), steps=5, batch=4)
    start, rng = memory.init(2), torch.Generator().manual_seed(0)
    after = memory.add(start, two_pictures(8), 1, rng)
    changed = {name for name, w in after.weights.items() if not torch.equal(w, start.weights[name])}
    assert changed
    assert all(name.startswith("critic.") for name in changed)
    memory.steps = 6
    after = memory.add(start, two_pictures(8), 1, torch.Generator().manual_seed(0))
    assert any(not torch.equal(w, start.weights[n]) for n, w in after.weights.items() if n.startswith("generator."))


def test_samples_are_pictures_of_the_state_not_of_the_module():
    memory = Autoencoded(vae(SHAPE, widths=(6,), latent=2), adam(0.01), steps=3, batch=4)
    state = memory.add(memory.init(2), two_pictures(8), 1, torch.Generator().manual_seed(0))
    one, other = (memory.sample(s, 5, torch.Generator().manual_seed(1)) for s in (state, memory.init(2)))
    assert one.shape == (5, *SHAPE)
    assert not torch.equal(one, other)
    z = memory.net.noise(5, torch.Generator().manual_seed(1))
    torch.testing.assert_close(other, memory.net.decode(z))
