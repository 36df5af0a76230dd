"""The page says what the evaluations hold, loads nothing, and survives every name and every gap."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from PIL import Image

from quickstudy import charts, gallery, learners, life_report, metrics, report
from quickstudy.data.pool import build
from quickstudy.evaluate import compare, evaluate
from quickstudy.tasks import episodes

HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='f()'>",
    "a & b/c\nd",
    "日本語/文字",
    "'; } </style>",
    "plain",
)
VOID = {"meta", "br", "input", "img", "link"}


class Page(HTMLParser):
    """What a browser would see: tags, text, and whether every tag that opens also closes."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.text, self.styles = [], [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        (self.styles if self.open[-1:] == ["style"] else self.text).append(data)

    def all(self, tag, css=None):
        found = [attrs for name, attrs in self.tags if name == tag]
        return [a for a in found if css is None or css in a.get("class", "").split()]

    @property
    def words(self):
        return re.sub(r"[ \n]+", " ", "".join(self.text))  # keeps the narrow spaces of the numbers


def tasks(names=HOSTILE, *, way=5, shot=2, query=3, shape=(1, 8, 8)):
    generator = torch.Generator().manual_seed(0)
    base = torch.rand(len(names), 1, *shape, generator=generator)
    noisy = 0.3 * base + 0.7 * torch.rand(len(names), 8, *shape, generator=generator)
    pool = build({name: (255 * x).to(torch.uint8) for name, x in zip(names, noisy, strict=True)})
    return episodes(pool, way, shot, query)


def measured(*, count=30, kinds=("neighbours", "density"), shown=2, **options):
    drawn = tasks(**options)
    make = {"neighbours": learners.neighbours, "density": learners.density, "prototypes": learners.prototypes}
    return [evaluate(make[kind](drawn.pool.shape), drawn, count, name=kind, shown=shown) for kind in kinds]


@pytest.fixture(scope="module")
def evaluations():
    return measured()


@pytest.fixture(scope="module")
def html(evaluations):
    curve = [
        {"step": s, "loss": 10.0 ** (-s / 50), **({"score": s / 200} if s % 50 == 0 else {})} for s in range(1, 101)
    ]
    return report.page(
        "A <title> & more",
        evaluations,
        facts={"data": "folder:/tmp/<b>", "command": "quickstudy compare --name '<i>'"},
        curves={"neighbours": curve, "<u>": curve},
    )


def test_the_page_is_whole_and_its_frame_is_there(html):
    page = Page(html)
    assert html.startswith("<!DOCTYPE html>")
    assert page.all("html") == [{"lang": "en"}]
    assert any(meta.get("name") == "viewport" for meta in page.all("meta"))
    assert len(page.all("h1")) == len(page.all("main")) == 1
    assert html.index("<title>A &lt;title&gt; &amp; more</title>") < html.index("<body>")


def test_it_loads_nothing(html):
    page = Page(html)
    assert not page.all("script")
    assert not page.all("link")
    assert not page.all("iframe")
    assert not re.search(r"https?://", html)
    assert not re.search(r"url\(|@import", "".join(page.styles))
    for tag, attrs in page.tags:
        assert not any(name.startswith("on") for name in attrs), tag
        for name in ("src", "href"):
            assert attrs.get(name, "#").startswith(("#", "data:image/")), (tag, attrs)


def test_every_reference_has_its_target(html):
    page = Page(html)
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {attrs["href"][1:] for attrs in page.all("use")} <= set(ids)


def test_hostile_names_are_text(html, evaluations):
    page = Page(html)
    assert not page.all("img")
    assert not page.all("u")
    assert "<script>" not in html
    drawn = {name for shown in evaluations[0].shown for name in shown.classes}
    assert len(drawn) >= 5
    for name in drawn:
        assert any(attrs.get("title") == name for attrs in page.all("p", "name"))
    assert html.count("</style>") == 1
    assert "folder:/tmp/<b>" in page.words
    assert "quickstudy compare --name '<i>'" in page.words


def test_its_numbers_are_the_evaluations(html, evaluations):
    words = Page(html).words
    best = max(evaluations, key=lambda e: e.estimate.mean)
    assert f"{100 * best.estimate.mean:.1f}\u202f% ± {100 * best.estimate.interval95:.1f}" in words
    assert "5-way 2-shot" in words
    assert "Guessing would be right 20.0\u202f%" in words
    for e in evaluations:
        assert f"{e.name}{100 * e.accuracy.mean():.2f} ± {100 * e.estimate.interval95:.2f}" in words.replace(
            f"{e.name} ", e.name
        )
        assert f"{e.name}calibration error {100 * e.calibration_error:.1f}\u202f%" in words


