"""The figures draw what they are given, and touch no global state."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from quickstudy import learners, plot
from quickstudy.data.pool import build
from quickstudy.evaluate import evaluate
from quickstudy.plot.task import BAND
from quickstudy.regression import Errors, adaptation, errors
from quickstudy.tasks import episodes, sines


def measured(channels=1, *, names=("a/$x$", "b", "c", "d"), count=10, shot=2):
    generator = torch.Generator().manual_seed(0)
    pool = build({n: torch.randint(0, 256, (6, channels, 8, 8), dtype=torch.uint8, generator=generator) for n in names})
    tasks = episodes(pool, len(names), shot, 3)
    return [evaluate(make(pool.shape), tasks, count, name=name) for name, make in METHODS.items()]


METHODS = {"k $ nearest $": learners.neighbours, "density": learners.density}


def drawn(figure):
    """The bytes of the figure, drawn with every warning an error."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(file, format="png", dpi=40)
    return file.getvalue()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_task_shows_every_picture_and_marks_every_answer(channels):
    shown = measured(channels)[0].shown[0]
    figure = plot.task(shown, title="cost $5 and $6")
    axes = figure.axes[0]
    assert len(axes.images) == len(shown.task.support.x) + len(shown.task.query.x)
    right = int((shown.answers == shown.task.query.y.numpy()).sum())
    marks = [text.get_text() for text in axes.texts]
    assert marks.count("✓") == right
    wrong = [f"✗ {a + 1}" for a, y in zip(shown.answers, shown.task.query.y.tolist(), strict=True) if a != y]
    assert sorted(m for m in marks if m.startswith("✗")) == sorted(wrong)
    assert drawn(figure)


def test_a_task_of_many_classes_takes_several_bands():
    names = [f"class {i}, with a long name" for i in range(23)]
    figure = plot.task(measured(names=names, count=1, shot=1)[0].shown[0])
    lefts = {round(image.get_extent()[0], 3) for image in figure.axes[0].images}
    assert len(lefts) == BAND
    assert drawn(figure)


def test_accuracies_are_drawn_where_they_are():
    evaluations = measured()
    axes = plot.accuracies(evaluations).axes[0]
    for i, evaluation in enumerate(evaluations):
        line, _, (bars,) = axes.containers[i].lines
        assert line.get_xdata()[0] == pytest.approx(100 * evaluation.estimate.mean)
        ends = bars.get_segments()[0][:, 0]
        assert np.ptp(ends) / 2 == pytest.approx(100 * evaluation.estimate.interval95)
    assert [label.get_text() for label in axes.get_yticklabels()] == list(METHODS)


@pytest.mark.parametrize("count", [1, 10])
def test_accuracies_can_be_drawn(count):
    assert drawn(plot.accuracies(measured(count=count)))
    assert drawn(plot.accuracies([]))


def test_learning_curves_hold_the_points():
    curve = [{"step": 1, "loss": 30.0}, {"step": 2, "loss": 1.0, "score": 0.4}, {"step": 3, "loss": 0.5, "score": 0.6}]
    figure = plot.learning_curves({"$a$": curve, "b": curve[:1]})
    loss, score = figure.axes
    assert loss.lines[0].get_ydata().tolist() == [30.0, 1.0, 0.5]
    assert score.lines[0].get_xydata().tolist() == [[2.0, 40.0], [3.0, 60.0]]
    assert loss.get_yscale() == "log"
    assert drawn(figure)


@pytest.mark.parametrize("curves", [{}, {"a": []}, {"a": [{"step": 1, "loss": 1.0}]}])
def test_learning_curves_without_scores_are_one_panel(curves):
    figure = plot.learning_curves(curves)
    assert len(figure.axes) == 1
    assert drawn(figure)


