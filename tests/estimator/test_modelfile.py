"""Model files: the same answers afterwards, and every kind of damage named with its cure."""

import json

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris

from quickstudy import learners, storage
from quickstudy.estimator import FewShotClassifier, modelfile
from quickstudy.files import FileProblem

X, Y = load_iris(return_X_y=True)


@pytest.fixture
def model(tmp_path):
    FewShotClassifier("neighbours", reject=0.1).fit(X[::5], np.array(["a", "é", "c\n"])[Y[::5]]).save(tmp_path / "m.qs")
    return tmp_path / "m.qs"


@pytest.mark.parametrize("name", ["prototypes", "neighbours", "matching", "density", "linear"])
def test_answers_before_and_after_a_file_are_the_same(name, tmp_path):
    before = FewShotClassifier(name, reject=0.1, options={"steps": 5} if name == "linear" else None).fit(X[::5], Y[::5])
    before.save(tmp_path / "m.qs")
    after = FewShotClassifier.load(tmp_path / "m.qs")
    np.testing.assert_array_equal(after.predict_proba(X), before.predict_proba(X))
    np.testing.assert_array_equal(after.predict(X), before.predict(X))
    assert after.leave_one_out_accuracy_ == before.leave_one_out_accuracy_
    assert after.suspects_ == before.suspects_
    assert after.get_params() == before.get_params()
    more = [made.partial_fit(X[1::5], Y[1::5]).predict_proba(X) for made in (before, after)]
    np.testing.assert_allclose(more[1], more[0], atol=1e-6)


def test_a_module_of_ones_own_has_to_be_given_again(drawings, tmp_path):
    def module():
        return learners.prototypes((1, 32, 32), width=8, normalization="group").embed

    before = FewShotClassifier("neighbours", embedding=module()).fit(*drawings)
    before.save(tmp_path / "m.qs")
    with pytest.raises(ValueError, match="given=your_module"):
        FewShotClassifier.load(tmp_path / "m.qs")
    after = FewShotClassifier.load(tmp_path / "m.qs", given=module())  # with other weights, which the file replaces
    np.testing.assert_allclose(after.predict_proba(drawings[0]), before.predict_proba(drawings[0]), atol=1e-7)
    with pytest.raises(FileProblem, match="do not fit"):
        FewShotClassifier.load(tmp_path / "m.qs", given=torch.nn.Linear(2, 3))


def test_a_learner_that_adapts_all_weights(drawings, tmp_path):
    net = learners.maml((1, 32, 32), way=4, width=8, normalization="group")
    before = FewShotClassifier(net).fit(*drawings)
    before.save(tmp_path / "m.qs")
    given = learners.maml((1, 32, 32), way=4, width=8, normalization="group")
    after = FewShotClassifier.load(tmp_path / "m.qs", given=given)
    np.testing.assert_allclose(after.predict_proba(drawings[0]), before.predict_proba(drawings[0]), atol=1e-7)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_file_cut_short(share, model):
    data = model.read_bytes()
    model.write_bytes(data[: int(share * len(data))])
    with pytest.raises(FileProblem, match=r"m\.qs is damaged or incomplete .*make it anew"):
        FewShotClassifier.load(model)


def test_a_file_of_a_newer_version(model):
    tensors, about = storage.load_tensors(model)
    storage.save_tensors(model, tensors, about | {"format": modelfile.FORMAT + 1, "quickstudy": "9.9"})
    with pytest.raises(FileProblem, match=r"quickstudy 9\.9 .*pip install --upgrade"):
        FewShotClassifier.load(model)


def test_what_is_no_model_file(tmp_path):
    storage.save_tensors(tmp_path / "w.safetensors", {"a": torch.ones(2)}, {})
    with pytest.raises(FileProblem, match="is no file of a quickstudy model"):
        FewShotClassifier.load(tmp_path / "w.safetensors")
    with pytest.raises(FileProblem, match="is not there"):
        FewShotClassifier.load(tmp_path / "none.qs")


def test_nothing_taught_is_not_saved(tmp_path):
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        FewShotClassifier().save(tmp_path / "m.qs")


def test_a_file_says_what_it_holds(model):
    about = modelfile.about(model)
    assert about["names"] == ["a", "c\n", "é"]
    assert about["recipe"]["looks"]["shape"] == [4]
    assert {"quickstudy", "torch", "format"} <= about.keys()
    assert json.loads(json.dumps(about)) == about


@pytest.mark.parametrize("changed", [{"names": ["a", "b", "c"]}, {"counts": [1, 2, 3]}, {"more": {"reject": 0.9}}])
def test_a_header_changed_by_hand_is_noticed(changed, model):
    data = model.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    told = json.loads(header["__metadata__"]["quickstudy"])
    told["meta"] |= changed
    header["__metadata__"]["quickstudy"] = json.dumps(told)
    text = json.dumps(header).encode()
    model.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])
    with pytest.raises(FileProblem, match=r"damaged or incomplete \('meta_sha256'\)"):
        FewShotClassifier.load(model)


@pytest.mark.parametrize("lacking", ["recipe", "names", "measured", "more"])
def test_a_file_that_lacks_a_part_is_named(lacking, model):
    tensors, about = storage.load_tensors(model)
    del about[lacking]
    storage.save_tensors(model, tensors, about)
    with pytest.raises(FileProblem, match=rf"was changed \(KeyError\('{lacking}'\)\); make it anew"):
        FewShotClassifier.load(model)