def test_the_paired_difference_is_shown_against_the_best(evaluations):
    best, other = sorted(evaluations, key=lambda e: -e.estimate.mean)
    words = Page(report.page("t", [best, other], facts={})).words
    assert report.interval(compare(other, best)) in words
    assert f"difference to {best.name}" in words


@pytest.mark.parametrize(("shift", "told"), [(0.0, True), (0.5, False)])
def test_it_says_where_an_interval_includes_zero(evaluations, shift, told):
    first = evaluations[0]
    noise = np.resize([0.01, -0.01], first.accuracy.shape)
    second = dataclasses.replace(first, name="second", accuracy=first.accuracy - shift + noise)
    page = Page(report.page("t", [first, second], facts={}))
    assert (len(page.all("span", "tag")) == 1) is told


def test_no_difference_has_no_sign():
    assert report.interval(metrics.Estimate(-1e-9, 0.01)) == "0.00 ± 1.00"
    assert report.interval(metrics.Estimate(-0.0123, float("nan"))) == "−1.23 ± unknown"


def test_other_tasks_are_not_compared(evaluations):
    fewer = measured(count=7, kinds=("density",))
    assert "other tasks" in Page(report.page("t", [evaluations[0], *fewer], facts={})).words


def test_only_a_learner_that_sees_its_other_queries_is_called_transductive():
    untrained = measured(count=2, kinds=("prototypes", "density"), shape=(1, 16, 16))
    rows = re.findall(r'<tr><th scope="row">.*?</tr>', report.page("t", untrained, facts={}), re.S)
    assert [("<td>yes</td>" in row, "<td>no</td>" in row) for row in rows] == [(True, False), (False, True)]


def test_wrong_answers_are_marked_with_what_was_said(evaluations):
    e = evaluations[0]
    page = Page(report.page("t", [e], facts={}))
    said = [
        (answer, label, s) for s in e.shown for answer, label in zip(s.answers, s.task.query.y.tolist(), strict=True)
    ]
    wrong = [(answer, s) for answer, label, s in said if answer != label]
    assert wrong
    assert len(page.all("span", "no")) == len(wrong)
    assert len(page.all("span", "yes")) == len(said) - len(wrong)
    titles = Counter(svg["aria-label"] for svg in page.all("svg", "pic") if svg["aria-label"].startswith("wrong"))
    assert titles == Counter(f"wrong: taken for {s.classes[answer]}" for answer, s in wrong)
    assert "".join(page.text).count("✗ taken for") == sum(
        len({label for answer, label, t in said if t is s and answer != label}) for s in e.shown
    )


def test_methods_and_tasks_can_be_chosen_and_share_their_pictures(evaluations):
    html = report.page("t", [dataclasses.replace(e, mistakes=Counter()) for e in evaluations], facts={})
    page = Page(html)
    assert [radio["name"] for radio in page.all("input")] == ["method"] * 2 + ["task"] * 2
    assert len(page.all("div", "panel")) == 4
    assert len(page.all("image")) == 2  # a sheet a task, not one a method
    for m in range(2):
        for t in range(2):
            assert f".drawn:has(#m{m}:checked):has(#t{t}:checked) .p{m}-{t}" in html


def test_one_method_and_one_task_leave_nothing_to_choose():
    page = Page(report.page("t", measured(count=1, kinds=("density",), shown=1), facts={}))
    assert not page.all("fieldset")
    assert len(page.all("div", "panel")) == 1
    assert "±" in page.words
    assert "unknown" in page.words
    assert "nan" not in page.words


def test_a_page_of_nothing_is_a_page():
    page = Page(report.page("empty", [], facts={}, curves={}))
    assert "Nothing was evaluated." in page.words


def test_nothing_shown_nothing_drawn():
    page = Page(report.page("t", measured(shown=0), facts={}, curves={"x": []}))
    assert not page.all("div", "panel")
    assert "Learning" not in page.words