def test_importing_plot_loads_no_matplotlib_and_drawing_no_pyplot():
    code = (
        "import sys; from quickstudy import plot; assert 'matplotlib' not in sys.modules; "
        "plot.learning_curves({'a': [{'step': 1, 'loss': 1.0}]}); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_regression_shows_the_truth_the_support_and_every_stage():
    learner, exam = learners.maml_regressor(widths=(4,)), sines(5, 30)
    shown = [adaptation(learner, exam[0], steps=(0, 1, 3), name="cost $5")]
    found = [errors(learner, exam, 9, steps=3, name="$a$"), errors(learner, exam, 9, steps=2, name="b")]
    figure = plot.regression(shown, found)
    panel, last = figure.axes
    lines = {line.get_label(): line.get_ydata() for line in panel.lines}
    assert list(lines) == ["true", "before", "after 1 step", "after 3 steps", "support"]
    assert np.array_equal(lines["true"], shown[0].true)
    assert np.array_equal(lines["after 3 steps"], shown[0].said[3])
    assert np.array_equal(lines["support"], shown[0].support[:, 1])
    means, medians = last.lines[::2], last.lines[1::2]
    for mean, median, one in zip(means, medians, found, strict=True):
        assert mean.get_ydata() == pytest.approx([e.mean for e in one.estimates])
        assert median.get_ydata() == pytest.approx(np.median(one.of_tasks, axis=0))
    assert drawn(figure)


def test_a_task_that_diverges_leaves_the_picture_and_the_median_in_it():
    learner, exam = learners.maml_regressor(widths=(4,), rate=1e30), sines(5, 30)
    found = errors(learner, exam, 9, steps=3)
    assert not np.isfinite(found.of_tasks[:, -1]).any()
    figure = plot.regression([adaptation(learner, exam[0], steps=(0,), name="a")], [found])
    assert 0 < figure.axes[-1].get_ylim()[1] < 100
    assert drawn(figure)


def test_errors_by_examples_have_a_panel_for_each_title():
    chance = np.random.default_rng(0)
    several = [Errors("$net$", chance.random((9, 4))), Errors("least", chance.random((9, 4)))]
    figure = plot.by_examples({"a $": several, "b": several[:1], "c": several, "d": several, "e": several})
    panels = [axes for axes in figure.axes if axes.lines]
    assert [len(axes.lines) for axes in panels] == [2, 1, 2, 2, 2]
    assert panels[0].lines[1].get_ydata() == pytest.approx(several[1].of_tasks.mean(0))
    assert drawn(figure)


def test_lines_by_size_keep_their_colours_over_panels():
    lines = {"sum": [(20, 0.1, 0.01), (40, 0.5, 0.02)], "delta": [(20, 0.0, 0.0)]}
    figure = plot.by_size({"a": lines, "b": {"delta": lines["delta"]}}, what="keys", score="error")
    first, second = figure.axes
    assert first.lines[0].get_xydata().tolist() == [[20, 0.1], [40, 0.5]]
    assert second.lines[0].get_color() == first.lines[1].get_color() != first.lines[0].get_color()
    assert drawn(figure)


def test_what_is_answered_wrongly_by_budget():
    figure = plot.by_budget({"episodes": {"SNAIL": [[10, 0.5], [100, 0.95]]}, "streams": {"$LSTM": [[20, 0.25]]}})
    first, second = figure.axes
    np.testing.assert_allclose(first.lines[0].get_xydata(), [[10, 50], [100, 5]])
    assert first.get_xscale() == first.get_yscale() == "log"
    assert not second.get_legend().get_texts()[0].get_parse_math()
    assert drawn(figure)


def test_long_names_by_budget_leave_the_panels_their_width():
    short, long = ({f"{word} {i}": [[1, 0.5], [2, 0.6]] for i in range(3)} for word in ("one", "word " * 30))
    widths = []
    for lines in (short, long):
        figure = plot.by_budget({"left": lines, "right": lines})
        figure.canvas.draw()
        widths.append(figure.axes[0].get_position().width)
        for axes in figure.axes:
            assert axes.get_legend().get_window_extent().x1 <= figure.bbox.x1
    assert widths[1] > 0.9 * widths[0]


def test_no_two_lines_by_budget_look_alike():
    figure = plot.by_budget({"many": {f"row {i}": [[1, 0.5], [2, 0.6]] for i in range(30)}})
    looks = {(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}
    assert len(looks) == 30
