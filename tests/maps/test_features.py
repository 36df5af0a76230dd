"""Features are what a layer gives for each example by itself, wherever the net is used otherwise."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest
import torch
from torch import nn

from quickstudy import data, learners
from quickstudy.data.pool import build
from quickstudy.maps import features, layers
from quickstudy.nets.lenet import lenet


@pytest.fixture
def pictures():
    return torch.from_numpy(np.random.default_rng(0).integers(0, 255, (30, 1, 28, 28), dtype=np.uint8))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return lenet((1, 28, 28))


def test_the_penultimate_layer_of_lenet(net, pictures):
    found = features(net, "blocks.10", pictures, batch=7)
    with torch.no_grad():
        wanted = net.blocks[:11](pictures / 255)
    assert found.shape == (30, 84)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_a_layer_in_the_middle_is_flattened_and_the_net_is_left_as_it_was(net, pictures):
    net.train()
    net.blocks[2].eval()
    found = features(net, "blocks.2", pictures)
    assert found.shape == (30, 6 * 14 * 14)
    assert net.training
    assert not net.blocks[2].training
    assert not any(module._forward_hooks for module in net.modules())


def test_dropout_and_batch_statistics_take_no_part():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    x = torch.randn(20, 3)
    before = {name: part.clone() for name, part in net.state_dict().items()}
    whole = features(net, "", x)
    np.testing.assert_allclose(features(net, "", x, batch=3), whole, rtol=1e-5, atol=1e-6)
    assert all(torch.equal(part, before[name]) for name, part in net.state_dict().items())


def test_arrays_tensors_pools_and_precisions_are_alike(net, pictures):
    pool = build({"a": pictures[:10], "b": pictures[10:]})
    wanted = features(net, "", pictures)
    for same in (pool, pictures.numpy(), pictures.numpy() / 255, pictures.double() / 255):
        np.testing.assert_allclose(features(net, "", same), wanted, rtol=1e-4, atol=1e-6)
    assert features(net.double(), "", pictures).dtype == np.float64


def test_words_go_in_as_they_are():
    table = nn.Embedding(5, 3)
    found = features(table, "", np.array([[1, 4], [0, 2]]))
    np.testing.assert_array_equal(found, table.weight.detach()[[1, 4, 0, 2]].reshape(2, 6))


def test_a_learner_is_asked_through_its_embedding():
    pool = data.glyphs().test.select([0, 1])
    learner = learners.prototypes(pool.shape, width=4)
    assert features(learner.embed, "", pool).shape == (len(pool.images), learner.features)
    with pytest.raises(ValueError, match=r"learner\.embed"):
        features(learner, "", pool)


def test_a_copy_runs_on_another_device(net, pictures):
    np.testing.assert_array_equal(features(net, "", pictures, device="cpu"), features(net, "", pictures))
    moved = features(nn.Flatten(), "", pictures, device="cpu")
    np.testing.assert_array_equal(moved, (pictures / 255).flatten(1))


def test_a_file_is_there_once_it_is_whole(net, pictures, tmp_path):
    out = tmp_path / "deep" / "found.npy"
    found = features(net, "blocks.8", pictures, out=out, batch=8)
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, features(net, "blocks.8", pictures, batch=8))
    np.testing.assert_array_equal(np.load(out, allow_pickle=False), found)
    with pytest.raises(RuntimeError):
        features(net, "", torch.cat([pictures.float(), torch.zeros(30, 1, 28, 28)])[:, :, :20], out=tmp_path / "no.npy")
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]


def test_what_is_large_lies_in_a_file_without_a_name(net, pictures, monkeypatch):
    wanted = features(net, "", pictures)
    monkeypatch.setattr(sys.modules["quickstudy.maps.features"], "LARGE", 100)
    found = features(net, "", pictures)
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, wanted)


def test_layers_have_names(net):
    assert layers(net)[:3] == ["", "blocks", "blocks.0"]
    for name in layers(net):
        assert len(features(net, name, torch.zeros(1, 1, 28, 28))) == 1


@pytest.mark.parametrize(
    ("layer", "said"),
    [("block.10", r"no layer 'block\.10'; it has blocks, blocks\.0, .*did you mean blocks\.10"), ("head", "no layer")],
)
def test_a_wrong_name_is_answered_with_the_names(net, pictures, layer, said):
    with pytest.raises(ValueError, match=said):
        features(net, layer, pictures)


def test_layers_that_give_no_row_for_each_example_are_refused(pictures):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.unused = nn.LSTM(28, 4), nn.Linear(1, 1)

        def forward(self, x):
            return self.lstm(x[:, 0].flatten(0, 1))[0]

    for layer, said in (("lstm", "a tuple"), ("unused", "does not run it"), ("", r"a tensor of \(840, 4\) for 30")):
        with pytest.raises(ValueError, match=said):
            features(Odd(), layer, pictures)
    with pytest.raises(ValueError, match="at least one example"):
        features(nn.Flatten(), "", pictures[:0])


def test_layers_in_place_that_follow_change_nothing():
    net, x = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True), nn.Linear(4, 2)), torch.randn(20, 3)
    with torch.no_grad():
        np.testing.assert_allclose(features(net, "0", x), net[0](x), rtol=1e-6)


def test_batches_are_written_one_by_one(tmp_path, monkeypatch):
    rows = importlib.import_module("quickstudy.maps.features")
    written, made = [], rows._rows

    def counted(*arguments):
        for part in made(*arguments):
            yield part
            written.append(len(part))  # asked for the next: this one has been taken

    class File(np.ndarray):
        def __setitem__(self, place, part):
            assert sum(written) == place.start
            super().__setitem__(place, part)

    monkeypatch.setattr(rows, "_rows", counted)
    monkeypatch.setattr(rows, "_room", lambda shape, dtype: np.empty(shape, dtype).view(File))
    features(nn.Linear(3, 4), "", torch.randn(20, 3), batch=6)
