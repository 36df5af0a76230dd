"""An exported graph says what the estimator says, for one input and for many."""

import json

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris

from quickstudy import learners
from quickstudy.estimator import FewShotClassifier

CLOSE = 1e-5


@pytest.fixture(params=["pictures", "vectors"])
def made(request, drawings):
    """A taught classifier, what it is asked, and the same as numbers."""
    if request.param == "vectors":
        x, y = load_iris(return_X_y=True)
        return FewShotClassifier("neighbours", options={"k": 3}).fit(x[::5], y[::5]), x[:7], x[:7].astype(np.float32)
    net = learners.prototypes((1, 32, 32), width=8, normalization="group")
    return FewShotClassifier(net).fit(*drawings), drawings[0][:7], (drawings[0][:7, None] / 255).astype(np.float32)


def same(run, made):
    classifier, asked, numbers = made
    order = np.argsort(classifier.taught_.names)
    want = classifier.predict_proba(asked)
    np.testing.assert_allclose(run(numbers)[:, order], want, atol=CLOSE)
    np.testing.assert_allclose(np.concatenate([run(one[None]) for one in numbers])[:, order], want, atol=CLOSE)


def test_onnx(made, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    path = tmp_path / "m.onnx"
    made[0].export(path)
    session = onnxruntime.InferenceSession(path)
    same(lambda x: session.run(None, {"x": x})[0], made)
    about = json.loads(session.get_modelmeta().custom_metadata_map["quickstudy"])
    assert about["classes"] == made[0].taught_.names
    assert [file.name for file in tmp_path.iterdir()] == ["m.onnx"]  # the weights are inside


def test_torch_export(made, tmp_path):
    path = tmp_path / "m.pt2"
    made[0].export(path)
    extra = {"quickstudy.json": ""}
    run = torch.export.load(path, extra_files=extra).module()
    same(lambda x: run(torch.from_numpy(x)).numpy(), made)
    assert json.loads(extra["quickstudy.json"])["classes"] == made[0].taught_.names
    assert [file.name for file in tmp_path.iterdir()] == ["m.pt2"]


def test_another_ending_is_refused(tmp_path):
    made = FewShotClassifier().fit(np.eye(2), [0, 1])
    with pytest.raises(ValueError, match=r"ends in \.onnx or \.pt2"):
        made.export(tmp_path / "m.tflite")
