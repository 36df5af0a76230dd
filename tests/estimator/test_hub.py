"""Embeddings by name, tested on a small one that lies on disk: no network is asked."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from quickstudy.estimator import FewShotClassifier, hub
from quickstudy.files import FileProblem

try:
    import torchvision  # noqa: F401
except ImportError:
    pass
except RuntimeError:  # built for a GPU, beside a torch that has none: timm needs none of its compiled operators
    OPERATORS = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        OPERATORS.define(f"{name}(Tensor a, Tensor b, float c) -> Tensor")
timm = pytest.importorskip("timm")
SMALL = "test_resnet"  # of timm's own, with random weights here


@pytest.fixture
def hosted(tmp_path):
    """A folder as Hugging Face hosts one."""
    folder = tmp_path / "hosted"
    folder.mkdir()
    torch.manual_seed(1)
    net = timm.create_model(SMALL, pretrained=False)
    cfg = {"input_size": [3, 64, 64], "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "num_classes": 1000}
    cfg |= {"first_conv": net.pretrained_cfg["first_conv"], "classifier": net.pretrained_cfg["classifier"]}
    (folder / "config.json").write_text(json.dumps({"architecture": SMALL, "pretrained_cfg": cfg}))
    save_file(net.state_dict(), folder / "model.safetensors")
    return folder, net.eval()


def test_the_features_are_those_of_the_model(hosted):
    folder, net = hosted
    found = hub.load(f"hf:{folder}")
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(found.module.eval()(x), net.forward_head(net.forward_features(x), pre_logits=True))
    assert found.looks.shape == (3, 64, 64)
    assert found.looks.spread == (0.25, 0.25, 0.25)


def test_a_model_file_needs_the_folder_no_more(hosted, drawings, tmp_path):
    made = FewShotClassifier(embedding=f"hf:{hosted[0]}").fit(*drawings)
    made.save(tmp_path / "m.qs")
    (hosted[0] / "model.safetensors").unlink()
    after = FewShotClassifier.load(tmp_path / "m.qs")
    np.testing.assert_allclose(after.predict_proba(drawings[0]), made.predict_proba(drawings[0]), atol=1e-6)
    assert made.score(*drawings) > 0.5  # chance is a quarter


def test_weights_that_cannot_be_had_are_named(monkeypatch):
    def offline(*_, **__):
        raise ConnectionError("no route to host\nand more")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(FileProblem, match=r"timm:resnet18 could not be had \(ConnectionError: no route to host\).*hf:"):
        hub.load("timm:resnet18")


def test_names_that_are_none():
    with pytest.raises(ValueError, match="timm:NAME"):
        hub.load("resnet18")
    with pytest.raises(ValueError, match="no pretrained model 'no_such_net'"):
        hub.load("timm:no_such_net")