def test_classes_that_training_saw_are_not_called_new(evaluations):
    assert "never seen in training" in Page(report.page("t", evaluations, facts={})).words
    assert "tasks of known classes" in Page(report.page("t", evaluations, facts={}, classes="known classes")).words


def test_the_same_evaluations_give_the_same_page(evaluations):
    assert report.page("t", evaluations, facts={"a": "b"}) == report.page("t", evaluations, facts={"a": "b"})


def test_save_writes_the_page(tmp_path, html):
    report.save(tmp_path / "new" / "page.html", html)
    assert (tmp_path / "new" / "page.html").read_text(encoding="utf-8") == html


def test_the_hardest_pairs_are_counted_from_every_answer(evaluations):
    e = evaluations[0]
    for pair in report.hardest(e):
        assert (pair.first_wrong, pair.second_wrong) == (e.mistakes[pair[:2]], e.mistakes[pair[1::-1]])
        assert pair.first_wrong >= pair.second_wrong
        assert pair.rate == (pair.first_wrong + pair.second_wrong) / (2 * pair.asked)
        assert 0 <= pair.surely < pair.rate
    rates = [pair.surely for pair in report.hardest(e)]
    assert rates == sorted(rates, reverse=True)


def test_a_pair_that_hardly_met_is_left_out(evaluations):
    e = dataclasses.replace(
        evaluations[0],
        mistakes=Counter({("a", "b"): 5, ("c", "d"): 12, ("d", "c"): 3}),
        meetings=Counter({("a", "b"): 5, ("c", "d"): 40, ("d", "c"): 40}),
    )
    assert report.hardest(e) == [report.Pair("c", "d", 12, 3, 40)]
    words = Page(report.page("t", [e], facts={})).words
    assert "c taken for d 12 of 40 times" in words
    assert "19\u202f% of 80 questions" in words


def test_pairs_are_pictured_by_the_pool_or_else_by_a_shown_task(evaluations):
    e = dataclasses.replace(
        evaluations[0],
        mistakes=Counter({("far", "away"): 30, (HOSTILE[0], HOSTILE[5]): 20}),
        meetings=Counter({("far", "away"): 40, (HOSTILE[0], HOSTILE[5]): 40}),
    )
    asked = []

    def pictures(name):
        asked.append(name)
        return torch.full((1, 5, 5), 255, dtype=torch.uint8) if name == "far" else None

    page = Page(report.page("t", [e], facts={}, pictures=pictures))
    assert sorted(asked) == sorted(["far", "away", HOSTILE[0], HOSTILE[5]])
    assert len(page.all("span", "none")) == 1
    assert "far" in [svg["aria-label"] for svg in page.all("svg", "pic")]


@pytest.mark.parametrize(("shape", "kind"), [((1, 8, 8), "png"), ((3, 20, 12), "jpeg")])
def test_a_sheet_holds_every_picture_where_it_says(shape, kind):
    pictures = torch.linspace(0, 1, 30)[:, None, None, None].expand(30, *shape)
    sheets = gallery.Sheets()
    sheet = sheets.add(list(pictures))
    assert sheets.add(list(pictures)) == sheet
    found = re.findall(rf"data:image/{kind};base64,([^\"]+)", sheets.html())
    assert len(found) == 1
    canvas = np.asarray(Image.open(io.BytesIO(base64.b64decode(found[0]))).convert("RGB"), dtype=float)
    for i, picture in enumerate(pictures):
        left, top, width, height = map(int, re.search(r'viewBox="([^"]+)"', sheet.picture(i, "")).group(1).split())
        assert (height, width) == shape[1:]
        seen = canvas[top : top + height, left : left + width]
        wanted = 255 * (float(picture.max()) if shape[0] == 3 else 1 - float(picture.max()))
        assert np.abs(seen - wanted).max() <= (1 if kind == "png" else 6)


def test_ink_is_drawn_dark_and_colours_as_they_are():
    assert gallery.pixels(torch.tensor([[[0.0, 1.0]]])).tolist() == [[255, 0]]
    assert gallery.pixels(torch.tensor([[[0, 255]]], dtype=torch.uint8)).tolist() == [[255, 0]]
    assert gallery.pixels(torch.tensor([1.0, 0.5, 0.0])[:, None, None]).tolist() == [[[255, 128, 0]]]


