"""What is drawn of the inside of learners is what they did."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from quickstudy import charts, inside, learners, report
from quickstudy.commands.instances import table
from quickstudy.instances import instances
from quickstudy.tasks import episodes, sequences

HOSTILE = "a < b & $c$"


@pytest.fixture
def mann(pool):
    return learners.mann(pool.shape, way=3, hidden=6, rows=12, width=4, heads=2)


@pytest.fixture
def stream(pool):
    return sequences(pool, 3, 9)[0]


def shades(html):
    """The opacities, from 0 to 1, of every heat map of the page."""
    found = re.findall(r"data:image/png;base64,([^\"]+)", html)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one))))[..., 3] / 255 for one in found]


def test_a_heat_map_holds_its_values():
    values = np.random.default_rng(0).random((5, 3))
    html = charts.heatmap(values, xlabel="x", ylabel="y", classes=[0, 2, 1], describe="d")
    (found,) = shades(html)
    np.testing.assert_allclose(found, values, atol=0.5 / 255)
    assert re.findall(r">(\d)</text>", html)[-3:] == ["1", "3", "2"]


def test_a_memory_is_drawn_as_it_was_used(mann, stream):
    html = inside.memory(mann, stream, 3, HOSTILE)
    with torch.no_grad():
        done = mann.accesses(stream, 3)
    rows = inside.used(*(part.amax(1).mT.numpy() for part in (done.write, done.read)))
    write, read, usage = shades(html)
    np.testing.assert_allclose(write, done.write.amax(1).mT[:rows], atol=0.51 / 255)
    np.testing.assert_allclose(read, done.read.amax(1).mT[:rows], atol=0.51 / 255)
    np.testing.assert_allclose(usage, (done.usage / done.usage.max()).mT[:rows], atol=0.51 / 255)
    assert HOSTILE not in html


def test_only_rows_that_were_used_are_shown():
    weights = np.zeros((8, 4))
    weights[2, 1] = 0.4
    assert inside.used(weights, weights / 2) == 3
    assert inside.used(np.zeros((8, 4))) == 1


def test_attention_sums_to_the_answer(pool):
    learner = learners.matching(pool.shape, width=4, normalization="group").double()
    support, query = episodes(pool, 3, 2, 3)[0]
    state = learner.adapt(learner.init(3), support._replace(x=support.x.double()))
    weights = learner.attention(state, query.x.double())
    said = learner.predict(state, query.x.double()).softmax(-1)
    torch.testing.assert_close(weights @ state.labels, said)
    html = inside.attention(learner.float(), episodes(pool, 3, 2, 3)[0], 3, HOSTILE)
    order = support.y.argsort(stable=True), query.y.argsort(stable=True)
    (drawn,) = shades(html)
    np.testing.assert_allclose(drawn, weights.detach()[order[1]][:, order[0]], atol=0.6 / 255)


def test_learners_that_cannot_be_looked_into_have_no_section(pool, stream):
    assert inside.section(learners.neighbours(pool.shape), stream, 3, "n") == ""
    assert "looks" in inside.section(learners.matching(pool.shape, width=4, normalization="group"), stream, 3, "m")


@pytest.mark.parametrize(("name", "more", "layers"), [("meta_networks", {"hidden": 8, "size": 8}, 1), ("snail", {}, 3)])
def test_every_attention_has_a_picture(name, more, layers, pool):
    learner = getattr(learners, name)(pool.shape, way=3, width=4, normalization="group", **more)
    html = inside.attention(learner, episodes(pool, 3, 2, 3)[0], 3, name)
    assert [part.shape for part in shades(html)] == layers * [(9, 6)]


def test_the_page_by_instance_has_every_figure(mann, pool):
    tasks = sequences(pool, 3, 9)
    results = [instances(learners.neighbours(pool.shape), tasks, 8, name=HOSTILE), instances(mann, tasks, 8, name="m")]
    html = report.page("Title", [], facts={"command": "c"}, sections=[inside.by_instance(results, 9)])
    assert "Nothing was evaluated" not in html
    assert HOSTILE not in html
    for result in results:
        for mean, half in result.estimates(3):
            assert f"{100 * mean:.1f} ± {100 * half:.1f}" in html
    assert html.count("<td>–</td>") == sum(np.isnan(one.mean) for r in results for one in r.estimates(9)) > 0


def test_the_table_says_what_was_measured(pool):
    result = instances(learners.neighbours(pool.shape), sequences(pool, 3, 9), 8, name="neighbours")
    head, _, row = table([result], 9).splitlines()
    assert head.startswith("3 classes, 3 labels, 8 streams of 9, chance 33.3 %")
    assert f"{100 * result.estimates(2)[1].mean:.2f} ±" in row
    assert row.endswith("–")  # no class is met nine times


def test_guessing_is_among_the_labels_there_are(mann, pool):
    few, many = (instances(mann, sequences(pool, 3, 9), 8, name="m") for _ in range(2))
    page = lambda result: inside.by_instance([result], 3, "known classes")  # noqa: E731
    assert page(few) != page(replace(many, labels=30))
    assert "3 known classes." in page(few)


def test_a_stream_of_one_step_has_no_attention(pool):
    learner = learners.snail(pool.shape, way=3, width=4, normalization="group", filters=2)
    assert inside.section(learner, sequences(pool, 3, 1)[0], 3, "s") == ""
