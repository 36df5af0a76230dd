"""The scikit-learn face: what scikit-learn asks of it, and what users do with it."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import quickstudy
from quickstudy import learners
from quickstudy.estimator import FewShotClassifier, FewShotRegressor
from quickstudy.files import FileProblem
from quickstudy.learners.neighbours import Neighbours

IRIS = load_iris(return_X_y=True)
CHECKED = [
    FewShotClassifier(),
    FewShotClassifier("neighbours", options={"k": 3, "metric": "euclidean"}),
    FewShotRegressor(steps=60, width=20, rate=0.05),
]


@parametrize_with_checks(CHECKED)
def test_what_scikit_learn_asks(estimator, check):
    check(estimator)


def test_it_is_had_from_the_package():
    assert quickstudy.FewShotClassifier is FewShotClassifier
    assert quickstudy.FewShotRegressor is FewShotRegressor
    with pytest.raises(AttributeError, match="FewShotAnything"):
        _ = quickstudy.FewShotAnything


def test_prototypes_on_plain_features_are_nearest_centroids():
    x, y = IRIS
    ours, theirs = FewShotClassifier().fit(x, y), NearestCentroid().fit(x, y)
    assert (ours.predict(x) == theirs.predict(x)).all()
    logits = ours.taught_.logits(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(-logits, ((x[:, None] - theirs.centroids_) ** 2).sum(-1), rtol=1e-9)


def test_neighbours_on_plain_features_are_scikit_learns():
    x, y = IRIS
    ours = FewShotClassifier("neighbours", options={"metric": "euclidean"}).fit(x[::2], y[::2])
    assert (ours.predict(x) == KNeighborsClassifier(1).fit(x[::2], y[::2]).predict(x)).all()


def test_it_works_in_pipelines_searches_and_cross_validation():
    x, y = IRIS
    pipeline = make_pipeline(StandardScaler(), FewShotClassifier("neighbours"))
    assert cross_val_score(pipeline, x, y, cv=3).mean() > 0.8
    grid = {"fewshotclassifier__options": [{"k": 1, "metric": "euclidean"}, {"k": 5, "metric": "euclidean"}]}
    assert GridSearchCV(pipeline, grid, cv=3).fit(x, y).best_score_ > 0.9


def test_files_can_be_cross_validated(folder, net):
    files = sorted(str(path) for path in folder.rglob("*.png"))
    labels = [path.split("/")[-2] for path in files]
    assert cross_val_score(FewShotClassifier(net, size=28), files, labels, cv=2).shape == (2,)


@pytest.mark.parametrize("learner", ["prototypes", "neighbours"])
def test_class_by_class_equals_all_at_once_on_vectors(learner):
    x, y = IRIS
    whole = FewShotClassifier(learner).fit(x[::3], y[::3])
    parts = FewShotClassifier(learner)
    for c in (2, 0, 1):  # in another order than that of the labels
        parts.partial_fit(x[::3][y[::3] == c], y[::3][y[::3] == c])
    np.testing.assert_array_equal(parts.classes_, whole.classes_)
    np.testing.assert_allclose(parts.predict_proba(x), whole.predict_proba(x), rtol=0, atol=1e-6)
    assert parts.leave_one_out_accuracy_ == whole.leave_one_out_accuracy_


@pytest.mark.parametrize("name", ["prototypes", "neighbours"])
def test_class_by_class_equals_all_at_once_on_pictures(name, drawings, asked):
    x, y = drawings
    embed = learners.prototypes((1, 32, 32), width=8, normalization="group").embed
    whole = FewShotClassifier(name, embedding=embed).fit(x, y)
    parts = FewShotClassifier(name, embedding=embed)
    for letter in dict.fromkeys(y):
        parts.partial_fit(x[y == letter], y[y == letter])
    np.testing.assert_allclose(parts.predict_proba(asked[0]), whole.predict_proba(asked[0]), rtol=0, atol=1e-6)


def test_a_class_comes_a_week_later(drawings, asked, tmp_path, net):
    x, y = drawings
    early = y != "delta"
    first = FewShotClassifier(net(shape := (1, 32, 32))).fit(x[early], y[early])
    first.save(tmp_path / "model.qs")
    later = FewShotClassifier.load(tmp_path / "model.qs", given=net(shape))
    later.partial_fit(x[~early], y[~early])
    assert list(later.classes_) == ["alpha", "beta", "delta", "gamma"]
    assert accuracy_score(asked[1], later.predict(asked[0])) > 0.5


def test_all_forms_of_the_same_pictures_are_the_same(drawings, folder, net):
    x, y = drawings
    made = FewShotClassifier(learner=net, size=32)
    files = sorted(folder.rglob("*.png"))
    forms = [
        x,
        x / 255,
        torch.from_numpy(x),
        255 - x,  # bright ink on dark paper
        x[..., None],
        torch.from_numpy(x)[:, None],
        list(x),
        [Image.fromarray(page) for page in x],
    ]
    by_array = made.fit(x, y).predict_proba(x)
    for form in forms:
        np.testing.assert_allclose(FewShotClassifier(net, size=32).fit(form, y).taught_.counts, [4] * 4)
        np.testing.assert_allclose(made.predict_proba(form), by_array, atol=1e-6)
    made = FewShotClassifier(learner=Neighbours(torch.nn.Flatten(), 3 * 32 * 32), size=32)
    labels = [path.parent.name for path in files]
    by_files = made.fit(files, labels).predict_proba(files)
    np.testing.assert_allclose(made.fit(folder).predict_proba([str(path) for path in files]), by_files)
    assert made.score(folder) == 1


def test_sparse_vectors_are_those_of_a_dense_array():
    x, y = np.random.default_rng(0).random((12, 6)).round() + 0.0, np.repeat(["a", "b", "c"], 4)
    dense, thin = FewShotClassifier().fit(x, y), FewShotClassifier().fit(sparse.csr_matrix(x), y)
    np.testing.assert_array_equal(thin.predict_proba(sparse.csr_matrix(x)), dense.predict_proba(x))


def test_labels_may_be_of_any_kind():
    x = np.random.default_rng(0).random((6, 3))
    for labels in ([True, False] * 3, [3, -7] * 3, ["é", "b\n"] * 3):
        made = FewShotClassifier().fit(x, labels)
        assert made.predict(x).dtype == np.array(labels).dtype
        assert set(made.classes_) == set(labels)


def test_unequal_numbers_of_examples(drawings, net):
    x, y = drawings
    chosen = [0, 1, 2, 4, 8, 9]
    made = FewShotClassifier(net, size=32).fit(x[chosen], y[chosen])
    assert made.taught_.counts == [3, 1, 2]
    assert 0 <= made.leave_one_out_accuracy_ <= 1
    assert made.taught_.measured.count == 5  # what is alone in its class cannot be left out


def test_a_label_that_is_wrong_is_the_first_suspect():
    chance = np.random.default_rng(0)
    x = np.concatenate([chance.normal(c, 0.1, (8, 4)) for c in (0, 1, 2)])
    y = np.repeat(["a", "b", "c"], 8)
    assert not FewShotClassifier().fit(x, y).suspects_
    y[3] = "c"
    (first,) = FewShotClassifier().fit(x, y).suspects_
    assert (first.row, first.label, first.answer) == (3, "c", "a")


def test_what_is_far_from_everything_is_rejected():
    chance = np.random.default_rng(0)
    x = np.concatenate([chance.normal(c, 0.1, (20, 4)) for c in (0, 1)])
    for labels, unknown in ((np.repeat(["a", "b"], 20), "unknown"), (np.repeat([4, 5], 20), -1)):
        made = FewShotClassifier(reject=0.05).fit(x, labels)
        assert (made.predict(np.full((2, 4), 9.0)) == unknown).all()
        assert (made.predict(x) == unknown).mean() <= 0.1
        assert (FewShotClassifier().fit(x, labels).predict(np.full((2, 4), 9.0)) == labels[-1]).all()
    with pytest.raises(ValueError, match="rename the class"):
        FewShotClassifier(reject=0.05).fit(x, np.repeat(["a", "unknown"], 20))


def test_it_can_be_pickled_as_scikit_learns_can(drawings, tmp_path):
    made = FewShotClassifier("neighbours").fit(*drawings)
    again = pickle.loads(pickle.dumps(made))
    np.testing.assert_array_equal(again.predict_proba(drawings[0]), made.predict_proba(drawings[0]))


@pytest.mark.parametrize(
    ("arguments", "x", "message"),
    [
        ({"learner": "nothing"}, np.zeros((4, 20, 20)), "neither shipped weights"),
        ({"learner": "prototypes"}, np.zeros((4, 20, 20)), "has to be trained"),
        ({"learner": "neighbours", "options": {"colour": 1}}, np.zeros((4, 20, 20)), "no option 'colour'"),
        ({"learner": "maml", "embedding": torch.nn.Flatten()}, np.zeros((4, 20, 20)), "read by prototypes"),
        ({"embedding": torch.nn.Identity()}, np.zeros((4, 20, 20)), r"into \(n, features\)"),
        ({"embedding": "resnet"}, np.zeros((4, 20, 20)), "timm:NAME"),
        ({"learner": "neighbours"}, np.full((4, 20, 20), 7.5), "from 0 to 1"),
        ({"learner": "neighbours"}, np.full((4, 20, 20), np.nan), "from 0 to 1"),
        ({"learner": learners.prototypes}, np.zeros((4, 20, 20)), "calibrate"),
        ({"learner": lambda shape: 3}, np.zeros((4, 20, 20)), "function from a shape"),
    ],
)
def test_what_cannot_be_is_refused(arguments, x, message):
    with pytest.raises(ValueError, match=message):
        FewShotClassifier(**arguments).fit(x, ["a", "a", "b", "b"])


def test_examples_that_are_none_are_refused(tmp_path):
    pages = np.zeros((4, 20, 20))
    for x, y, message in (
        (pages[:0], [], "at least one"),
        (pages, ["a", "b"], "got 4 examples and 2 labels"),
        (pages, None, "need their labels"),
        (pages, np.array(["a", 1, "b", 2], dtype=object), "some labels are text"),
    ):
        with pytest.raises(ValueError, match=message):
            FewShotClassifier("neighbours").fit(x, y)
    with pytest.raises(FileProblem, match="is no folder"):
        FewShotClassifier("neighbours").fit(tmp_path / "none")
    with pytest.raises(FileProblem, match=r"a\.png does not exist"):
        FewShotClassifier("neighbours").fit([tmp_path / "a.png"] * 2, ["a", "b"])


def test_one_class_is_refused_by_fit_and_taken_by_partial_fit():
    with pytest.raises(ValueError, match="got 1 class, 'a'"):
        FewShotClassifier().fit(np.ones((3, 2)), ["a"] * 3)
    made = FewShotClassifier().partial_fit(np.ones((3, 2)), ["a"] * 3)
    assert list(made.predict(np.zeros((1, 2)))) == ["a"]
    assert np.isnan(made.leave_one_out_accuracy_)


def test_one_second_example_does_not_turn_everything_away(drawings, asked):
    """Of two answers nothing can be told about the rarest twentieth: what suited other classes still counts."""
    x, y = drawings
    made = FewShotClassifier(reject=0.05).fit(np.concatenate([x[::4], x[:1]]), np.append(y[::4], y[0]))
    assert len(made.taught_.measured.novelty) == 2
    assert (made.predict(x) == "unknown").mean() < 0.5
    usual = FewShotClassifier(reject=0.05).fit(x[::4], y[::4]).taught_.threshold(0.05)
    assert made.taught_.threshold(0.05) == pytest.approx(usual, rel=0.1)


def test_pictures_in_memory_are_set_upright_as_files_are(drawings, tmp_path):
    made = FewShotClassifier("neighbours").fit(*drawings)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    picture = Image.fromarray(drawings[0][3])
    picture.save(tmp_path / "turned.jpg", exif=exif, quality=100)
    with Image.open(tmp_path / "turned.jpg") as opened:
        of_memory = made.predict_proba([opened])
    np.testing.assert_array_equal(of_memory, made.predict_proba([tmp_path / "turned.jpg"]))


def test_what_cannot_be_learned_leaves_what_was_learned(drawings, tmp_path):
    x, y = drawings
    made = FewShotClassifier("neighbours", reject=0.05).fit(x, y)
    before = made.predict_proba(x)
    with pytest.raises(FileProblem, match="does not exist"):
        made.fit([tmp_path / "a.png"] * 2, ["a", "b"])
    with pytest.raises(ValueError, match="rename the class"):
        made.partial_fit(x[:1], ["unknown"])
    np.testing.assert_array_equal(made.predict_proba(x), before)
    assert "unknown" not in made.classes_


def test_a_run_s_path_is_kept_in_the_file(drawings, tmp_path):
    made = FewShotClassifier("neighbours").fit(*drawings)
    made.learner = tmp_path / "run"
    made.save(tmp_path / "m.qs")
    assert FewShotClassifier.load(tmp_path / "m.qs").learner == str(tmp_path / "run")


def test_vectors_are_asked_of_what_learned_vectors(tmp_path):
    made = FewShotClassifier().fit(*IRIS)
    with pytest.raises(ValueError, match="vectors of 4 features, and these are pictures"):
        made.predict([tmp_path / "a.png"])


def test_a_size_that_no_picture_has_is_refused(drawings):
    for size in (0, -5):
        with pytest.raises(ValueError, match="size is the side"):
            FewShotClassifier("neighbours", size=size).fit(*drawings)