def test_many_pictures_stay_small():
    """4 shown 20-way tasks of photographs, 5 methods: below 1.5 MB."""
    names = [f"class {i}" for i in range(20)]
    drawn = tasks(names, way=20, shot=1, query=5, shape=(3, 84, 84))
    smooth = torch.nn.functional.avg_pool2d(drawn.pool.images.float(), 9, 1, 4).to(torch.uint8)
    drawn = episodes(dataclasses.replace(drawn.pool, images=smooth), 20, 1, 5)
    one = evaluate(learners.density(drawn.pool.shape), drawn, 4)
    html = report.page("t", [dataclasses.replace(one, name=f"method {i}") for i in range(5)], facts={})
    assert len(html) < 1_500_000


@pytest.mark.parametrize("factor", [1, 1000])
def test_a_wide_span_of_losses_is_drawn_on_a_logarithmic_axis(factor):
    drawn = charts.lines({0: [(1, 2.0), (2, 2.0 / factor)]}, what="loss", describe="")
    assert ("logarithmic" in drawn) is (factor == 1000)
    assert "logarithmic" not in charts.lines(
        {0: [(1, 2.0), (2, 2.0 / factor)]}, what="accuracy", describe="", exams=True
    )


@pytest.mark.parametrize("log", [False, True])
def test_axes_put_data_where_the_ticks_say(log):
    axes = charts.Axes((0, 10), (1, 100), log=log)
    assert axes.across(0) == axes.left
    assert axes.across(10) == axes.width - axes.right
    assert axes.up(1) == axes.height - axes.bottom
    assert axes.up(100) == axes.top
    assert axes.up(10 if log else 50.5) == pytest.approx((axes.up(1) + axes.up(100)) / 2)


@pytest.mark.parametrize(
    "points", [[(0, 0.0)], [(5, 1.0)], [(1, -1.0), (2, 3.0)], [(1, 1e-9), (2, 1e9)], [(1, 0.0), (2, 9.0)]]
)
def test_every_curve_can_be_drawn(points):
    drawn = charts.lines({3: points}, what="x", describe="<")
    numbers = [float(n) for n in re.findall(r' (?:x1|x2|y1|y2|cx|cy|x|y)="([^"]+)"', drawn)]
    assert all(-1 <= n <= 441 for n in numbers)


def test_a_scale_holds_every_interval():
    values = [metrics.Estimate(0.913, 0.02), metrics.Estimate(0.999, 0.01), metrics.Estimate(0.95, float("nan"))]
    assert charts.scale(values) == (0.85, 1.0)
    for certain in (0.0, 0.5, 1.0):
        low, high = charts.scale([metrics.Estimate(certain, 0.0)])
        assert 0 <= low < high <= 1
        assert low <= certain <= high


def test_a_histogram_counts_every_task_in_its_bar():
    totals = np.array([3, 3, 6, 7, 60, 75])
    drawn = charts.histogram(totals, 75, (3, 75), 0, "x")
    bars = re.findall(r"<title>(\d+) tasks with (\d+) to (\d+) of 75 right", drawn)
    assert len(bars) <= 20
    assert [int(n) for n, _, _ in bars] == [sum(int(a) <= t <= int(b) for t in totals) for _, a, b in bars]
    assert sum(int(n) for n, _, _ in bars) == len(totals)


def test_the_reliability_diagram_counts_every_answer(evaluations):
    e = evaluations[1]
    drawn = charts.reliability(e.confidence, e.right, 0, "x")
    assert sum(int(n) for n in re.findall(r"<title>(\d+) answers", drawn)) == e.right.size


def test_small_numbers_keep_their_digits():
    curve = [(0.0, 0.0009), (10.0, 0.0002)]
    words = Page(charts.lines({0: curve}, what="loss", describe="d")).words
    assert all(tick in words for tick in ("0.0002", "0.0004", "0.0006", "0.0008", "0.001"))


def test_lines_are_told_apart_when_the_colours_begin_again():
    assert len({charts.key(index) for index in range(36)}) == 36


def test_a_legend_has_the_line_of_each_method():
    told = charts.legend({2: "a<b", 0: "c"})
    assert told == f'<ul class="legend"><li>{charts.key(2)} a&lt;b</li><li>{charts.key(0)} c</li></ul>'


def test_the_rows_of_an_accuracy_matrix_say_when_they_were_measured():
    drawn = life_report.heat(np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]), "d")
    assert re.findall('text-anchor="end">(.*?)</text>', drawn) == ["at first", "after 1", "after 2"]
