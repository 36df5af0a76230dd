import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from quickstudy import learner_maps, learners
from quickstudy.embedding import embedding
from quickstudy.evaluate import evaluate
from quickstudy.files import FileProblem
from quickstudy.gallery import Sheets
from quickstudy.lifelong import live
from quickstudy.tasks import episodes, streams

SIDE = 16


@pytest.fixture
def stream(make_pool):
    return streams.split(make_pool([12] * 6), make_pool([6] * 6, seed=1), 2, scenario="class")


def continual(stream, name="ewc"):
    torch.manual_seed(0)
    made = learners.continual(stream.shape, widths=(8,), steps=3, batch=4, rate=1e-2)
    return getattr(learners, name)(made) if name != "continual" else made


@given(st.integers(1, 30), st.integers(1, 8))
def test_the_plane_is_that_of_principal_components(count, wide):
    x = np.random.default_rng(count).normal(size=(count, wide)) * np.arange(1, wide + 1)
    places, share = learner_maps.principal(x)
    kept = min(2, count, wide)
    reference = PCA(kept).fit(x) if count > 1 else None
    wanted = reference.transform(x) if reference else np.zeros((1, kept))
    np.testing.assert_allclose(np.abs(places[:, :kept]), np.abs(wanted), atol=1e-8)
    assert places.shape == (count, 2)
    assert share == pytest.approx(reference.explained_variance_ratio_.sum() if reference else 1.0)


@given(st.floats(0, 6.3), st.booleans())
def test_a_plane_that_was_turned_or_mirrored_is_turned_back(angle, mirrored):
    before = np.random.default_rng(0).normal(size=(9, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    after = before @ turn * ([1, -1] if mirrored else [1, 1])
    np.testing.assert_allclose(learner_maps.aligned(after, before), before, atol=1e-9)


@pytest.mark.parametrize("name", ["continual", "ewc", "replay"])
def test_a_learner_sees_with_the_weights_of_its_state(stream, name):
    learner = continual(stream, name)
    x, first = stream.exam(0).x, learner.init(stream.way)
    later = learner.adapt(first, stream[0])
    net, weights = embedding(learner), learner.weights(later)
    np.testing.assert_allclose(learner_maps.seen(learner, x, first), net(x).detach().double().numpy(), rtol=1e-6)
    for key, weight in net.state_dict(keep_vars=True).items():
        weight.data.copy_(weights[f"net.{key}"])
    np.testing.assert_allclose(learner_maps.seen(learner, x, later), net(x).detach().double().numpy(), rtol=1e-6)


@pytest.mark.parametrize("shot", [1, 3])
def test_an_episode_has_every_picture_and_a_line_for_every_mistake(pool, shot):
    learner = learners.prototypes((1, SIDE, SIDE), width=8).eval()
    (shown,) = evaluate(learner, episodes(pool, 4, shot, 5), 1, shown=1).shown
    section = learner_maps.episode(learner, shown, Sheets(), "<us>")
    assert section.count("<use ") == 4 * shot + 4 * 5
    assert section.count("stroke-dasharray") == int((shown.answers != np.asarray(shown.task.query.y)).sum())
    assert section.count('r="10"') == 4
    assert "&lt;us&gt;" in section
    assert "<us>" not in section


def test_a_learner_that_adapts_its_net_is_shown_as_it_has_adapted(pool):
    torch.manual_seed(0)
    learner = learners.maml((1, SIDE, SIDE), way=4, width=8, rate=0.5).eval()
    (shown,) = evaluate(learner, episodes(pool, 4, 2, 5), 1, shown=1).shown
    section = learner_maps.episode(learner, shown, Sheets(), "maml")
    assert "after adapting to the support" in section
    assert section.count("<use ") == 4 * 2 + 4 * 5
    state = learner.adapt(learner.init(4), shown.task.support)
    apart = learner_maps.seen(learner, shown.task.query.x, state) - learner_maps.seen(learner, shown.task.query.x)
    assert np.abs(apart).max() > 1e-3


def test_a_learner_without_an_embedding_has_no_picture(pool):
    (shown,) = evaluate(learners.prototypes((1, SIDE, SIDE), width=8), episodes(pool, 4, 1, 5), 1, shown=1).shown
    assert learner_maps.episode(learners.mann((1, SIDE, SIDE), way=4), shown, Sheets(), "mann") == ""
    with pytest.raises(ValueError, match="MANN has no embedding of single inputs; choose a learner"):
        embedding(learners.mann((1, SIDE, SIDE), way=4))


def test_a_life_is_watched_and_a_killed_one_goes_on(stream, tmp_path):
    whole, again = (learner_maps.Watched(tmp_path / f"{name}.json") for name in ("whole", "again"))
    live(continual(stream), stream, watch=whole)
    contexts, planes = whole.kept()
    assert [*planes] == [*range(len(stream) + 1)]
    assert all(plane.places.shape == (len(contexts), 2) for plane in planes.values())
    live(continual(stream), stream, watch=again)
    state = continual(stream).init(stream.way)
    for number in (1, 2, 3):  # a context that was killed after it was watched is watched again
        state = continual(stream).adapt(state, stream[number - 1])
        again(continual(stream), stream, number, state)
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    section = learner_maps.life(whole, ["one", "two", "<3>"])
    assert section.count("<figure>") == 4
    assert "&lt;3&gt;</li>" in section
    assert section.count("<circle") == 4 * len(contexts) + 3
    assert section.count('fill-opacity="0.18"') == sum(
        context >= learned for learned in range(4) for context in contexts
    )


def test_a_map_that_was_lost_begins_where_the_life_goes_on(stream, tmp_path):
    watched = learner_maps.Watched(tmp_path / "maps.json")
    watched(continual(stream), stream, 2, continual(stream).init(stream.way))
    assert [*watched.kept()[1]] == [2]
    assert "after context 2" in learner_maps.life(watched, ["a", "b", "c"])
    watched(continual(stream), stream, 1, continual(stream).init(stream.way))
    assert [*watched.kept()[1]] == [1]


@pytest.mark.parametrize(
    "broken",
    [
        {"context": None},
        {"planes": [None]},
        {"planes": [{"after": 0, "share": 1.0}]},
        {"planes": [{"after": 0, "share": None, "places": [[0, 0], [1, 1]]}]},
        {"planes": [{"after": 0, "share": 1.0, "places": [[0, 0]]}]},
        {"planes": [{"after": 0, "share": 1.0, "places": [[0, None], [1, 1]]}]},
    ],
    ids=str,
)
def test_a_damaged_map_is_named_with_the_cure(broken, tmp_path):
    path = tmp_path / "maps.json"
    path.write_text(json.dumps({"context": [0, 0], "planes": []} | broken))
    with pytest.raises(FileProblem, match=r"maps\.json is damaged \(.+\); delete it"):
        learner_maps.life(learner_maps.Watched(path), ["one"])


def test_few_shot_learners_see_the_same_all_their_lives(stream, tmp_path):
    torch.manual_seed(0)
    watched = learner_maps.Watched(tmp_path / "maps.json")
    live(learners.prototypes(stream.shape, width=8).eval(), stream, watch=watched)
    first, *others = (plane.places for plane in watched.kept()[1].values())
    assert all(np.abs(other - first).max() < 1e-3 for other in others)
    assert learner_maps.life(learner_maps.Watched(tmp_path / "nothing.json"), ["one"]) == ""
